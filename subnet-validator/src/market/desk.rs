//! Questions that only the chain can answer: what a trade would give, and what a coldkey holds. They are put one after the other by
//! one task, so that stakers' curiosity takes no more of the node than that.

use std::num::NonZeroUsize;

use chain_client::{BlockRef, ChainClient, QueryError, StakePosition, SwapQuote};
use protocol::account::AccountId;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

/// A question about one block.
#[derive(Debug)]
pub enum Question {
    /// What staking this much TAO would give, in rao.
    Stake {
        /// The amount.
        tao_rao: u64,
        /// The block.
        at: BlockRef,
        /// Where the answer goes.
        reply: oneshot::Sender<Result<SwapQuote, QueryError>>,
    },
    /// What withdrawing this much alpha would give, in rao.
    Unstake {
        /// The amount.
        alpha_rao: u64,
        /// The block.
        at: BlockRef,
        /// Where the answer goes.
        reply: oneshot::Sender<Result<SwapQuote, QueryError>>,
    },
    /// What a coldkey has staked on every subnet.
    Positions {
        /// The coldkey.
        coldkey: AccountId,
        /// The block.
        at: BlockRef,
        /// Where the answer goes.
        reply: oneshot::Sender<Result<Vec<StakePosition>, QueryError>>,
    },
}

/// No answer came.
#[derive(Debug, thiserror::Error)]
pub enum DeskError {
    /// Too many questions are waiting.
    #[error("too many questions to the chain are waiting")]
    Busy,
    /// The validator stops.
    #[error("nobody answers any more")]
    Closed,
    /// The chain did not answer.
    #[error("the chain did not answer")]
    Chain(#[source] QueryError),
}

/// Where questions are put. Clones share one queue.
#[derive(Debug, Clone)]
pub struct Desk {
    questions: mpsc::Sender<Question>,
}

impl Desk {
    /// A desk at which so many questions may wait, and the end where they are answered.
    #[must_use]
    pub fn new(waiting_max: NonZeroUsize) -> (Self, mpsc::Receiver<Question>) {
        let (questions, inbox) = mpsc::channel(waiting_max.get());
        (Self { questions }, inbox)
    }

    /// What staking would give.
    ///
    /// # Errors
    /// When too many wait or the chain fails.
    pub async fn stake(&self, tao_rao: u64, at: BlockRef) -> Result<SwapQuote, DeskError> {
        self.ask(|reply| Question::Stake { tao_rao, at, reply }).await
    }

    /// What withdrawing would give.
    ///
    /// # Errors
    /// When too many wait or the chain fails.
    pub async fn unstake(&self, alpha_rao: u64, at: BlockRef) -> Result<SwapQuote, DeskError> {
        self.ask(|reply| Question::Unstake { alpha_rao, at, reply }).await
    }

    /// What a coldkey holds.
    ///
    /// # Errors
    /// When too many wait or the chain fails.
    pub async fn positions(&self, coldkey: AccountId, at: BlockRef) -> Result<Vec<StakePosition>, DeskError> {
        self.ask(|reply| Question::Positions { coldkey, at, reply }).await
    }

    async fn ask<T>(
        &self,
        question: impl FnOnce(oneshot::Sender<Result<T, QueryError>>) -> Question,
    ) -> Result<T, DeskError> {
        let (reply, answer) = oneshot::channel();
        self.questions.try_send(question(reply)).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => DeskError::Busy,
            mpsc::error::TrySendError::Closed(_) => DeskError::Closed,
        })?;
        answer.await.map_err(|_| DeskError::Closed)?.map_err(DeskError::Chain)
    }
}

/// Answers until stopped. A question whose asker went away is left out.
pub async fn answer(
    client: ChainClient,
    netuid: u16,
    mut inbox: mpsc::Receiver<Question>,
    stop: CancellationToken,
) {
    loop {
        let question = tokio::select! {
            () = stop.cancelled() => return,
            question = inbox.recv() => question,
        };
        let Some(question) = question else { return };
        // Whoever asked may be gone by now; then nobody needs the answer.
        match question {
            Question::Stake { reply, .. } | Question::Unstake { reply, .. } if reply.is_closed() => {}
            Question::Positions { reply, .. } if reply.is_closed() => {}
            Question::Stake { tao_rao, at, reply } => {
                let _ = reply.send(client.quote_stake(netuid, tao_rao, at).await);
            }
            Question::Unstake { alpha_rao, at, reply } => {
                let _ = reply.send(client.quote_unstake(netuid, alpha_rao, at).await);
            }
            Question::Positions { coldkey, at, reply } => {
                let _ = reply.send(client.stake_positions(&coldkey, at).await);
            }
        }
    }
}
