//! The blocks, from genesis on.

use std::{collections::HashMap, sync::Arc};

use parity_scale_codec::Encode;
use sp_core::H256;

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

/// Every block, by number and by hash.
pub(super) struct History {
    blocks: Vec<BlockRef>,
    numbers: HashMap<H256, u32>,
    finalized: u32,
}

impl History {
    pub fn new(genesis: Block) -> Self {
        let numbers = HashMap::from([(genesis.hash(), 0)]);
        Self { blocks: vec![Arc::new(genesis)], numbers, finalized: 0 }
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

    pub fn by_hash(&self, hash: H256) -> Option<BlockRef> {
        self.by_number(*self.numbers.get(&hash)?)
    }

    pub fn append(&mut self, block: Block) -> BlockRef {
        let block = Arc::new(block);
        self.numbers.insert(block.hash(), block.number());
        self.blocks.push(block.clone());
        block
    }

    /// Finality never goes back and never past the newest block.
    pub fn finalize(&mut self, number: u32) -> BlockRef {
        self.finalized = number.clamp(self.finalized, self.best().number());
        self.finalized()
    }
}
