//! Filling a block from the pool.

use std::collections::HashSet;

use sp_core::H256;
use sp_runtime::transaction_validity::{InvalidTransaction, TransactionValidityError};

use super::{Make, Node, ProduceError, journal::Record};
use crate::{
    chain::{Applied, Block, BlockRef, Draft, SealError},
    pool::Status,
};

/// What a draft made of the candidates.
#[derive(Default)]
struct Tried {
    included: HashSet<H256>,
    invalid: HashSet<H256>,
}

/// A block, what became of the candidates, and the candidates.
type Built = (Option<Block>, Tried, Vec<(H256, Vec<u8>)>);

impl Node {
    /// Builds the block after `parent`. If that fails the pool is as it was.
    pub(super) fn fill_block(&self, parent: &BlockRef, make: Make) -> Result<Option<BlockRef>, ProduceError> {
        let number = parent.number() + 1;
        let (sealed, tried, candidates) =
            self.build(parent, make).map_err(|source| ProduceError::Seal { number, source })?;
        if let Some(block) = &sealed
            && let Err(source) = self.store(&[Record::Block(block.into())])
        {
            self.chain.discard(block);
            return Err(ProduceError::Store { number, source });
        }
        let sealed = sealed.map(|block| self.chain.append(block));
        let mut pool = self.pool();
        for hash in tried.invalid {
            pool.ban(hash, Status::Invalid, self.clock.now_ms());
        }
        if let Some(block) = &sealed {
            for (hash, _) in candidates.iter().filter(|(hash, _)| tried.included.contains(hash)) {
                pool.include(*hash, block.number(), block.hash());
            }
        }
        Ok(sealed)
    }

    /// The block after `parent`, if there is to be one, what became of the candidates, and the candidates.
    fn build(&self, parent: &BlockRef, make: Make) -> Result<Built, SealError> {
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
        let sealed = if not_empty && tried.included.is_empty() { None } else { Some(draft.seal()?) };
        Ok((sealed, tried, candidates))
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
