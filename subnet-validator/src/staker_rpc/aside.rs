//! Threads of a lower priority than those that serve users: whoever asks for figures takes no processor time from whoever asks for answers.

use std::future::Future;
use std::io;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinHandle;

use super::config::StakerRpcConfig;

/// A runtime of its own. Dropping it ends all that runs on it, and waits for that.
pub(super) struct Aside {
    /// `None` only while this is dropped.
    runtime: Option<Runtime>,
    /// Longest wait for what cannot be broken off: reads of the ledger.
    wait: Duration,
}

impl Aside {
    pub(super) fn start(config: &StakerRpcConfig) -> io::Result<Self> {
        let niceness = config.niceness;
        let runtime = Builder::new_multi_thread()
            .worker_threads(config.threads.get())
            .thread_name("staker-rpc")
            .on_thread_start(move || stand_back(niceness))
            .enable_all()
            .build()?;
        Ok(Self { runtime: Some(runtime), wait: Duration::from_millis(config.drain_ms) })
    }

    /// Makes a listener of the runtime that calls one of this runtime.
    pub(super) fn take_over(&self, listener: TcpListener) -> io::Result<TcpListener> {
        let listener = listener.into_std()?;
        let _entered = self.runtime().enter();
        TcpListener::from_std(listener)
    }

    fn runtime(&self) -> &Runtime {
        self.runtime.as_ref().expect("there until it is dropped")
    }

    pub(super) fn spawn<F>(&self, future: F) -> JoinHandle<F::Output>
    where
        F: Future<Output: Send> + Send + 'static,
    {
        self.runtime().spawn(future)
    }
}

impl Drop for Aside {
    fn drop(&mut self) {
        let Some(runtime) = self.runtime.take() else { return };
        let wait = self.wait;
        // What runs here holds the ledger, whose database must be closed before the process ends. A task, which may be who drops this,
        // is not allowed to wait for a runtime; a thread is.
        let end = std::thread::spawn(move || runtime.shutdown_timeout(wait));
        if end.join().is_err() {
            tracing::error!("the threads of the staker JSON-RPC did not end as they should");
        }
    }
}

/// Lowers the priority of this thread.
fn stand_back(niceness: u8) {
    // On Linux the process 0 of setpriority(2) is the calling thread, and its niceness adds to nothing: it is set.
    let lowest = i32::from(niceness).max(rustix::process::getpriority_process(None).unwrap_or(0));
    if let Err(error) = rustix::process::setpriority_process(None, lowest) {
        tracing::warn!(%error, "the staker JSON-RPC runs at the priority of all else");
    }
}
