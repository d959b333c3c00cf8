//! What can go wrong when reading the chain.

use subxt::error::{BackendError, ConstantError, RpcError, RuntimeApiError, StorageError};

use crate::client::ConnectError;

/// Why a read failed. `doing` says what was being done.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum QueryError {
    /// No endpoint answers.
    #[error("{doing}: not connected")]
    NotConnected {
        /// What was being done.
        doing: &'static str,
        /// Which endpoints were tried.
        source: ConnectError,
    },
    /// The connection broke while the answer was awaited; the next call opens another.
    #[error("{doing}: the connection was lost")]
    Disconnected {
        /// What was being done.
        doing: &'static str,
        /// What the connection reported.
        source: Box<subxt::Error>,
    },
    /// The deadline passed.
    #[error("{doing}: no answer within {after_ms} ms")]
    TimedOut {
        /// What was being done.
        doing: &'static str,
        /// The deadline.
        after_ms: u64,
    },
    /// The node answers fewer requests than are made, even after waiting.
    #[error("{doing}: the node limits the rate of requests")]
    RateLimited {
        /// What was being done.
        doing: &'static str,
        /// The node's words.
        source: Box<subxt::Error>,
    },
    /// The subnet does not exist at that block.
    #[error("{doing}: subnet {netuid} does not exist at this block")]
    SubnetNotFound {
        /// What was being done.
        doing: &'static str,
        /// The subnet.
        netuid: u16,
    },
    /// The node does not have that block, or no longer has its state.
    #[error("{doing}: the node does not have this block")]
    UnknownBlock {
        /// What was being done.
        doing: &'static str,
    },
    /// The live runtime has this item in another shape than the pinned metadata, or not at all.
    #[error("{doing}: {item} of the live runtime (spec {spec_version}) is not the one this software was built for (spec {built_for})", built_for = chain_metadata::SPEC_VERSION)]
    Incompatible {
        /// What was being done.
        doing: &'static str,
        /// The call, storage entry, constant or runtime API.
        item: String,
        /// The live runtime's version.
        spec_version: u32,
        /// How they differ, as far as subxt says.
        source: Box<subxt::Error>,
    },
    /// The node answered with an error, or with something that cannot be decoded.
    #[error("{doing}: the node gave no usable answer")]
    Node {
        /// What was being done.
        doing: &'static str,
        /// The node's answer.
        source: Box<subxt::Error>,
    },
    /// An entry that always has a value has none.
    #[error("{doing}: the node left out a value that always exists")]
    MissingValue {
        /// What was being done.
        doing: &'static str,
    },
}

impl QueryError {
    /// What the operator can do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::NotConnected { source, .. } => source.hint(),
            Self::Disconnected { .. } => {
                "usually passing: the next call reconnects; if it persists use another endpoint"
            }
            Self::TimedOut { .. } => {
                "the endpoint is slow or limits its rate: try again, use another endpoint or your own node, or raise the request timeout"
            }
            Self::RateLimited { .. } => {
                "public endpoints are shared: use another one, or a node of your own, or ask less often"
            }
            Self::SubnetNotFound { .. } => {
                "check --netuid and that --network is the network the subnet is on"
            }
            Self::UnknownBlock { .. } => {
                "the node may have pruned the block: use an archive endpoint, or a newer block"
            }
            Self::Incompatible { .. } => "the chain was upgraded: update this software",
            Self::Node { .. } | Self::MissingValue { .. } => {
                "check that the endpoint is a subtensor node, and that it is in sync"
            }
        }
    }

    /// Whether trying again can help without anybody changing anything.
    pub fn is_passing(&self) -> bool {
        matches!(
            self,
            Self::NotConnected { .. }
                | Self::Disconnected { .. }
                | Self::TimedOut { .. }
                | Self::RateLimited { .. }
        )
    }
}

/// A failure on its way out, before it is known what was being done.
#[derive(Debug)]
pub(crate) enum Fault {
    Connect(ConnectError),
    Chain(Box<subxt::Error>),
    Item { item: String, spec_version: u32, error: Box<subxt::Error> },
    Subnet(u16),
    UnknownBlock,
    MissingValue,
}

impl Fault {
    /// A fault of one named item of the runtime's interface: a change of shape, or else an ordinary fault.
    pub(crate) fn of_item(item: String, spec_version: u32, error: subxt::Error) -> Self {
        let error = Box::new(error);
        if is_change_of_shape(&error) { Self::Item { item, spec_version, error } } else { Self::Chain(error) }
    }

    pub(crate) fn during(self, doing: &'static str) -> QueryError {
        match self {
            Self::Connect(source) => QueryError::NotConnected { doing, source },
            Self::Chain(source) if is_disconnect(&source) => QueryError::Disconnected { doing, source },
            Self::Chain(source) if rpc_error(&source).is_some_and(is_rate_limit) => {
                QueryError::RateLimited { doing, source }
            }
            Self::Chain(source) => QueryError::Node { doing, source },
            Self::Item { item, spec_version, error } => {
                QueryError::Incompatible { doing, item, spec_version, source: error }
            }
            Self::Subnet(netuid) => QueryError::SubnetNotFound { doing, netuid },
            Self::UnknownBlock => QueryError::UnknownBlock { doing },
            Self::MissingValue => QueryError::MissingValue { doing },
        }
    }
}

fn is_change_of_shape(error: &subxt::Error) -> bool {
    use subxt::Error::{
        ConstantError as Constant, ExtrinsicError as Extrinsic, RuntimeApiError as Api,
        StorageError as Storage,
    };
    use subxt::error::ExtrinsicError;
    match error {
        Api(error) => matches!(
            error,
            RuntimeApiError::IncompatibleCodegen
                | RuntimeApiError::TraitNotFound(_)
                | RuntimeApiError::MethodNotFound { .. }
        ),
        Storage(error) => matches!(
            error,
            StorageError::IncompatibleCodegen
                | StorageError::PalletNameNotFound(_)
                | StorageError::StorageEntryNotFound { .. }
        ),
        Constant(error) => matches!(
            error,
            ConstantError::IncompatibleCodegen
                | ConstantError::PalletNameNotFound(_)
                | ConstantError::ConstantNameNotFound { .. }
        ),
        Extrinsic(error) => matches!(
            error,
            ExtrinsicError::IncompatibleCodegen
                | ExtrinsicError::PalletNameNotFound(_)
                | ExtrinsicError::CallNameNotFound { .. }
        ),
        _ => false,
    }
}

/// Whether the transport failed, as against the node answering with an error.
pub(crate) fn is_disconnect(error: &subxt::Error) -> bool {
    match rpc_error(error) {
        Some(error) => is_transport(error),
        None => backend_error(error).is_some_and(is_backend_disconnect),
    }
}

/// Whether the node says that it is asked too often: by the codes that providers use, or in words.
pub(crate) fn is_rate_limit(error: &subxt::rpcs::Error) -> bool {
    const CODES: [i32; 3] = [-32_005, -32_029, 429];
    const WORDS: [&str; 3] = ["rate limit", "too many requests", "limit exceeded"];
    let subxt::rpcs::Error::User(answer) = error else { return false };
    let message = answer.message.to_ascii_lowercase();
    CODES.contains(&answer.code) || WORDS.iter().any(|words| message.contains(words))
}

/// The JSON-RPC error at the bottom of it, if there is one.
fn rpc_error(error: &subxt::Error) -> Option<&subxt::rpcs::Error> {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = cause {
        if let Some(error) = error.downcast_ref::<subxt::rpcs::Error>() {
            return Some(error);
        }
        if let Some(BackendError::Rpc(RpcError::ClientError(error))) = error.downcast_ref::<BackendError>() {
            return Some(error);
        }
        cause = error.source();
    }
    match backend_error(error) {
        Some(BackendError::Rpc(RpcError::ClientError(error))) => Some(error),
        _ => None,
    }
}

pub(crate) fn is_backend_disconnect(error: &BackendError) -> bool {
    match error {
        BackendError::Rpc(RpcError::ClientError(error)) => is_transport(error),
        BackendError::Rpc(RpcError::SubscriptionDropped) => true,
        _ => false,
    }
}

fn is_transport(error: &subxt::rpcs::Error) -> bool {
    matches!(error, subxt::rpcs::Error::Client(_) | subxt::rpcs::Error::DisconnectedWillReconnect(_))
}

/// subxt prints most causes instead of linking them, so the few variants that carry a backend error are listed here.
fn backend_error(error: &subxt::Error) -> Option<&BackendError> {
    use subxt::Error as E;
    use subxt::error::{AccountNonceError, ExtrinsicError, OnlineClientAtBlockError as At};
    match error {
        E::BackendError(error) => Some(error),
        E::RuntimeApiError(RuntimeApiError::CannotCallApi(error)) => Some(error),
        E::StorageError(
            StorageError::CannotFetchValue(error)
            | StorageError::CannotIterateValues(error)
            | StorageError::StreamFailure(error),
        ) => Some(error),
        E::OnlineClientAtBlockError(
            At::CannotGetCurrentBlock { reason }
            | At::CannotGetBlockHash { reason, .. }
            | At::CannotGetBlockHeader { reason, .. }
            | At::CannotGetSpecVersion { reason, .. },
        ) => Some(reason),
        E::ExtrinsicError(
            ExtrinsicError::ErrorSubmittingTransaction(error)
            | ExtrinsicError::TransactionStatusStreamError(error)
            | ExtrinsicError::CannotGetBlockBody(error),
        ) => Some(error),
        E::AccountNonceError(AccountNonceError::CouldNotRetrieve(error)) => Some(error),
        _ => None,
    }
}

impl From<ConnectError> for Fault {
    fn from(error: ConnectError) -> Self {
        Self::Connect(error)
    }
}

macro_rules! fault_from {
    ($($error:ty),* $(,)?) => {
        $(impl From<$error> for Fault {
            fn from(error: $error) -> Self {
                Self::Chain(Box::new(error.into()))
            }
        })*
    };
}

fault_from!(
    subxt::rpcs::Error,
    BackendError,
    ConstantError,
    RuntimeApiError,
    StorageError,
    subxt::error::DispatchErrorDecodeError,
    subxt::error::EventsError,
    subxt::error::ExtrinsicError,
    subxt::error::OnlineClientAtBlockError,
    subxt::error::StorageValueError,
);

impl From<subxt::error::DecodeError> for Fault {
    fn from(error: subxt::error::DecodeError) -> Self {
        Self::Chain(Box::new(subxt::Error::other(error)))
    }
}

impl From<parity_scale_codec::Error> for Fault {
    fn from(error: parity_scale_codec::Error) -> Self {
        Self::Chain(Box::new(error.into()))
    }
}
