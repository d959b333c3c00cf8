//! Reading the catalogue: which models this validator offers and what their tokens are worth.
//!
//! All validators of a subnet should run the same catalogue, since scores depend on it.

use std::path::{Path, PathBuf};

use protocol::catalogue::{Catalogue, CatalogueError, Model};
use serde::Deserialize;

/// The built-in catalogue file.
pub const DEFAULT_TOML: &str = include_str!("../catalogue.default.toml");

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CatalogueFile {
    models: Vec<Model>,
}

/// A catalogue file could not be used.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// It could not be read.
    #[error("cannot read the catalogue {path}", path = path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// It is not valid TOML, or not a catalogue.
    #[error("the catalogue {path} is not valid TOML", path = path.display())]
    Toml {
        /// The file.
        path: PathBuf,
        /// Where and why.
        #[source]
        source: Box<toml::de::Error>,
    },
    /// It is not valid JSON, or not a catalogue.
    #[error("the catalogue {path} is not valid JSON", path = path.display())]
    Json {
        /// The file.
        path: PathBuf,
        /// Where and why.
        #[source]
        source: serde_json::Error,
    },
    /// Its models do not go together.
    #[error("the catalogue {path} cannot be used", path = path.display())]
    Models {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: CatalogueError,
    },
}

/// Reads a catalogue file: JSON if its name ends in `.json`, TOML otherwise.
pub fn load(path: &Path) -> Result<Catalogue, LoadError> {
    let text =
        std::fs::read_to_string(path).map_err(|source| LoadError::Read { path: path.to_owned(), source })?;
    let file: CatalogueFile = if path.extension().is_some_and(|extension| extension == "json") {
        serde_json::from_str(&text).map_err(|source| LoadError::Json { path: path.to_owned(), source })?
    } else {
        parse_toml(&text).map_err(|source| LoadError::Toml { path: path.to_owned(), source })?
    };
    Catalogue::new(file.models).map_err(|source| LoadError::Models { path: path.to_owned(), source })
}

/// The built-in catalogue.
#[must_use]
pub fn built_in() -> Catalogue {
    let file = parse_toml(DEFAULT_TOML).expect("the built-in catalogue is checked by a test");
    Catalogue::new(file.models).expect("the built-in catalogue is checked by a test")
}

fn parse_toml(text: &str) -> Result<CatalogueFile, Box<toml::de::Error>> {
    toml::from_str(text).map_err(Box::new)
}

#[cfg(test)]
mod tests {
    use super::{LoadError, built_in, load};

    const JSON: &str = r#"{"models":[{"id":"echo","weights_digest":"0x0000000000000000000000000000000000000000000000000000000000000001",
        "prompt_multiplier":1,"completion_multiplier":2,"memory_bytes":3}]}"#;

    #[test]
    fn the_built_in_catalogue_offers_the_default_model() {
        let catalogue = built_in();
        let model = catalogue.get(&"SmolLM2-135M-Instruct".parse().unwrap()).unwrap();
        assert_eq!(
            model.weights_digest.to_string(),
            "0xb179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
        );
    }

    #[test]
    fn a_catalogue_may_be_json_or_toml() {
        let folder = tempfile::tempdir().unwrap();
        let (json, toml) = (folder.path().join("c.json"), folder.path().join("c.toml"));
        std::fs::write(&json, JSON).unwrap();
        std::fs::write(&toml, super::DEFAULT_TOML).unwrap();
        assert_eq!(load(&json).unwrap().iter().count(), 1);
        assert_eq!(load(&toml).unwrap(), built_in());
    }

    #[test]
    fn a_catalogue_with_one_model_twice_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("c.json");
        let one = JSON.strip_prefix(r#"{"models":["#).unwrap().strip_suffix("]}").unwrap();
        std::fs::write(&path, format!(r#"{{"models":[{one},{one}]}}"#)).unwrap();
        assert!(matches!(load(&path), Err(LoadError::Models { .. })));
    }
}
