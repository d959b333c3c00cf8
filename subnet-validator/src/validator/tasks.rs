//! The parts that run beside the servers.

use tokio::task::JoinSet;

/// Running parts by name. Dropping it stops them.
#[derive(Default)]
pub(super) struct Tasks(JoinSet<&'static str>);

impl Tasks {
    /// Starts a part.
    pub(super) fn spawn(&mut self, part: &'static str, work: impl Future<Output = ()> + Send + 'static) {
        self.0.spawn(async move {
            work.await;
            part
        });
    }

    /// Waits until a part ends, and names it. Safe to cancel and call again.
    pub(super) async fn first_to_end(&mut self) -> &'static str {
        match self.0.join_next().await {
            Some(Ok(part)) => part,
            Some(Err(_)) => "a part that panicked",
            None => "every part",
        }
    }

    /// Waits until all have ended.
    pub(super) async fn all_to_end(&mut self) {
        while self.0.join_next().await.is_some() {}
    }
}
