//! Registration by proof of work, on runtimes that have it (spec 474 and later).
//!
//! The pinned metadata does not know the call, so it is encoded against the live metadata alone; a runtime without it is
//! told apart before any work is done.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use chain_metadata::subtensor;
use chain_metadata::subtensor::runtime_types::subtensor_runtime_common::NetUid;
use protocol::AccountId;
use protocol::signing::Keypair;
use subxt::ext::scale_value::Value;
use subxt::utils::AccountId32;
use tokio::time::Instant;

use super::error::SubmitError;
use super::register::Registration;
use crate::blocks::BlockRef;
use crate::client::ChainClient;
use crate::error::QueryError;
use crate::pow::{Challenge, Search, Solution};

const DOING: &str = "registering by proof of work";
const PALLET: &str = "SubtensorModule";
const CALL: &str = "pow_register";

/// The chain takes work on one of its last three blocks (five, later); one block passes while the extrinsic travels.
const WORK_BLOCK_AGE_MAX: u32 = 1;

/// How often the progress is told, and after how many times the age of the work block is looked at: public endpoints
/// allow about one request per second.
const LOOK_INTERVAL: Duration = Duration::from_millis(500);
const LOOKS_PER_REQUEST: u32 = 4;

/// How to work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PowConfig {
    /// Threads that compute.
    pub threads: NonZeroUsize,
    /// Solutions that may come too late for the chain before giving up.
    pub attempts_max: u32,
}

/// How far the work is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PowProgress {
    /// The block that is worked on.
    pub work_block: u32,
    /// How many seals a solution takes on average.
    pub difficulty: u64,
    /// Seals computed so far, in all attempts.
    pub seals: u64,
    /// Time spent so far.
    pub elapsed: Duration,
}

/// Why working did not lead to a registration.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PowError {
    /// The chain cannot be read.
    #[error("the chain could not be read for the work")]
    Query(#[from] QueryError),
    /// The runtime does not know this kind of registration.
    #[error("the chain's runtime (spec {spec_version}) has no registration by proof of work")]
    Unavailable {
        /// The runtime's version.
        spec_version: u32,
    },
    /// The subnet's owner does not allow it.
    #[error("subnet {netuid} takes no registrations by proof of work")]
    Closed {
        /// The subnet.
        netuid: u16,
    },
    /// The submission failed.
    #[error("the registration failed")]
    Submit(#[from] SubmitError),
    /// The machine is too slow for the chain: what it finds is always too old.
    #[error("{attempts} solutions were too old when they arrived")]
    TooSlow {
        /// How many.
        attempts: u32,
    },
}

impl PowError {
    /// What the operator can do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Query(error) => error.hint(),
            Self::Unavailable { .. } => "register by burning TAO instead (without --pow)",
            Self::Closed { .. } => {
                "register by burning TAO instead (without --pow), or ask the subnet's owner"
            }
            Self::Submit(error) => error.hint(),
            Self::TooSlow { .. } => "use an endpoint nearer by, or register by burning TAO",
        }
    }
}

/// Stops the threads when the work is dropped.
struct StopOnDrop(Arc<AtomicBool>);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl ChainClient {
    /// Works for a uid of `hotkey` on the subnet, and registers it: no fee, no burn. Takes as long as it takes; dropping the
    /// future stops the threads. `progress` is called every half second.
    pub async fn register_pow(
        &self,
        coldkey: &Keypair,
        hotkey: &AccountId,
        netuid: u16,
        config: PowConfig,
        mut progress: impl FnMut(PowProgress),
    ) -> Result<Registration, PowError> {
        let best = self.best().await?;
        if let Some(uid) = self.uid_of(netuid, hotkey, best).await? {
            return Ok(Registration::AlreadyRegistered { uid });
        }
        self.check_work(best).await?;
        let (started, done) = (Instant::now(), Arc::new(AtomicU64::new(0)));
        for _ in 0..config.attempts_max {
            let (work_block, solution) = loop {
                let work_block = self.best().await?;
                let difficulty = self.pow_difficulty(netuid, work_block).await?;
                let challenge = Challenge {
                    netuid,
                    block_hash: work_block.hash,
                    hotkey: *hotkey,
                    coldkey: coldkey.public(),
                };
                let mut report = || {
                    let (seals, elapsed) = (done.load(Ordering::Relaxed), started.elapsed());
                    progress(PowProgress { work_block: work_block.number, difficulty, seals, elapsed });
                };
                let work = Work { challenge, difficulty, threads: config.threads, seals: &done };
                if let Some(solution) = self.work(work, work_block, &mut report).await? {
                    break (work_block, solution);
                }
            };
            let submitted = self.submit_pow(coldkey, hotkey, netuid, work_block, solution).await;
            match self.seat_of(netuid, hotkey, submitted, DOING).await {
                Err(error) if is_too_old(&error) => {}
                registration => return Ok(registration?),
            }
        }
        Err(PowError::TooSlow { attempts: config.attempts_max })
    }

    /// Fails unless the live runtime has registration by proof of work.
    pub async fn check_work(&self, at: BlockRef) -> Result<(), PowError> {
        let known = self.bounded(DOING, async {
            let session = self.session().await?;
            let at = session.at(at).await?;
            let pallet = at
                .metadata_ref()
                .pallet_by_name(PALLET)
                .is_some_and(|pallet| pallet.call_variant_by_name(CALL).is_some());
            Ok((pallet, at.spec_version()))
        });
        match known.await? {
            (true, _) => Ok(()),
            (false, spec_version) => Err(PowError::Unavailable { spec_version }),
        }
    }

    async fn pow_difficulty(&self, netuid: u16, at: BlockRef) -> Result<u64, PowError> {
        let read = self.bounded(DOING, async {
            let mut reader = self.reader(at).await?;
            let module = subtensor::storage().subtensor_module();
            let exists = crate::query::want_existence(&mut reader, netuid)?;
            let open = reader.want(module.network_pow_registration_allowed(), (NetUid(netuid),))?;
            let difficulty = reader.want(module.difficulty(), (NetUid(netuid),))?;
            let values = reader.fetch().await?;
            crate::query::check_existence(values.value(&exists)?, netuid)?;
            Ok((values.value(&open)?, values.value(&difficulty)?))
        });
        match read.await? {
            (true, difficulty) => Ok(difficulty),
            (false, _) => Err(PowError::Closed { netuid }),
        }
    }

    /// Works on one block until a solution is found or the block is too old.
    async fn work(
        &self,
        work: Work<'_>,
        work_block: BlockRef,
        report: &mut impl FnMut(),
    ) -> Result<Option<Solution>, PowError> {
        let stop = Arc::new(AtomicBool::new(false));
        let _stop = StopOnDrop(Arc::clone(&stop));
        let Work { challenge, difficulty, threads, seals } = work;
        let (search, seals) = (Search { difficulty, threads, first_nonce: random() }, Arc::clone(seals));
        let mut searching = tokio::task::spawn_blocking(move || challenge.solve(search, &stop, &seals));
        let mut looks = tokio::time::interval(LOOK_INTERVAL);
        looks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut looked = 0;
        loop {
            tokio::select! {
                solution = &mut searching => return Ok(solution.unwrap_or_default()),
                _ = looks.tick() => {
                    report();
                    looked += 1;
                    if !u32::is_multiple_of(looked, LOOKS_PER_REQUEST) {
                        continue;
                    }
                    let head = self.best().await?;
                    if head.number.saturating_sub(work_block.number) > WORK_BLOCK_AGE_MAX {
                        return Ok(None);
                    }
                }
            }
        }
    }

    async fn submit_pow(
        &self,
        coldkey: &Keypair,
        hotkey: &AccountId,
        netuid: u16,
        work_block: BlockRef,
        solution: Solution,
    ) -> Result<BlockRef, SubmitError> {
        let arguments = vec![
            ("netuid", Value::from(u128::from(netuid))),
            ("work_block", Value::from(u128::from(work_block.number))),
            ("nonce", Value::from(u128::from(solution.nonce))),
            ("work", Value::from_bytes(solution.seal)),
            ("hotkey", Value::from_bytes(AccountId32(hotkey.0).0)),
        ];
        let call = subxt::tx::dynamic(PALLET, CALL, Value::named_composite(arguments));
        self.submit(DOING, coldkey, &call).await
    }
}

/// One block's worth of work.
struct Work<'a> {
    challenge: Challenge,
    difficulty: u64,
    threads: NonZeroUsize,
    seals: &'a Arc<AtomicU64>,
}

/// The chain counts blocks by itself; a solution can be too old by the time it arrives.
fn is_too_old(error: &SubmitError) -> bool {
    matches!(error, SubmitError::Dispatch { error, .. } if error == "InvalidWorkBlock" || error == "InvalidDifficulty")
}

/// Where to begin. Without randomness every machine would do the same work, which is slow and not wrong.
fn random() -> u64 {
    getrandom::u64().unwrap_or_default()
}
