//! Threads of a lower priority than those that serve users: whoever asks for figures takes no processor time from whoever asks for answers.

use std::future::Future;
use std::io;

use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinHandle;

use super::config::StakerRpcConfig;

/// A runtime of its own. Dropping it ends all that runs on it.
pub(super) struct Aside(Option<Runtime>);

impl Aside {
    pub(super) fn start(config: &StakerRpcConfig) -> io::Result<Self> {
        let niceness = config.niceness;
        let runtime = Builder::new_multi_thread()
            .worker_threads(config.threads.get())
            .thread_name("staker-rpc")
            .on_thread_start(move || stand_back(niceness))
            .enable_all()
            .build()?;
        Ok(Self(Some(runtime)))
    }

    pub(super) fn spawn<F>(&self, future: F) -> JoinHandle<F::Output>
    where
        F: Future<Output: Send> + Send + 'static,
    {
        self.0.as_ref().expect("there until it is dropped").spawn(future)
    }
}

impl Drop for Aside {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            // Waiting is not allowed here: this may be dropped by a task of the other runtime.
            runtime.shutdown_background();
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
