//! A chain, a disk and a process that can be stopped between any two steps.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::future::pending;
use std::io;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use protocol::AccountId;
use protocol::digest::Digest;
use tokio::sync::MutexGuard;

use crate::blocks::BlockRef;
use crate::error::QueryError;
use crate::submit::error::SubmitError;
use crate::submit::rejection::PoolRejection;
use crate::weights::chain::{Chain, Delivery, SignError};
use crate::weights::decide::{Facts, OwnNeuron, Regime, Timing};
use crate::weights::journal::disk::Disk;
use crate::weights::journal::{Journal, JournalError, JournalKey, Manner, Submission, Unrevealed};
use crate::weights::setter::{Scores, SetWeightsError, Setter, Step};

pub(super) const TEMPO: u32 = 40;
pub(super) const FINALITY_LAG: u32 = 3;
const TIMING: Timing = Timing { submit_after_percent: 25, finality_lag_blocks_max: 8 };
const KEY: JournalKey =
    JournalKey { genesis: Digest([1; 32]), hotkey: AccountId([2; 32]), netuid: 64, mechanism: 0 };

type Vector = Vec<(u16, u16)>;
/// Its bytes, and whether they are on disk.
type File = (Vec<u8>, bool);

/// What goes wrong in one block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Event {
    /// The connection breaks while something is sent; it may have arrived.
    Silence,
    /// The node takes nothing.
    Refuses,
    /// What is included fails.
    Fails,
    /// The block is not final yet, whatever its age.
    Stall,
    /// The newest blocks are replaced, as far as they are not final.
    Reorganised(u32),
    /// An epoch out of turn.
    EarlyEpoch,
    /// The author includes nothing.
    LeavesOut,
    /// The node restarts with an empty pool.
    PoolLost,
    /// Another extrinsic of the hotkey is in the block.
    NonceTaken,
    /// The process dies after so many steps.
    Kill(u32),
}

#[derive(Debug, Clone)]
struct Extrinsic {
    vector: Vector,
    nonce: u64,
    last_block: u32,
}

#[derive(Debug, Clone, Default)]
struct Block {
    /// Index of the extrinsic in it, and whether it succeeded; no index for somebody else's.
    included: Vec<(Option<usize>, bool)>,
}

#[derive(Default)]
struct State {
    blocks: Vec<Block>,
    finalized: u32,
    epochs: BTreeSet<u32>,
    extrinsics: Vec<Extrinsic>,
    pool: BTreeSet<usize>,
    silence: bool,
    refuses: bool,
    disk: Files,
    syncs_skipped: bool,
    coins: u64,
    steps_left: Option<u32>,
    crashed: bool,
    kills: u32,
    decided: u16,
}

#[derive(Default)]
struct Files {
    files: BTreeMap<String, File>,
    /// A rename that is not on disk yet: its new name, the file it has replaced, and its old name.
    renamed: Option<(String, Option<File>, String)>,
}

#[derive(Clone)]
pub(super) struct World(Rc<RefCell<State>>);

/// The process: it starts again after each kill.
pub(super) struct Validator {
    world: World,
    process: Option<Setter<World, World>>,
}

impl World {
    pub(super) fn with_validator(seed: u64) -> (Self, Validator) {
        let state =
            State { coins: seed, blocks: vec![Block::default()], epochs: [0].into(), ..State::default() };
        let world = Self(Rc::new(RefCell::new(state)));
        (world.clone(), Validator { world, process: None })
    }

    pub(super) fn next_block(&self, events: &[Event]) {
        let mut state = self.0.borrow_mut();
        let has = |event| events.contains(&event);
        for event in events {
            match event {
                Event::Reorganised(blocks) => state.reorganise(*blocks),
                Event::Kill(steps) => state.steps_left = Some(*steps),
                _ => {}
            }
        }
        if has(Event::PoolLost) {
            state.pool.clear();
        }
        (state.silence, state.refuses) = (has(Event::Silence), has(Event::Refuses));
        let number = u32::try_from(state.blocks.len()).unwrap();
        let last_epoch = *state.epochs.last().unwrap();
        if has(Event::EarlyEpoch) || number >= last_epoch + TEMPO {
            state.epochs.insert(number);
        }
        let mut block = Block::default();
        if has(Event::NonceTaken) {
            block.included.push((None, true));
        }
        let nonce = state.nonce(number) + u64::try_from(block.included.len()).unwrap();
        let next = state.pool.iter().copied().find(|index| {
            let extrinsic = &state.extrinsics[*index];
            extrinsic.nonce == nonce && number <= extrinsic.last_block
        });
        if let Some(index) = next.filter(|_| !has(Event::LeavesOut)) {
            state.pool.remove(&index);
            block.included.push((Some(index), !has(Event::Fails)));
        }
        state.blocks.push(block);
        if !has(Event::Stall) {
            state.finalized = state.finalized.max(number.saturating_sub(FINALITY_LAG));
        }
    }

    /// Stops the process for good after this many steps from now.
    pub(super) fn kill_after(&self, steps: u32) {
        self.0.borrow_mut().steps_left = Some(steps);
    }

    pub(super) fn kill_after_unless_set(&self, steps: u32) {
        self.0.borrow_mut().steps_left.get_or_insert(steps);
    }

    pub(super) fn skip_syncs(&self) {
        self.0.borrow_mut().syncs_skipped = true;
    }

    /// Nothing more goes wrong from here on.
    pub(super) fn recover(&self) {
        self.0.borrow_mut().steps_left = None;
    }

    pub(super) fn kills(&self) -> u32 {
        self.0.borrow().kills
    }

    pub(super) fn decided_vectors(&self) -> u16 {
        self.0.borrow().decided
    }

    /// The tempo that the newest block belongs to.
    pub(super) fn tempo(&self) -> usize {
        self.0.borrow().epochs.len() - 1
    }

    /// Vectors that reached each tempo. An epoch runs before its block's extrinsics, so its block belongs to the next tempo.
    pub(super) fn vectors_by_tempo(&self) -> BTreeMap<usize, Vec<Vector>> {
        let state = self.0.borrow();
        let mut tempos: BTreeMap<usize, Vec<Vector>> = BTreeMap::new();
        for (number, index) in state.landed() {
            let tempo = state.epochs.range(..=number).count() - 1;
            tempos.entry(tempo).or_default().push(state.extrinsics[index].vector.clone());
        }
        tempos
    }

    /// One step of the process; true if it died before it.
    fn step_is_the_last(&self) -> bool {
        let mut state = self.0.borrow_mut();
        match state.steps_left {
            _ if state.crashed => {}
            Some(0) => state.crash(),
            Some(left) => state.steps_left = Some(left - 1),
            None => {}
        }
        state.crashed
    }

    async fn live_on(&self) {
        if self.step_is_the_last() {
            pending::<()>().await;
        }
    }
}

impl State {
    fn best(&self) -> u32 {
        u32::try_from(self.blocks.len()).unwrap() - 1
    }

    fn nonce(&self, before_block: u32) -> u64 {
        let blocks = &self.blocks[..(before_block as usize).min(self.blocks.len())];
        blocks.iter().map(|block| u64::try_from(block.included.len()).unwrap()).sum()
    }

    fn landed(&self) -> impl Iterator<Item = (u32, usize)> + '_ {
        (0..).zip(&self.blocks).flat_map(|(number, block)| {
            block
                .included
                .iter()
                .filter(|(_, ok)| *ok)
                .filter_map(move |(index, _)| Some((number, (*index)?)))
        })
    }

    /// A fork without the newest blocks wins; what was in them goes back to the pool, or is lost.
    fn reorganise(&mut self, blocks: u32) {
        for _ in 0..blocks.min(self.best() - self.finalized) {
            let block = self.blocks.pop().unwrap();
            let number = u32::try_from(self.blocks.len()).unwrap();
            self.epochs.retain(|epoch| *epoch < number || *epoch == 0);
            for (index, _) in block.included {
                if self.coin() {
                    self.pool.extend(index);
                }
            }
        }
    }

    fn coin(&mut self) -> bool {
        self.coins =
            self.coins.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        self.coins >> 62 & 1 == 1
    }

    /// What was not synced is on disk, or in part, or not at all.
    fn crash(&mut self) {
        (self.crashed, self.steps_left, self.kills) = (true, None, self.kills + 1);
        if let Some((to, replaced, from)) = self.disk.renamed.take()
            && self.coin()
        {
            let file = self.disk.files.remove(&to).unwrap();
            self.disk.files.insert(from, file);
            self.disk.files.extend(replaced.map(|file| (to, file)));
        }
        let torn: Vec<String> =
            self.disk.files.iter().filter(|(_, file)| !file.1).map(|(name, _)| name.clone()).collect();
        for name in torn {
            let (cut, keep) = (self.coin(), usize::try_from(self.coins >> 33).unwrap());
            let file = self.disk.files.get_mut(&name).unwrap();
            if cut {
                file.0.truncate(keep % (file.0.len() + 1));
            }
            file.1 = true;
        }
    }
}

impl Chain for World {
    async fn facts(&self) -> Result<Facts, QueryError> {
        self.live_on().await;
        let state = self.0.borrow();
        let block = state.finalized;
        let last_epoch = *state.epochs.range(..=block).next_back().unwrap();
        let epoch_index = u64::try_from(state.epochs.range(..=block).count()).unwrap();
        let update = state.landed().map(|(landed, _)| landed).filter(|landed| *landed <= block).max();
        Ok(Facts {
            block: BlockRef { number: block, hash: [0; 32] },
            best_block: state.best(),
            spec_version: 461,
            epoch_index,
            epoch_index_next: epoch_index,
            last_epoch_block: last_epoch.into(),
            next_epoch_block: Some((last_epoch + TEMPO).into()),
            own: Some(OwnNeuron {
                uid: 0,
                validator_permit: true,
                is_owner: false,
                last_update: update.unwrap_or_default().into(),
                registered_at: 0,
            }),
            nonce: state.nonce(block + 1),
            neurons: 4,
            mechanisms: 1,
            weights_rate_limit: 0,
            min_allowed_weights: 1,
            max_weight_limit: u16::MAX,
            version_key: 0,
            regime: Regime::Plain,
            reveal_period_epochs: 1,
            hashes: Vec::new(),
        })
    }

    async fn turn(&self) -> Option<MutexGuard<'_, ()>> {
        None
    }

    async fn sign(
        &self,
        vector: &[(u16, u16)],
        facts: &Facts,
        life_blocks: u32,
    ) -> Result<Submission, SignError> {
        self.live_on().await;
        let mut state = self.0.borrow_mut();
        let best = state.best();
        let last_block = facts.block.number + life_blocks - 1;
        let nonce = state.nonce(best + 1);
        state.extrinsics.push(Extrinsic { vector: vector.to_vec(), nonce, last_block });
        Ok(Submission {
            extrinsic: (state.extrinsics.len() - 1).to_le_bytes().to_vec(),
            nonce,
            spec_version: 461,
            born_at_block: facts.block.number,
            last_block,
            manner: Manner::Plain,
        })
    }

    async fn send(&self, extrinsic: &[u8]) -> Delivery {
        self.live_on().await;
        let delivery = {
            let mut state = self.0.borrow_mut();
            let index = usize::from_le_bytes(extrinsic.try_into().unwrap());
            let stale = state.extrinsics[index].nonce < state.nonce(state.best() + 1);
            let arrives = !state.silence || state.coin();
            if state.refuses && !state.silence {
                Delivery::Refused(PoolRejection::RateLimitExceeded)
            } else if stale && !state.silence {
                Delivery::Refused(PoolRejection::Stale)
            } else {
                if arrives && !stale && !state.refuses {
                    state.pool.insert(index);
                }
                if state.silence { Delivery::Unknown("silence".to_owned()) } else { Delivery::InPool }
            }
        };
        self.live_on().await;
        delivery
    }

    async fn reveal(&self, _: &Unrevealed, _: BlockRef) -> Result<Delivery, QueryError> {
        unreachable!("weights are set in the open here")
    }

    async fn failure(&self, submission: &Submission, finalized: u32) -> Option<SubmitError> {
        self.live_on().await;
        let state = self.0.borrow();
        let index = usize::from_le_bytes(submission.extrinsic.clone().try_into().unwrap());
        let failed = |block: &Block| block.included.contains(&(Some(index), false));
        state.blocks[..=finalized as usize].iter().any(failed).then(|| SubmitError::Dispatch {
            pallet: "SubtensorModule".to_owned(),
            error: "NeuronNoValidatorPermit".to_owned(),
        })
    }
}

impl World {
    /// Runs one step on the disk, unless the process dies before it; it may also die right behind.
    fn on_disk<T>(&self, step: impl FnOnce(&mut State) -> T) -> io::Result<T> {
        let died = || io::Error::other("the process is dead");
        if self.step_is_the_last() {
            return Err(died());
        }
        let value = step(&mut self.0.borrow_mut());
        if self.step_is_the_last() { Err(died()) } else { Ok(value) }
    }
}

impl Disk for World {
    fn read(&mut self, name: &str) -> io::Result<Option<Vec<u8>>> {
        self.on_disk(|state| state.disk.files.get(name).map(|file| file.0.clone()))
    }

    fn write(&mut self, name: &str, bytes: &[u8]) -> io::Result<()> {
        self.on_disk(|state| state.disk.files.insert(name.to_owned(), (bytes.to_vec(), false)))?;
        Ok(())
    }

    fn sync(&mut self, name: &str) -> io::Result<()> {
        self.on_disk(|state| {
            let synced = !state.syncs_skipped;
            state.disk.files.get_mut(name).unwrap().1 |= synced;
        })
    }

    fn rename(&mut self, from: &str, to: &str) -> io::Result<()> {
        self.on_disk(|state| {
            let file = state.disk.files.remove(from).unwrap();
            let replaced = state.disk.files.insert(to.to_owned(), file);
            state.disk.renamed = Some((to.to_owned(), replaced, from.to_owned()));
        })
    }

    fn sync_names(&mut self) -> io::Result<()> {
        self.on_disk(|state| state.disk.renamed = None)
    }
}

impl Validator {
    /// One step of a process that only death stops; `None` if it died.
    pub(super) fn step(&mut self) -> Option<Step> {
        self.try_step().unwrap()
    }

    pub(super) fn try_step(&mut self) -> Result<Option<Step>, SetWeightsError> {
        if self.process.is_none() {
            self.world.0.borrow_mut().crashed = false;
            match Journal::on(self.world.clone(), KEY) {
                Ok(journal) => self.process = Some(Setter::new(self.world.clone(), journal, TIMING, 0)),
                Err(JournalError::Read { .. }) => return Ok(None),
                Err(error) => return Err(error.into()),
            }
        }
        let process = self.process.as_mut().unwrap();
        let polled = {
            let step = std::pin::pin!(process.step(async || self.world.scores()));
            step.poll(&mut Context::from_waker(Waker::noop()))
        };
        if self.world.0.borrow().crashed {
            self.process = None;
            return Ok(None);
        }
        match polled {
            Poll::Ready(step) => step.map(Some),
            Poll::Pending => panic!("only death makes a step wait"),
        }
    }
}

impl World {
    /// Never the same twice, so two decisions in one tempo would show.
    fn scores(&self) -> Scores {
        let mut state = self.0.borrow_mut();
        state.decided += 1;
        Scores { values: vec![(1, 65_535.0), (2, f64::from(state.decided))], label: Digest::ZERO }
    }
}
