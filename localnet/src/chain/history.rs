//! The blocks, from genesis on.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
};

use parity_scale_codec::Encode;
use sp_core::H256;
use thiserror::Error;

use crate::runtime::Header;

/// A block that was sealed.
#[derive(Clone, Debug)]
pub struct Block {
    /// Its header.
    pub header: Header,
    /// Its transactions, encoded, the timestamp first.
    pub extrinsics: Vec<Vec<u8>>,
    hash: H256,
}

/// A block, shared.
pub type BlockRef = Arc<Block>;

impl Block {
    /// A block of a header and encoded transactions.
    pub fn new(header: Header, extrinsics: Vec<Vec<u8>>) -> Self {
        let hash = H256(sp_crypto_hashing::blake2_256(&header.encode()));
        Self { header, extrinsics, hash }
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
    pub fn new(genesis: Block, undone_max: usize) -> Self {
        let numbers = HashMap::from([(genesis.hash(), 0)]);
        Self { blocks: vec![Arc::new(genesis)], numbers, finalized: 0, undone: VecDeque::new(), undone_max }
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
        tail.iter().for_each(|block| self.push(block.clone()));
        Ok(())
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
        while self.undone.len() > self.undone_max {
            self.undone.pop_front();
        }
        undone
    }
}
