//! Filling a block from the pool.

use std::collections::HashSet;

use sp_core::H256;
use sp_runtime::transaction_validity::{InvalidTransaction, TransactionValidityError};

use super::{Make, Node};
use crate::{
    chain::{Applied, BlockRef, Draft, SealError},
    pool::Status,
};

/// What a draft made of the candidates.
#[derive(Default)]
struct Tried {
    included: HashSet<H256>,
    invalid: HashSet<H256>,
}

impl Node {
    /// Builds the block after `parent`. If that fails the pool is as it was.
    pub(super) fn fill_block(&self, parent: &BlockRef, make: Make) -> Result<Option<BlockRef>, SealError> {
        let candidates = self.pool().candidates();
        let mut draft = self.chain.draft(parent)?;
        draft.set_time(self.clock.next_ms())?;
        let not_empty = matches!(make, Make::NotEmpty);
        let interference = match make {
            Make::With(interference) => Some(interference),
            Make::Any | Make::NotEmpty => None,
        };
        let (first, last) = match interference {
            Some(interference) if interference.comes_last() => (None, Some(interference)),
            first => (first, None),
        };
        if let Some(interference) = first {
            draft.interfere(interference)?;
        }
        let tried = try_all(&mut draft, &candidates)?;
        if let Some(interference) = last {
            draft.interfere(interference)?;
        }
        let sealed = if not_empty && tried.included.is_empty() {
            None
        } else {
            Some(self.chain.append(draft.seal()?))
        };
        let mut pool = self.pool();
        for hash in tried.invalid {
            pool.remove(hash, Status::Invalid);
        }
        if let Some(block) = &sealed {
            for (hash, _) in candidates.iter().filter(|(hash, _)| tried.included.contains(hash)) {
                pool.include(*hash, block.number(), block.hash());
            }
        }
        Ok(sealed)
    }
}

/// Applies candidates until a round adds none: one that waits for another finds it applied in the next round.
fn try_all(draft: &mut Draft<'_>, candidates: &[(H256, Vec<u8>)]) -> Result<Tried, SealError> {
    let mut tried = Tried::default();
    loop {
        let before = tried.included.len();
        for (hash, bytes) in candidates {
            if tried.included.contains(hash) || tried.invalid.contains(hash) {
                continue;
            }
            match draft.apply(bytes.clone())? {
                Applied::Included(_) => {
                    tried.included.insert(*hash);
                }
                Applied::Refused(error) if is_for_later(error) => {}
                Applied::Refused(_) => {
                    tried.invalid.insert(*hash);
                }
            }
        }
        if tried.included.len() == before || tried.included.len() == candidates.len() {
            return Ok(tried);
        }
    }
}

/// Whether a later block may take what this one refuses: the nonce is not due, or the block is full.
fn is_for_later(error: TransactionValidityError) -> bool {
    matches!(
        error,
        TransactionValidityError::Invalid(InvalidTransaction::Future | InvalidTransaction::ExhaustsResources)
    )
}
