//! Getting a head's digest on chain: no weight leaves before it stands there.

use chain_client::{ChainClient, SubmitError};
use protocol::digest::Digest;
use protocol::signing::Keypair;

use crate::chain_view::ChainSnapshot;

/// Blocks to wait after a failure, the first time; twice as long each further time.
const FAILED_BLOCKS_FIRST: u32 = 2;
const FAILED_BLOCKS_MAX: u32 = 16;

/// Blocks to wait after it was sent and did not become final in time: finality's lag, and what a node needs that lost it.
const SENT_BLOCKS: u32 = 16;

/// Commits the digests of one validator's heads.
pub(super) struct Commitment {
    client: ChainClient,
    hotkey: Keypair,
    /// The digest that is known to be on chain.
    known: Option<Digest>,
    failures: u32,
    again_at_block: u32,
}

impl Commitment {
    pub(super) fn new(client: ChainClient, hotkey: Keypair) -> Self {
        Self { client, hotkey, known: None, failures: 0, again_at_block: 0 }
    }

    /// Sees to it that this digest is on chain; `false` if it is not there yet. Tried again at a later block if that fails.
    pub(super) async fn ensure(&mut self, digest: Digest, snapshot: &ChainSnapshot) -> bool {
        if self.known == Some(digest) {
            return true;
        }
        let netuid = snapshot.metagraph.netuid;
        let there = self.client.commitment(netuid, &self.hotkey.public(), snapshot.block).await;
        if there.is_ok_and(|there| there.is_some_and(|there| there.sha256() == Some(&digest.0))) {
            self.succeed(digest);
            return true;
        }
        if snapshot.block.number < self.again_at_block {
            return false;
        }
        match self.client.set_commitment(&self.hotkey, netuid, &digest.0).await {
            Ok(block) => {
                tracing::info!(%digest, block = block.number, "the tempo's head is committed");
                self.succeed(digest);
                true
            }
            Err(error) => {
                let pause = blocks_until_again(&error, self.failures);
                self.failures = self.failures.saturating_add(1);
                self.again_at_block = snapshot.block.number.saturating_add(pause);
                let (hint, again_at_block) = (error.hint(), self.again_at_block);
                let error = &error as &dyn std::error::Error;
                tracing::warn!(
                    hint,
                    again_at_block,
                    error,
                    "the head is not committed yet: its weights wait for that"
                );
                false
            }
        }
    }

    fn succeed(&mut self, digest: Digest) {
        (self.known, self.failures, self.again_at_block) = (Some(digest), 0, 0);
    }
}

/// How many blocks later a commitment is sent again that failed after as many failures. What is on its way and late is looked for
/// in every block meanwhile: to send it again would only cost its bytes of the epoch's allowance again.
fn blocks_until_again(error: &SubmitError, failures: u32) -> u32 {
    match error {
        SubmitError::NotFinal { .. } | SubmitError::TimedOut { .. } => SENT_BLOCKS,
        _ => FAILED_BLOCKS_FIRST.checked_shl(failures).unwrap_or(FAILED_BLOCKS_MAX).min(FAILED_BLOCKS_MAX),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_failed_is_sent_again_soon_and_what_is_on_its_way_is_not() {
        let doing = "committing";
        let lost = SubmitError::Disconnected { doing };
        assert_eq!([0, 1, 2, 3, 40].map(|failures| blocks_until_again(&lost, failures)), [2, 4, 8, 16, 16]);
        let block = chain_client::BlockRef { number: 7, hash: [0; 32] };
        let late = SubmitError::NotFinal { doing, block, after_ms: 30_000 };
        assert_eq!(blocks_until_again(&late, 0), 16);
        assert_eq!(blocks_until_again(&SubmitError::TimedOut { doing, after_ms: 30_000 }, 0), 16);
    }
}
