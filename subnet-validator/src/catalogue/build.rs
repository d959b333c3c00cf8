//! Making catalogues: from models' files to offers, and from offers to the signed document that miners fetch.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use protocol::catalogue::Model;
use protocol::catalogue_document::{DocumentError, Modality, Offer, SignedCatalogue, WeightFile};
use protocol::digest::Digest;
use protocol::ticket::ModelId;
use protocol::weight_tree::{HashedWeights, WeightHasher};

/// The signed catalogue's name in the folder of what the gateway publishes.
pub const PUBLISHED_FILE: &str = "catalogue.json";

const PIECE_BYTES: usize = 1 << 20;

/// A model to be listed.
#[derive(Debug, Clone)]
pub struct ModelFiles {
    /// Its name in requests.
    pub id: ModelId,
    /// A GGUF file or a folder.
    pub path: PathBuf,
    /// Where miners get it: of a file its URLs, of a folder those that its files' names are put after.
    pub sources: Vec<String>,
    /// Thousandths of a compute unit for each prompt token.
    pub prompt_multiplier: u32,
    /// Thousandths of a compute unit for each generated token.
    pub completion_multiplier: u32,
    /// Memory it takes; a quarter more than its weights unless given.
    pub memory_bytes: Option<u64>,
    /// What it is asked.
    pub modality: Modality,
}

/// Why there is no catalogue.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// A file.
    #[error("cannot {doing} {}", path.display())]
    File {
        /// What was being done.
        doing: &'static str,
        /// With which file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A folder without weights.
    #[error("{} has neither a GGUF file nor safetensors", path.display())]
    NoWeights {
        /// The folder.
        path: PathBuf,
    },
    /// What came out.
    #[error(transparent)]
    Document(DocumentError),
    /// What was to be shown.
    #[error("the catalogue at {from} is not what one looks like: {reason}")]
    Form {
        /// Where it is.
        from: String,
        /// Why.
        reason: String,
    },
}

/// Hashes a model's files and lists them.
pub fn offer(model: &ModelFiles) -> Result<Offer, BuildError> {
    let path = &model.path;
    let (files, weights_digest) = if path.is_dir() { folder(model)? } else { single(model)? };
    let bytes: u64 = files.iter().map(|file| file.bytes).sum();
    Ok(Offer {
        model: Model {
            id: model.id.clone(),
            weights_digest,
            prompt_multiplier: model.prompt_multiplier,
            completion_multiplier: model.completion_multiplier,
            memory_bytes: model.memory_bytes.unwrap_or(bytes.saturating_add(bytes / 4)),
        },
        modality: model.modality,
        files,
    })
}

/// Writes the signed catalogue where the gateway finds it, whole or not at all.
pub fn publish(path: &Path, signed: SignedCatalogue) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let new = path.with_extension("new");
    fs::write(&new, serde_json::to_vec(&signed).map_err(io::Error::other)?)?;
    fs::rename(new, path)
}

fn single(model: &ModelFiles) -> Result<(Vec<WeightFile>, Digest), BuildError> {
    let hashed = hash(&[&model.path])?;
    let (sha256, root) = (hashed.sha256, Some(hashed.root()));
    let name = model.path.file_name().and_then(|name| name.to_str()).unwrap_or("model.gguf").to_owned();
    let file = WeightFile { name, bytes: hashed.bytes, sha256, sources: model.sources.clone(), root };
    Ok((vec![file], sha256))
}

/// The files of a folder and of its folders. The weights' digest is of all safetensors one after the other, as the runtime has it.
fn folder(model: &ModelFiles) -> Result<(Vec<WeightFile>, Digest), BuildError> {
    let root = &model.path;
    let mut names = list(root, "")?;
    for folder in names.iter().filter(|name| root.join(name).is_dir()).cloned().collect::<Vec<_>>() {
        names.extend(list(root, &format!("{folder}/"))?);
    }
    names.retain(|name| root.join(name).is_file());
    names.sort();
    let weights: Vec<PathBuf> =
        names.iter().filter(|name| name.ends_with(".safetensors")).map(|name| root.join(name)).collect();
    if weights.is_empty() {
        return Err(BuildError::NoWeights { path: root.clone() });
    }
    let weights_digest = hash(&weights.iter().collect::<Vec<_>>())?.sha256;
    let mut files = Vec::new();
    for name in names {
        let hashed = hash(&[&root.join(&name)])?;
        let sources =
            model.sources.iter().map(|base| format!("{}/{name}", base.trim_end_matches('/'))).collect();
        // Settings can be had anywhere; it is the weights that a miner may lack.
        let tree = name.ends_with(".safetensors").then(|| hashed.root());
        files.push(WeightFile { name, bytes: hashed.bytes, sha256: hashed.sha256, sources, root: tree });
    }
    Ok((files, weights_digest))
}

/// Names in a folder that are no hidden ones.
fn list(root: &Path, prefix: &str) -> Result<Vec<String>, BuildError> {
    let folder = root.join(prefix);
    let entries = fs::read_dir(&folder).map_err(failed("read the folder", &folder))?;
    let names = entries.flatten().filter_map(|entry| entry.file_name().into_string().ok());
    Ok(names.filter(|name| !name.starts_with('.')).map(|name| format!("{prefix}{name}")).collect())
}

fn hash(paths: &[&PathBuf]) -> Result<HashedWeights, BuildError> {
    let (mut hasher, mut piece) = (WeightHasher::new(), vec![0; PIECE_BYTES]);
    for path in paths {
        let mut file = File::open(path).map_err(failed("read", path))?;
        loop {
            let read = file.read(&mut piece).map_err(failed("read", path))?;
            if read == 0 {
                break;
            }
            hasher.update(piece.get(..read).unwrap_or_default());
        }
    }
    Ok(hasher.finish())
}

/// Names what was being done with which file.
pub fn failed(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> BuildError {
    move |source| BuildError::File { doing, path: path.to_owned(), source }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(path: PathBuf, sources: &[&str]) -> ModelFiles {
        ModelFiles {
            id: "m".parse().unwrap(),
            path,
            sources: sources.iter().map(|source| (*source).to_owned()).collect(),
            prompt_multiplier: 1,
            completion_multiplier: 2,
            memory_bytes: None,
            modality: Modality::Text,
        }
    }

    #[test]
    fn a_gguf_file_is_its_own_weights() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("m.gguf");
        fs::write(&path, b"abcd").unwrap();
        let offer = offer(&files(path, &["https://example.org/m.gguf"])).unwrap();
        assert_eq!((offer.model.weights_digest, offer.model.memory_bytes), (Digest::of(b"abcd"), 5));
        assert_eq!(offer.files[0].sources, ["https://example.org/m.gguf"]);
        assert_eq!(offer.files[0].root, Some(protocol::merkle::leaf_hash(b"abcd")));
    }

    #[test]
    fn a_folder_is_listed_with_its_folders_and_its_weights_are_hashed_in_order() {
        let root = tempfile::tempdir().unwrap();
        for (name, content) in
            [("b.safetensors", "2"), ("a.safetensors", "1"), ("config.json", "{}"), (".git", "x")]
        {
            fs::write(root.path().join(name), content).unwrap();
        }
        fs::create_dir(root.path().join("1_Pooling")).unwrap();
        fs::write(root.path().join("1_Pooling/config.json"), "[]").unwrap();
        let offer = offer(&files(root.path().to_owned(), &["hf://a/b/"])).unwrap();
        let names: Vec<&str> = offer.files.iter().map(|file| file.name.as_str()).collect();
        assert_eq!(names, ["1_Pooling/config.json", "a.safetensors", "b.safetensors", "config.json"]);
        assert_eq!(offer.model.weights_digest, Digest::of(b"12"));
        assert_eq!(offer.files[0].sources, ["hf://a/b/1_Pooling/config.json"]);
        assert_eq!(offer.files.iter().filter(|file| file.root.is_some()).count(), 2, "the weights only");
        let empty = tempfile::tempdir().unwrap();
        let none = super::offer(&files(empty.path().to_owned(), &[]));
        assert!(matches!(none, Err(BuildError::NoWeights { .. })));
    }
}
