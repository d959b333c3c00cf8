//! Running the runtime natively: every call is guarded, because native code panics where wasm would trap.

use std::{
    cell::Cell,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Once,
};

use sp_core::H256;
use sp_externalities::{Extensions, set_and_run_with_externalities};
use sp_runtime::traits::BlakeTwo256;
use sp_state_machine::{Ext, OverlayedChanges, TrieBackendBuilder};
use thiserror::Error;

use super::state::{Nodes, StateBackend};
use crate::runtime::{api, depth};

/// Changes on top of a state.
pub(super) type Overlay = OverlayedChanges<BlakeTwo256>;

/// Why a runtime API gave no result.
#[derive(Debug, Error)]
pub enum CallError {
    /// There is no such method.
    #[error("the runtime has no method {0}")]
    NoSuchMethod(String),
    /// The runtime panicked, most often because the arguments are not what it takes; or would have.
    #[error("the runtime panicked in {0}; the arguments may not be what it takes")]
    Panicked(String),
    /// The result is not what the caller takes it for.
    #[error("the result of {method} is not what was expected")]
    Result {
        /// The method.
        method: String,
        /// What is wrong with it.
        #[source]
        source: parity_scale_codec::Error,
    },
}

/// Runs the runtime on any state.
pub(super) struct Executor {
    nodes: Nodes,
}

impl Executor {
    pub fn new(nodes: Nodes) -> Self {
        Self { nodes }
    }

    /// The state with this root.
    pub fn backend(&self, root: H256) -> StateBackend {
        TrieBackendBuilder::new(self.nodes.clone(), root).build()
    }

    pub fn nodes(&self) -> &Nodes {
        &self.nodes
    }

    /// Calls a runtime API.
    pub fn call(
        &self,
        root: H256,
        overlay: &mut Overlay,
        method: &str,
        arguments: &[u8],
    ) -> Result<Vec<u8>, CallError> {
        if !depth::may_be_decoded(method, arguments) {
            return Err(CallError::Panicked(method.into()));
        }
        self.run(root, overlay, || api::dispatch(method, arguments))
            .ok_or_else(|| CallError::Panicked(method.into()))?
            .ok_or_else(|| CallError::NoSuchMethod(method.into()))
    }

    /// Runs a function of the runtime on a state; `None` when it panicked, with its changes undone.
    pub fn run<R>(&self, root: H256, overlay: &mut Overlay, function: impl FnOnce() -> R) -> Option<R> {
        let backend = self.backend(root);
        let depth = overlay.transaction_depth();
        overlay.start_transaction();
        let result = silence_panics(|| {
            let mut extensions = Extensions::default();
            let mut ext = Ext::new(overlay, &backend, Some(&mut extensions));
            catch_unwind(AssertUnwindSafe(|| set_and_run_with_externalities(&mut ext, function)))
        });
        if result.is_ok() {
            let committed = overlay.commit_transaction();
            debug_assert!(committed.is_ok(), "the runtime closes the transactions it opens");
        }
        while overlay.transaction_depth() > depth {
            if overlay.rollback_transaction().is_err() {
                break;
            }
        }
        result.ok()
    }
}

thread_local! {
    static SILENT: Cell<bool> = const { Cell::new(false) };
}

/// Runs a function whose panics are expected and caught, without the report a panic prints.
pub fn silence_panics<R>(function: impl FnOnce() -> R) -> R {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let report = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            if SILENT.get() {
                tracing::debug!(%panic, "the runtime panicked");
            } else {
                report(panic);
            }
        }));
    });
    let before = SILENT.replace(true);
    let result = function();
    SILENT.set(before);
    result
}
