//! Starting: at genesis, or where the chain on disk was left.

use std::{
    path::Path,
    sync::{Mutex, atomic::AtomicBool},
};

use parity_scale_codec::Decode as _;
use thiserror::Error;
use tokio::sync::watch;

use super::{
    Heads, Node,
    journal::{Journal, JournalError, StoredBlock},
};
use crate::{
    chain::{Chain, GenesisError, SealError},
    config::{Blocks, Config},
    pool::Pool,
    time::Clock,
};

/// What was found on disk.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Recovered {
    /// Blocks after genesis.
    pub blocks: u32,
    /// Bytes that a crash left at the end, which were cut off.
    pub cut_bytes: u64,
}

/// Why a node did not start.
#[derive(Debug, Error)]
pub enum OpenError {
    /// The configuration makes no chain.
    #[error("could not build the genesis block")]
    Genesis(#[from] GenesisError),
    /// The chain on disk cannot be used.
    #[error("could not open the chain on disk")]
    Journal(#[from] JournalError),
    /// A block on disk cannot be executed again.
    #[error(
        "could not execute block {number} of the chain on disk again; the rules of this build may be others. Choose another folder, or remove it"
    )]
    Repeat {
        /// Its number.
        number: u32,
        /// Why.
        #[source]
        source: SealError,
    },
    /// A block on disk was executed with another result.
    #[error(
        "block {number} of the chain on disk has another result in this build; its rules are others. Choose another folder, or remove it"
    )]
    Diverged {
        /// Its number.
        number: u32,
    },
}

impl Node {
    /// A node at genesis, or where the chain in the configured folder was left. Executes every block found there.
    pub fn new(config: &Config) -> Result<Self, OpenError> {
        let chain = Chain::new(&config.genesis, &config.limits)?;
        let clock = Clock::new(match config.blocks {
            // Blocks that do not come by the clock pass their slot's time, which is what clients and the beacon count on.
            Blocks::Instant | Blocks::Manual => config.genesis.slot_duration_ms,
            Blocks::Interval { .. } => 1,
        });
        let (journal, recovered) = match &config.data {
            Some(folder) => {
                let (journal, recovered) = recover(&chain, folder)?;
                (Some(journal), recovered)
            }
            None => (None, Recovered::default()),
        };
        clock.saw(timestamp(&chain));
        let best = chain.best().number();
        let finalized = chain.finalize(best.saturating_sub(config.finality.lag_blocks)).number();
        Ok(Self {
            chain,
            chain_name: config.genesis.chain_name.clone(),
            clock,
            limits: config.limits,
            blocks: config.blocks,
            finality: config.finality,
            pool: Mutex::new(Pool::new(&config.limits)),
            making: Mutex::new(()),
            heads: watch::Sender::new(Heads { best, finalized, branches: 0 }),
            finality_stalled: AtomicBool::new(false),
            snapshots: Mutex::default(),
            journal: Mutex::new(journal),
            recovered,
        })
    }
}

/// Executes the blocks in a folder on top of genesis.
fn recover(chain: &Chain, folder: &Path) -> Result<(Journal, Recovered), OpenError> {
    let opened = Journal::open(folder, chain.best().hash())?;
    if opened.cut_bytes > 0 {
        tracing::warn!(bytes = opened.cut_bytes, "cut off what a crash left at the end of the chain on disk");
    }
    for StoredBlock { header, extrinsics, interference } in opened.blocks {
        let number = header.number;
        let failed = |source| OpenError::Repeat { number, source };
        let parent = chain.best();
        if header.parent_hash != parent.hash() {
            return Err(OpenError::Diverged { number });
        }
        let mut draft = chain.draft(&parent).map_err(failed)?;
        draft.repeat(extrinsics, interference).map_err(failed)?;
        let block = draft.seal().map_err(failed)?;
        if block.header != header {
            return Err(OpenError::Diverged { number });
        }
        chain.append(block);
        // Old states are forgotten only when they are final.
        chain.finalize(number.saturating_sub(1));
    }
    let recovered = Recovered { blocks: chain.best().number(), cut_bytes: opened.cut_bytes };
    Ok((opened.journal, recovered))
}

/// Time of the newest block, in milliseconds; 0 at genesis.
fn timestamp(chain: &Chain) -> u64 {
    let key = [sp_crypto_hashing::twox_128(b"Timestamp"), sp_crypto_hashing::twox_128(b"Now")].concat();
    chain.storage(&chain.best(), &key).and_then(|value| u64::decode(&mut &value[..]).ok()).unwrap_or_default()
}
