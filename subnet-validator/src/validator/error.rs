//! Why a validator does not start, and what its operator can do about it.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use chain_client::weights::SetWeightsError;
use chain_client::{ConnectError, QueryError};
use protocol::catalogue::CatalogueError;

use crate::challenges::ModelsError;
use crate::ledger::OpenError;
use crate::tls::TlsError;

/// The validator could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The chain cannot be reached.
    #[error("cannot connect to the chain")]
    Connect(#[source] ConnectError),
    /// The chain cannot be read.
    #[error("cannot read the subnet from the chain")]
    Chain(#[source] QueryError),
    /// The hotkey is not registered.
    #[error("the hotkey is not registered on subnet {netuid}")]
    NotRegistered {
        /// The subnet.
        netuid: u16,
    },
    /// The hotkey is not registered in a block so old that this says nothing.
    #[error(
        "the endpoint's newest block is {minutes} minutes old, and the hotkey is not registered on subnet {netuid} in it"
    )]
    Behind {
        /// The subnet.
        netuid: u16,
        /// The block's age.
        minutes: u64,
    },
    /// The catalogue cannot be put into a policy document.
    #[error("the models are no catalogue")]
    Catalogue(#[source] CatalogueError),
    /// The state folder cannot be used.
    #[error("cannot use the state folder {path}", path = path.display())]
    State {
        /// The folder.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The ledger cannot be opened.
    #[error("cannot open the receipt ledger")]
    Ledger(#[source] OpenError),
    /// The journal cannot be opened.
    #[error("cannot open the weights journal")]
    Journal(#[source] SetWeightsError),
    /// The certificate of the gateway or of the stakers' side cannot be used.
    #[error("cannot serve TLS")]
    Tls(#[source] TlsError),
    /// The threads of the stakers' side cannot be started.
    #[error("cannot start the threads of the staker JSON-RPC")]
    Threads(#[source] io::Error),
    /// The models for checking miners cannot be loaded.
    #[error("cannot load the models of [challenges]")]
    Challenges(#[source] ModelsError),
    /// A server cannot listen.
    #[error("the {server} cannot listen on {address}")]
    Bind {
        /// Which one.
        server: &'static str,
        /// Where.
        address: SocketAddr,
        /// Why.
        #[source]
        source: io::Error,
    },
}

impl StartError {
    /// Whether trying again later may succeed by itself.
    #[must_use]
    pub fn is_passing(&self) -> bool {
        match self {
            Self::Connect(error) => error.is_passing(),
            Self::Chain(error) => error.is_passing(),
            Self::Behind { .. } => true,
            _ => false,
        }
    }

    /// What the operator can do about it.
    #[must_use]
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Connect(error) => Some(error.hint()),
            Self::Chain(error) => Some(error.hint()),
            Self::Bind { .. } => Some("another program has the port: stop it, or choose another one"),
            Self::Threads(_) => {
                Some("staker_rpc.threads may be more than this user may start: see ulimit -u")
            }
            Self::State { .. } => Some("choose a folder this user can write to with --state"),
            Self::Tls(_) => Some(
                "see gateway.tls and staker_rpc.tls in the configuration; `openssl x509 -in FILE -noout -text` shows a certificate",
            ),
            Self::Behind { .. } => {
                Some("let the chain's node catch up, or name another endpoint with --network")
            }
            Self::NotRegistered { .. } => Some("register the hotkey first"),
            Self::Journal(error) => Some(error.hint()),
            Self::Challenges(_) => Some("look at the paths of [challenges.models] in the configuration"),
            Self::Ledger(_) | Self::Catalogue(_) => None,
        }
    }
}
