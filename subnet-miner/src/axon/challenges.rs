//! `POST /challenge`: what a validator asks to be shown beside calls, of [`protocol::challenge`].
//!
//! Bounded in every way: permitted validators only, a few readings and one product at a time for all of them, a pause between two of one
//! validator, a limit to the work and to the time that one product may take, and no answer after its time. It comes after paid work:
//! reading a few pieces costs next to nothing, and a product is computed on one thread that rests while answers are in the making, for
//! as long as it can be done in time. One validator's product never keeps another's questions about weights waiting, and its questions
//! about products only for that bounded time: an unanswered question counts against this miner.
//!
//! What is shown is checked before it is signed, because a wrong answer under this hotkey convicts it. So a challenge that names another
//! file or root than this miner's is refused, and so is everything when the disk gives other bytes than it was given.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::extract::{Request, State};
use axum::response::Response;
use http::HeaderValue;
use http::header::CONTENT_TYPE;
use parity_scale_codec::Encode;
use protocol::account::AccountId;
use protocol::challenge::{Answer, Challenge, Expected, Shown, SignedChallenge, Task, WeightsTask};
use protocol::digest::Digest;
use serde::{Deserialize, Serialize};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::error::AxonError;
use super::{AxonState, product};
use crate::clock;
use crate::models::Models;

/// How long a product rests before it looks again whether paid work has ended.
const REST: Duration = Duration::from_millis(5);

/// Questions about weights answered at the same time. Each takes a few readings.
const READINGS_MAX: usize = 4;

/// What this miner shows to validators that ask, and how much that may cost it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ChallengesConfig {
    /// Least time between two challenges of one validator about weights, in milliseconds. Default 1000.
    pub weights_pause_ms: u64,
    /// Least time between two products for one validator, in milliseconds. Default 600000.
    pub product_pause_ms: u64,
    /// Multiplications of one product at most; 0 computes none. Default 2^36, some ten seconds of one processor.
    pub product_work_max: u64,
    /// Memory for one product at most, in bytes. Default 256 MiB.
    pub product_bytes_max: u64,
    /// Longest time for one product, with its rests, in milliseconds, however long its validator would wait. Default 60000.
    pub product_ms_max: u64,
}

impl Default for ChallengesConfig {
    fn default() -> Self {
        Self {
            weights_pause_ms: 1_000,
            product_pause_ms: 600_000,
            product_work_max: 1 << 36,
            product_bytes_max: 256 << 20,
            product_ms_max: 60_000,
        }
    }
}

/// Who may have a challenge answered now.
#[derive(Debug)]
pub(super) struct Turns {
    config: ChallengesConfig,
    readings: Arc<Semaphore>,
    product: Arc<Semaphore>,
    /// When each validator had its last answer about weights, and its last product. No more than there are permitted callers.
    last: Mutex<BTreeMap<(AccountId, bool), Instant>>,
}

impl Turns {
    pub fn new(config: ChallengesConfig) -> Self {
        let readings = Arc::new(Semaphore::new(READINGS_MAX));
        Self { config, readings, product: Arc::new(Semaphore::new(1)), last: Mutex::default() }
    }

    /// Waits for a turn, and until `until` at most. Nobody waits twice: the pause between two challenges begins with the first.
    async fn take(
        &self,
        caller: AccountId,
        task: &Task,
        until: Instant,
    ) -> Result<OwnedSemaphorePermit, AxonError> {
        self.begin(caller, task)?;
        let turn = match task {
            Task::Weights(_) => &self.readings,
            Task::Product(_) => &self.product,
        };
        let turn = tokio::time::timeout_at(until, Arc::clone(turn).acquire_owned()).await;
        turn.ok().and_then(Result::ok).ok_or(AxonError::Busy)
    }

    fn begin(&self, caller: AccountId, task: &Task) -> Result<(), AxonError> {
        let (is_product, pause_ms) = match task {
            Task::Weights(_) => (false, self.config.weights_pause_ms),
            Task::Product(task) => {
                let fits = task.work() <= self.config.product_work_max
                    && product::memory_bytes(task) <= self.config.product_bytes_max;
                if !fits {
                    return Err(AxonError::ProductTooLarge);
                }
                (true, self.config.product_pause_ms)
            }
        };
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let since_ms = last.get(&(caller, is_product)).map(|last| u64::from(clock::elapsed_ms(*last)));
        if let Some(retry_after_ms) = since_ms.and_then(|since_ms| pause_ms.checked_sub(since_ms)) {
            return Err(AxonError::TooFast { retry_after_ms });
        }
        last.insert((caller, is_product), clock::monotonic());
        Ok(())
    }

    /// When this challenge is given up, if its answer is expected by `answer_by`.
    fn end(&self, task: &Task, answer_by: Instant) -> Instant {
        match task {
            Task::Weights(_) => answer_by,
            Task::Product(_) => {
                answer_by.min(clock::monotonic() + Duration::from_millis(self.config.product_ms_max))
            }
        }
    }
}

pub(super) async fn answer(State(state): State<AxonState>, request: Request) -> Result<Response, AxonError> {
    let inner = &state.0;
    let (parts, body) = request.into_parts();
    let raw = inner.admission.headers(&parts.headers)?;
    let body = inner.bodies.read(&parts.headers, body).await?;
    let caller = inner.admission.admit(&raw, &parts, Digest::of(&body.bytes)).await?;
    let signed = SignedChallenge::from_bytes(&body.bytes).map_err(AxonError::Challenge)?;
    let expected = Expected {
        netuid: inner.netuid,
        validator: caller.hotkey(),
        miner: inner.hotkey.public(),
        now_ms: clock::unix_ms(),
    };
    signed.admit(&expected).map_err(AxonError::Challenge)?;
    let answer_by = clock::at_unix_ms(signed.challenge.answer_by_ms());
    let turn = inner.turns.take(caller.hotkey(), &signed.challenge.task, answer_by).await?;
    let until = inner.turns.end(&signed.challenge.task, answer_by);
    let (models, cut, hotkey) = (inner.models.clone(), inner.cut.clone(), inner.hotkey.clone());
    // The turn goes along: whoever hangs up frees it no sooner.
    let showing = tokio::task::spawn_blocking(move || {
        let _turn = turn;
        let challenge = signed.challenge;
        let shown = Showing { models, until, cut }.show(&challenge)?;
        let answer = Answer { challenge: challenge.digest(), shown };
        answer.check(&challenge).map_err(|wrong| {
            tracing::error!(%wrong, "what would be shown to a validator is not what it should be: look at the disk and the memory");
            AxonError::NothingToShow
        })?;
        Ok(answer.sign(&hotkey).encode())
    });
    let bytes = showing.await.map_err(|_| AxonError::NothingToShow)??;
    let mut response = Response::new(bytes.into());
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
    Ok(response)
}

/// One challenge being answered.
struct Showing {
    models: Models,
    until: Instant,
    cut: CancellationToken,
}

impl Showing {
    fn show(&self, challenge: &Challenge) -> Result<Shown, AxonError> {
        match &challenge.task {
            Task::Weights(task) => self.weights(task, &challenge.seed),
            Task::Product(task) => {
                let began = clock::monotonic();
                let mut rested = Duration::ZERO;
                let go_on = |done| self.go_on(done, task.rows, began, &mut rested);
                product::compute(task, &challenge.seed, go_on).map(Shown::Product).ok_or(AxonError::Deadline)
            }
        }
    }

    fn weights(&self, task: &WeightsTask, seed: &Digest) -> Result<Shown, AxonError> {
        let model = self.models.get(&task.model);
        let model = model.ok_or_else(|| AxonError::UnknownModel { model: task.model.to_string() })?;
        for file in model.files().iter() {
            match file.show(task, seed) {
                Ok(Some(pieces)) => return Ok(Shown::Weights(pieces)),
                Ok(None) => {}
                Err(error) => tracing::error!(model = %task.model, %error, "a weight file could not be read"),
            }
        }
        Err(AxonError::NothingToShow)
    }

    /// Lets paid work go first, and says whether there is still time.
    fn go_on(&self, done: u32, rows: u32, began: Instant, rested: &mut Duration) -> bool {
        loop {
            let now = clock::monotonic();
            if now >= self.until || self.cut.is_cancelled() {
                return false;
            }
            let millis = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
            let worked_ms = millis((now - began).saturating_sub(*rested));
            let is_paid = self.models.all().values().any(|model| model.in_flight() > 0);
            if !is_paid || !product::has_time(done, rows, worked_ms, millis(self.until - now)) {
                return true;
            }
            std::thread::sleep(REST);
            *rested += clock::monotonic() - now;
        }
    }
}

#[cfg(test)]
mod tests {
    use protocol::challenge::ProductTask;

    use super::*;

    #[tokio::test]
    async fn one_validators_product_keeps_others_from_no_weights_and_from_their_products_for_a_bounded_time()
    {
        let turns = Turns::new(ChallengesConfig::default());
        let [one, other] = [1, 2].map(|number| AccountId([number; 32]));
        let product = Task::Product(ProductTask { rows: 1, inner: 1, columns: 1, shown: 1 });
        let weights = Task::Weights(WeightsTask {
            model: "m".parse().unwrap(),
            file: Digest::ZERO,
            bytes: 1,
            root: Digest::ZERO,
            pieces: 1,
        });
        let far = clock::monotonic() + Duration::from_secs(600);
        let computing = turns.take(one, &product, far).await.unwrap();
        assert!(matches!(turns.take(one, &product, far).await, Err(AxonError::TooFast { .. })));

        assert!(turns.take(other, &weights, far).await.is_ok());
        let soon = clock::monotonic() + Duration::from_millis(20);
        assert!(matches!(turns.take(other, &product, soon).await, Err(AxonError::Busy)));
        assert!(turns.end(&product, far) <= clock::monotonic() + Duration::from_secs(60));
        assert_eq!((turns.end(&product, soon), turns.end(&weights, far)), (soon, far));

        let third = AccountId([3; 32]);
        let mut waiting = Box::pin(turns.take(third, &product, far));
        assert!(futures::poll!(&mut waiting).is_pending());
        drop(computing);
        assert!(waiting.await.is_ok(), "the next in the row");
    }
}
