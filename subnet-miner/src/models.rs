//! The models this miner holds, by the name that tickets use. The set changes while the miner runs: requests keep the model they began with.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::{Arc, PoisonError, RwLock};

use model_runtime::{LoadError, ModelHandle, ModelSource, Runtime};
use protocol::digest::Digest;
use protocol::ticket::{BadModelId, ModelId};
use serde::{Deserialize, Serialize};

use crate::weights_on_disk::WeightsOnDisk;

/// Where a model's weights are. In text: a path, or `echo:`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum ModelLocation {
    /// A GGUF file, or a folder as Hugging Face has it: of a decoder, or of an encoder for embeddings.
    Gguf(PathBuf),
    /// No weights: the runtime's echo model, which answers with the prompt. For trying out a subnet.
    Echo,
}

/// One loaded model.
#[derive(Clone, Debug)]
pub struct Model {
    handle: ModelHandle,
    files: Arc<[WeightsOnDisk]>,
}

/// The loaded models. Clones share them.
///
/// A model that is taken out lives on in the requests that hold it, and is gone when the last of them has its answer.
#[derive(Clone, Debug, Default)]
pub struct Models(Arc<RwLock<BTreeMap<ModelId, Model>>>);

/// Why a model cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    /// No model is configured.
    #[error("no model is configured, and the strategist is off or knows no validators")]
    None,
    /// The file is not there.
    #[error("the file of model `{model}` is missing: {}", path.display())]
    Missing {
        /// The model's name.
        model: ModelId,
        /// Where its file should be.
        path: PathBuf,
    },
    /// The runtime could not load it.
    #[error("model `{model}` cannot be loaded")]
    Load {
        /// The model's name.
        model: ModelId,
        /// What the runtime said.
        #[source]
        source: LoadError,
    },
}

impl Models {
    /// Checks that there are models and that every file is there, which costs nothing compared with loading.
    pub fn check(locations: &BTreeMap<ModelId, ModelLocation>) -> Result<(), ModelError> {
        if locations.is_empty() {
            return Err(ModelError::None);
        }
        Self::check_files(locations)
    }

    fn check_files(locations: &BTreeMap<ModelId, ModelLocation>) -> Result<(), ModelError> {
        for (model, location) in locations {
            match location {
                ModelLocation::Gguf(path) if !path.exists() => {
                    return Err(ModelError::Missing { model: model.clone(), path: path.clone() });
                }
                ModelLocation::Gguf(_) | ModelLocation::Echo => {}
            }
        }
        Ok(())
    }

    /// Loads all of them, one after another. None at all is as good: a strategist may bring some in.
    pub async fn load(
        runtime: &Runtime,
        locations: &BTreeMap<ModelId, ModelLocation>,
    ) -> Result<Self, ModelError> {
        Self::check_files(locations)?;
        let models = Self::default();
        for (model, location) in locations {
            let handle = runtime
                .load(model.as_str(), location.source())
                .await
                .map_err(|source| ModelError::Load { model: model.clone(), source })?;
            let facts = handle.facts();
            tracing::info!(%model, parameters = facts.parameters, memory_bytes = facts.memory_bytes, "model loaded");
            models.insert(model.clone(), Model::new(handle).from_files(location.files()));
        }
        Ok(models)
    }

    /// The model of that name.
    pub fn get(&self, id: &ModelId) -> Option<Model> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).get(id).cloned()
    }

    /// All of them as they are now, by name.
    pub fn all(&self) -> BTreeMap<ModelId, Model> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Takes requests for this model from now on.
    pub fn insert(&self, id: ModelId, model: Model) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).insert(id, model);
    }

    /// Takes no more requests for this model. Those that it has are answered.
    pub fn remove(&self, id: &ModelId) -> Option<Model> {
        self.0.write().unwrap_or_else(PoisonError::into_inner).remove(id)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.read().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Model {
    /// A model that is loaded.
    pub fn new(handle: ModelHandle) -> Self {
        Self { handle, files: Arc::new([]) }
    }

    /// The same with the files that its weights were loaded from, of which pieces can be shown.
    #[must_use]
    pub fn from_files(self, files: Vec<WeightsOnDisk>) -> Self {
        Self { files: files.into(), ..self }
    }

    /// The files that its weights were loaded from; none if that is not known.
    pub fn files(&self) -> &Arc<[WeightsOnDisk]> {
        &self.files
    }

    /// The handle to generate with.
    pub fn handle(&self) -> &ModelHandle {
        &self.handle
    }

    /// SHA-256 of the weights.
    pub fn weights_digest(&self) -> Digest {
        Digest(self.handle.facts().weights_sha256)
    }

    /// The longest prompt and answer together.
    pub fn context_tokens(&self) -> u32 {
        self.handle.facts().context_tokens
    }

    /// How many requests it computes in turn.
    pub fn slots(&self) -> u16 {
        u16::try_from(self.handle.load().slots).unwrap_or(u16::MAX)
    }

    /// How many requests it computes or has waiting.
    pub fn in_flight(&self) -> u16 {
        u16::try_from(self.handle.load().in_flight).unwrap_or(u16::MAX)
    }
}

impl ModelLocation {
    /// As the runtime loads it.
    pub fn source(&self) -> ModelSource {
        match self {
            Self::Gguf(path) => ModelSource::Gguf(path.clone()),
            Self::Echo => ModelSource::Echo,
        }
    }

    /// The files that hold its weights.
    fn files(&self) -> Vec<WeightsOnDisk> {
        let path = match self {
            Self::Echo => return Vec::new(),
            Self::Gguf(path) => path,
        };
        if !path.is_dir() {
            return vec![WeightsOnDisk::new(path.clone(), None)];
        }
        let entries = std::fs::read_dir(path).into_iter().flatten().flatten().map(|entry| entry.path());
        let weights = |path: &PathBuf| path.extension().is_some_and(|kind| kind == "safetensors");
        entries.filter(weights).map(|path| WeightsOnDisk::new(path, None)).collect()
    }

    /// The same location with a leading `~` replaced by the home folder.
    pub fn at_home(self, home: Option<&Path>) -> Self {
        match self {
            Self::Gguf(path) => Self::Gguf(crate::config::expand_home(path, home)),
            Self::Echo => Self::Echo,
        }
    }
}

/// The text names no location.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a model's location is the path of its GGUF file or folder, or `echo:`")]
pub struct BadModelLocation;

impl FromStr for ModelLocation {
    type Err = BadModelLocation;
    fn from_str(text: &str) -> Result<Self, BadModelLocation> {
        match text {
            "" => Err(BadModelLocation),
            "echo:" => Ok(Self::Echo),
            path => Ok(Self::Gguf(path.into())),
        }
    }
}

impl TryFrom<String> for ModelLocation {
    type Error = BadModelLocation;
    fn try_from(text: String) -> Result<Self, BadModelLocation> {
        text.parse()
    }
}

impl From<ModelLocation> for String {
    fn from(location: ModelLocation) -> Self {
        location.to_string()
    }
}

impl fmt::Display for ModelLocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Gguf(path) => path.display().fmt(f),
            Self::Echo => f.write_str("echo:"),
        }
    }
}

/// `ID=PATH`, as `--model` takes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelArgument {
    /// The model's name.
    pub id: ModelId,
    /// Where its weights are.
    pub location: ModelLocation,
}

/// The text is not `ID=PATH`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadModelArgument {
    /// No `=`.
    #[error("write ID=PATH, such as SmolLM2-135M-Instruct=models/smollm2.gguf")]
    Form,
    /// The part before `=` is no model name.
    #[error(transparent)]
    Id(BadModelId),
    /// The part after `=` is empty.
    #[error(transparent)]
    Location(BadModelLocation),
}

impl FromStr for ModelArgument {
    type Err = BadModelArgument;
    fn from_str(text: &str) -> Result<Self, BadModelArgument> {
        let (id, location) = text.split_once('=').ok_or(BadModelArgument::Form)?;
        Ok(Self {
            id: id.parse().map_err(BadModelArgument::Id)?,
            location: location.parse().map_err(BadModelArgument::Location)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_model_argument_names_a_model_and_its_file() {
        let argument: ModelArgument = "a/b=dir/x=y.gguf".parse().unwrap();
        assert_eq!(argument.id.as_str(), "a/b");
        assert_eq!(argument.location, ModelLocation::Gguf("dir/x=y.gguf".into()));
        assert_eq!("m=echo:".parse::<ModelArgument>().unwrap().location, ModelLocation::Echo);
        assert_eq!("m".parse::<ModelArgument>(), Err(BadModelArgument::Form));
        assert_eq!("m=".parse::<ModelArgument>(), Err(BadModelArgument::Location(BadModelLocation)));
        assert!(matches!("m m=x".parse::<ModelArgument>(), Err(BadModelArgument::Id(_))));
    }

    #[test]
    fn a_missing_model_file_is_named() {
        let id = ModelId::try_from("m").unwrap();
        let locations = [(id, ModelLocation::Gguf("nowhere/m.gguf".into()))].into();
        let error = Models::check(&locations).unwrap_err();
        assert_eq!(error.to_string(), "the file of model `m` is missing: nowhere/m.gguf");
    }
}
