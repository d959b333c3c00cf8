//! Why a miner does not start, and what to do about it.

use std::net::SocketAddr;
use std::path::PathBuf;

use chain_client::command::CommandError as SiteError;

use crate::axon::AxonBindError;
use crate::demand::FollowError;
use crate::models::ModelError;
use crate::receipts::OpenError;

/// Why a miner does not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// Keys, chain, registration: what every command needs.
    #[error(transparent)]
    Site(#[from] SiteError),
    /// A model is missing or broken.
    #[error(transparent)]
    Model(ModelError),
    /// The axon listens everywhere and nobody said under which address it is reached.
    #[error("the axon listens on {bind}, which is no address that validators could call")]
    NoExternalAddress {
        /// The address listened on.
        bind: SocketAddr,
    },
    /// The state folder cannot be made.
    #[error("cannot make the state folder {}", path.display())]
    State {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// The receipt store cannot be opened.
    #[error(transparent)]
    Receipts(OpenError),
    /// The store of weights cannot be used.
    #[error(transparent)]
    Weights(crate::store::OpenError),
    /// Metrics cannot listen.
    #[error("cannot listen on {address} for metrics and status")]
    Operations {
        /// The address asked for.
        address: SocketAddr,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// The model runtime cannot start.
    #[error("cannot start the model runtime")]
    Runtime(#[source] model_runtime::StartError),
    /// The axon cannot listen.
    #[error(transparent)]
    Axon(AxonBindError),
    /// Validators' demand cannot be followed.
    #[error("cannot follow validators' demand")]
    Demand(#[source] FollowError),
}

impl StartError {
    /// 2 for wrong usage, 3 for a hotkey without a uid, 1 otherwise.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Site(error) => error.exit_code(),
            Self::NoExternalAddress { .. } | Self::Model(ModelError::None) => 2,
            _ => 1,
        }
    }

    /// What the operator does next.
    pub fn next_step(&self) -> Option<String> {
        Some(match self {
            Self::Site(error) => return error.next_step(),
            Self::Model(ModelError::None) => {
                "download the default model with scripts/get-model, then pass --model SmolLM2-135M-Instruct=PATH".to_owned()
            }
            Self::Model(ModelError::Missing { .. }) => {
                "download it with scripts/get-model, or correct the path after --model".to_owned()
            }
            Self::Model(ModelError::Load { .. }) => {
                "the file may be damaged or of a kind that is not supported: look with `model-runtime inspect`, or download it again with scripts/get-model".to_owned()
            }
            Self::NoExternalAddress { .. } => {
                "pass --external-ip with the address validators can reach, or --no-serve-axon".to_owned()
            }
            Self::State { .. } => "make the folder writable, or pass another with --state".to_owned(),
            Self::Receipts(_) => {
                "check that no other miner runs with this hotkey, that the disk is not full, and the folder's rights; --state takes another".to_owned()
            }
            Self::Weights(_) => {
                "make the folder writable, give each miner of this machine its own weights.path, or set strategist.mode to \"off\"".to_owned()
            }
            Self::Operations { .. } => {
                "free the port, or pass another with --metrics-bind (each miner of a machine needs its own)".to_owned()
            }
            Self::Runtime(_) => "free memory or processes, then start again".to_owned(),
            Self::Axon(AxonBindError::Listen { .. }) => "free the port, or pass another with --bind".to_owned(),
            Self::Demand(_) => "check the system's certificates, then start again".to_owned(),
            Self::Axon(_) => "correct the limits in the configuration file".to_owned(),
        })
    }
}
