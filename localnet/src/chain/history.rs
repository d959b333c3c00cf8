//! The blocks, from genesis on.

use std::{
    collections::{BTreeMap, HashMap, HashSet, VecDeque},
    sync::Arc,
};

use parity_scale_codec::Encode;
use sp_core::H256;
use thiserror::Error;

use super::draft::Interference;
use crate::{config::Limits, runtime::Header};

/// A block that was sealed.
#[derive(Clone, Debug)]
pub struct Block {
    /// Its header.
    pub header: Header,
    /// Its transactions, encoded, the timestamp first.
    pub extrinsics: Vec<Vec<u8>>,
    /// The change in it that no transaction made.
    pub interference: Option<Box<Interference>>,
    hash: H256,
}

/// A block, shared.
pub type BlockRef = Arc<Block>;

impl Block {
    /// A block of a header and encoded transactions.
    pub fn new(header: Header, extrinsics: Vec<Vec<u8>>) -> Self {
        let hash = H256(sp_crypto_hashing::blake2_256(&header.encode()));
        Self { header, extrinsics, interference: None, hash }
    }

    /// The same block, with a change that no transaction made.
    pub(super) fn with_interference(mut self, interference: Option<Box<Interference>>) -> Self {
        self.interference = interference;
        self
    }

    /// Hash of its header.
    pub fn hash(&self) -> H256 {
        self.hash
    }

    /// Its number.
    pub fn number(&self) -> u32 {
        self.header.number
    }

    /// Root of the state after it.
    pub fn state_root(&self) -> H256 {
        self.header.state_root
    }
}

/// Every block of the chain, by number and by hash, and the last of those that were undone, by hash.
pub(super) struct History {
    blocks: Vec<BlockRef>,
    numbers: HashMap<H256, u32>,
    finalized: u32,
    undone: VecDeque<BlockRef>,
    undone_max: usize,
    /// Number of the oldest block whose state is kept.
    kept_from: u32,
    /// States kept before the newest.
    states_max: u32,
    /// Blocks after which everything is kept, by number, and how often.
    pinned: BTreeMap<u32, u32>,
    /// Undone blocks that are kept, and how often.
    pinned_undone: HashMap<H256, u32>,
}

/// Blocks of which something is forgotten.
#[derive(Default)]
pub(super) struct Forgotten {
    /// Blocks of the chain: the state before them.
    pub before: Vec<H256>,
    /// Undone blocks: everything.
    pub undone: Vec<H256>,
}

/// Why the chain does not take another branch.
#[derive(Debug, Error, Eq, PartialEq)]
pub enum BranchError {
    /// The blocks to undo are final.
    #[error(
        "block {fork} is before the final block {finalized}; only blocks that are not final can be undone: stall finality first"
    )]
    Final {
        /// The block the branch begins after.
        fork: u32,
        /// The newest final block.
        finalized: u32,
    },
    /// The branch is not longer than what it replaces.
    #[error("a branch of {length} blocks does not replace {depth}; fork choice takes the longer one")]
    Short {
        /// Its length.
        length: u32,
        /// Blocks it would undo.
        depth: u32,
    },
    /// The branch does not begin on this chain.
    #[error("the branch does not continue the chain")]
    Detached,
}

impl History {
    pub fn new(genesis: Block, limits: &Limits) -> Self {
        let numbers = HashMap::from([(genesis.hash(), 0)]);
        Self {
            blocks: vec![Arc::new(genesis)],
            numbers,
            finalized: 0,
            undone: VecDeque::new(),
            undone_max: limits.undone_blocks_max,
            kept_from: 0,
            states_max: limits.states_max,
            pinned: BTreeMap::new(),
            pinned_undone: HashMap::new(),
        }
    }

    pub fn best(&self) -> BlockRef {
        self.blocks.last().expect("there is always the genesis block").clone()
    }

    pub fn finalized(&self) -> BlockRef {
        self.blocks[self.finalized as usize].clone()
    }

    pub fn by_number(&self, number: u32) -> Option<BlockRef> {
        self.blocks.get(number as usize).cloned()
    }

    /// Also one that was undone.
    pub fn by_hash(&self, hash: H256) -> Option<BlockRef> {
        match self.numbers.get(&hash) {
            Some(number) => self.by_number(*number),
            None => self.undone.iter().rev().find(|block| block.hash() == hash).cloned(),
        }
    }

    pub fn append(&mut self, block: Block) -> BlockRef {
        let block = Arc::new(block);
        self.push(block.clone());
        block
    }

    /// Replaces all blocks after `fork` with a longer branch; answers the blocks that were undone, oldest first.
    pub fn reorganise(&mut self, fork: u32, branch: Vec<BlockRef>) -> Result<Vec<BlockRef>, BranchError> {
        if fork < self.finalized {
            return Err(BranchError::Final { fork, finalized: self.finalized });
        }
        let depth = self.best().number().checked_sub(fork).ok_or(BranchError::Detached)?;
        let length = u32::try_from(branch.len()).unwrap_or(u32::MAX);
        if length <= depth {
            return Err(BranchError::Short { length, depth });
        }
        let mut parent = self.blocks[fork as usize].hash();
        for block in &branch {
            if block.header.parent_hash != parent {
                return Err(BranchError::Detached);
            }
            parent = block.hash();
        }
        let undone = self.truncate(fork);
        branch.into_iter().for_each(|block| self.push(block));
        Ok(undone)
    }

    /// Goes back to a former chain: its final block must be on this one, `tail` are the blocks after it.
    pub fn revert(&mut self, finalized: &BlockRef, tail: &[BlockRef]) -> Result<(), BranchError> {
        if self.numbers.get(&finalized.hash()) != Some(&finalized.number()) {
            return Err(BranchError::Detached);
        }
        self.truncate(finalized.number());
        self.finalized = finalized.number();
        let back: HashSet<H256> = tail.iter().map(|block| block.hash()).collect();
        self.undone.retain(|block| !back.contains(&block.hash()));
        tail.iter().for_each(|block| self.push(block.clone()));
        Ok(())
    }

    /// Keeps the state after a final block and everything that follows it.
    pub fn pin(&mut self, finalized: &BlockRef, tail: &[BlockRef]) {
        *self.pinned.entry(finalized.number()).or_default() += 1;
        for block in tail {
            *self.pinned_undone.entry(block.hash()).or_default() += 1;
        }
    }

    /// Takes a pin back.
    pub fn unpin(&mut self, finalized: &BlockRef, tail: &[BlockRef]) {
        if let Some(pins) = self.pinned.get_mut(&finalized.number()) {
            *pins -= 1;
        }
        self.pinned.retain(|_, pins| *pins > 0);
        for block in tail {
            if let Some(pins) = self.pinned_undone.get_mut(&block.hash()) {
                *pins -= 1;
            }
        }
        self.pinned_undone.retain(|_, pins| *pins > 0);
    }

    /// Forgets what is too old to be kept.
    pub fn settle(&mut self) -> Forgotten {
        let mut forgotten = Forgotten::default();
        let oldest = self.best().number().saturating_sub(self.states_max).min(self.finalized);
        let oldest = self.pinned.keys().next().map_or(oldest, |pinned| oldest.min(*pinned));
        while self.kept_from < oldest {
            self.kept_from += 1;
            forgotten.before.push(self.blocks[self.kept_from as usize].hash());
        }
        while self.undone.len() > self.undone_max {
            let old = self.undone.iter().position(|block| !self.pinned_undone.contains_key(&block.hash()));
            let Some(block) = old.and_then(|old| self.undone.remove(old)) else { break };
            forgotten.undone.push(block.hash());
        }
        forgotten
    }

    /// Whether the state after a block is kept; `remembers` tells whether that of an undone block still could be.
    pub fn has_state(&self, block: &BlockRef, remembers: impl Fn(H256) -> bool) -> bool {
        let mut block = block.clone();
        while !self.numbers.contains_key(&block.hash()) {
            let parent = self.by_hash(block.header.parent_hash);
            match parent.filter(|_| remembers(block.hash())) {
                Some(parent) => block = parent,
                None => return false,
            }
        }
        block.number() >= self.kept_from
    }

    /// Finality never goes back and never past the newest block.
    pub fn finalize(&mut self, number: u32) -> BlockRef {
        self.finalized = number.clamp(self.finalized, self.best().number());
        self.finalized()
    }

    fn push(&mut self, block: BlockRef) {
        self.numbers.insert(block.hash(), block.number());
        self.blocks.push(block);
    }

    fn truncate(&mut self, number: u32) -> Vec<BlockRef> {
        let undone = self.blocks.split_off(number as usize + 1);
        for block in &undone {
            self.numbers.remove(&block.hash());
            self.undone.push_back(block.clone());
        }
        undone
    }
}
