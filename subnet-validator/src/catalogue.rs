//! Reading the catalogue: which models this validator offers and what their tokens are worth.
//!
//! All validators of a subnet should run the same catalogue, since scores depend on it.

pub mod build;

use std::path::{Path, PathBuf};

use protocol::catalogue::{Catalogue, CatalogueError, Model};
use protocol::catalogue_document::{Modality, Offer, WeightFile};
use protocol::digest::Digest;
use protocol::ticket::ModelId;
use serde::{Deserialize, Serialize};

/// The built-in catalogue file.
pub const DEFAULT_TOML: &str = include_str!("../catalogue.default.toml");

/// A catalogue as its file has it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CatalogueFile {
    /// The models.
    pub models: Vec<ListedModel>,
}

/// One model as the file has it: what it is worth, and where miners get it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListedModel {
    /// Its name in requests.
    pub id: ModelId,
    /// SHA-256 of its weights.
    pub weights_digest: Digest,
    /// Thousandths of a compute unit for each prompt token.
    pub prompt_multiplier: u32,
    /// Thousandths of a compute unit for each generated token.
    pub completion_multiplier: u32,
    /// Accelerator memory that it holds while it is ready.
    pub memory_bytes: u64,
    /// What it is asked.
    #[serde(default)]
    pub modality: Modality,
    /// Its files with their sources; without any, miners must have the model from elsewhere.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<WeightFile>,
}

impl From<ListedModel> for Offer {
    fn from(listed: ListedModel) -> Self {
        let ListedModel {
            id, weights_digest, prompt_multiplier, completion_multiplier, memory_bytes, ..
        } = listed;
        let model = Model { id, weights_digest, prompt_multiplier, completion_multiplier, memory_bytes };
        Self { model, modality: listed.modality, files: listed.files }
    }
}

impl From<Offer> for ListedModel {
    fn from(offer: Offer) -> Self {
        let Model { id, weights_digest, prompt_multiplier, completion_multiplier, memory_bytes } =
            offer.model;
        let (modality, files) = (offer.modality, offer.files);
        Self { id, weights_digest, prompt_multiplier, completion_multiplier, memory_bytes, modality, files }
    }
}

/// What is paid for, and where miners get it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Listed {
    /// What tokens are worth.
    pub catalogue: Catalogue,
    /// The same models with their files.
    pub offers: Vec<Offer>,
}

impl Listed {
    fn new(file: CatalogueFile) -> Result<Self, CatalogueError> {
        let offers: Vec<Offer> = file.models.into_iter().map(Offer::from).collect();
        let catalogue = Catalogue::new(offers.iter().map(|offer| offer.model.clone()))?;
        Ok(Self { catalogue, offers })
    }

    /// Models without files: miners have them from elsewhere.
    #[must_use]
    pub fn without_files(catalogue: Catalogue) -> Self {
        let offer =
            |model: &Model| Offer { model: model.clone(), modality: Modality::Text, files: Vec::new() };
        let offers = catalogue.iter().map(offer).collect();
        Self { catalogue, offers }
    }
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
pub fn load(path: &Path) -> Result<Listed, LoadError> {
    let text =
        std::fs::read_to_string(path).map_err(|source| LoadError::Read { path: path.to_owned(), source })?;
    let file: CatalogueFile = if path.extension().is_some_and(|extension| extension == "json") {
        serde_json::from_str(&text).map_err(|source| LoadError::Json { path: path.to_owned(), source })?
    } else {
        parse_toml(&text).map_err(|source| LoadError::Toml { path: path.to_owned(), source })?
    };
    Listed::new(file).map_err(|source| LoadError::Models { path: path.to_owned(), source })
}

/// The built-in catalogue.
#[must_use]
pub fn built_in() -> Listed {
    let file = parse_toml(DEFAULT_TOML).expect("the built-in catalogue is checked by a test");
    Listed::new(file).expect("the built-in catalogue is checked by a test")
}

fn parse_toml(text: &str) -> Result<CatalogueFile, Box<toml::de::Error>> {
    toml::from_str(text).map_err(Box::new)
}

#[cfg(test)]
mod tests {
    use protocol::account::AccountId;
    use protocol::catalogue_document::CatalogueDocument;

    use super::{LoadError, built_in, load};

    const JSON: &str = r#"{"models":[{"id":"echo","weights_digest":"0x0000000000000000000000000000000000000000000000000000000000000001",
        "prompt_multiplier":1,"completion_multiplier":2,"memory_bytes":3}]}"#;

    #[test]
    fn the_built_in_catalogue_offers_the_default_model() {
        let listed = built_in();
        let document = CatalogueDocument::new(64, AccountId([1; 32]), 0, listed.offers);
        document.check().unwrap();
        let model = listed.catalogue.get(&"SmolLM2-135M-Instruct".parse().unwrap()).unwrap();
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
        assert_eq!(load(&json).unwrap().catalogue.iter().count(), 1);
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
