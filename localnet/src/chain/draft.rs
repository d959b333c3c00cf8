//! A block being built.

use frame_support::traits::fungible::Mutate as _;
use parity_scale_codec::{Decode, Encode};
use sp_core::H256;
use sp_runtime::{
    AccountId32, ApplyExtrinsicResult, Digest, DigestItem, DispatchError, StateVersion,
    transaction_validity::{InvalidTransaction, TransactionValidityError},
};
use thiserror::Error;

use super::{
    executor::{CallError, Executor, Overlay},
    genesis::CODE_KEY,
    history::{Block, BlockRef},
};
use crate::runtime::{
    Balances, Header, RuntimeCall, System, UncheckedExtrinsic, VERSION, numbers::TaoBalance,
    shield::envelope, upgrade::Upgrade,
};

/// Why a block could not be built.
#[derive(Debug, Error)]
pub enum SealError {
    /// The runtime failed where it must not.
    #[error("could not execute the block")]
    Execution(#[from] CallError),
    /// The state does not take what was to be written to it.
    #[error("the state does not take this change")]
    Interference,
    /// The timestamp was refused.
    #[error("the block's timestamp was refused: {0:?}")]
    Timestamp(TransactionValidityError),
    /// A transaction that was in the block before is refused.
    #[error("a transaction of the block is refused now: {0:?}")]
    Refused(TransactionValidityError),
    /// The runtime's header is not one.
    #[error("the runtime returned no header")]
    Header(#[source] parity_scale_codec::Error),
    /// The state could not be computed.
    #[error("could not compute the state: {0}")]
    State(String),
    /// The state written is not the state the header names.
    #[error("the state written has root {written}, the header says {header}")]
    RootMismatch {
        /// Root of what was written.
        written: H256,
        /// Root in the header.
        header: H256,
    },
}

/// A change of the state that no transaction could make.
#[derive(Clone, Debug, Decode, Encode, Eq, PartialEq)]
pub enum Interference {
    /// Keys and their values; no value deletes the key.
    Storage(Vec<(Vec<u8>, Option<Vec<u8>>)>),
    /// A gift out of nothing.
    Gift {
        /// Who gets it.
        to: AccountId32,
        /// How much.
        amount: TaoBalance,
    },
    /// The runtime becomes another one, from the next block on.
    Upgrade(Upgrade),
}

impl Interference {
    /// Whether it comes after the block's transactions, and not before them.
    pub fn comes_last(&self) -> bool {
        matches!(self, Self::Upgrade(_))
    }
}

/// What became of a transaction.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Applied {
    /// It is in the block; dispatch may have failed.
    Included(Result<(), DispatchError>),
    /// It cannot be in this block, and left no trace.
    Refused(TransactionValidityError),
}

/// A block whose transactions are being applied.
pub struct Draft<'a> {
    executor: &'a Executor,
    parent: BlockRef,
    overlay: Overlay,
    extrinsics: Vec<Vec<u8>>,
    interference: Option<Box<Interference>>,
}

impl<'a> Draft<'a> {
    pub(super) fn begin(executor: &'a Executor, parent: BlockRef) -> Result<Self, SealError> {
        let header = Header {
            parent_hash: parent.hash(),
            number: parent.number() + 1,
            state_root: H256::zero(),
            extrinsics_root: H256::zero(),
            digest: Digest::default(),
        };
        let mut draft = Self {
            executor,
            parent,
            overlay: Overlay::default(),
            extrinsics: Vec::new(),
            interference: None,
        };
        draft.call("Core_initialize_block", &header.encode())?;
        Ok(draft)
    }

    /// Sets the block's time, which every block must do once, first.
    pub fn set_time(&mut self, milliseconds: u64) -> Result<(), SealError> {
        let call = RuntimeCall::Timestamp(pallet_timestamp::Call::set { now: milliseconds });
        match self.apply(UncheckedExtrinsic::new_bare(call).encode())? {
            Applied::Included(_) => Ok(()),
            Applied::Refused(error) => Err(SealError::Timestamp(error)),
        }
    }

    /// Applies a transaction, encoded. The one inside a shielded one follows it at once; if it cannot, only its carrier stays.
    pub fn apply(&mut self, extrinsic: Vec<u8>) -> Result<Applied, SealError> {
        let inner = envelope::unwrap(&extrinsic);
        let applied = self.apply_one(extrinsic)?;
        if let (Applied::Included(Ok(())), Some(inner)) = (&applied, inner) {
            self.apply_one(inner)?;
        }
        Ok(applied)
    }

    fn apply_one(&mut self, extrinsic: Vec<u8>) -> Result<Applied, SealError> {
        self.overlay.start_transaction();
        let applied = match self.call("BlockBuilder_apply_extrinsic", &extrinsic) {
            Ok(result) => match ApplyExtrinsicResult::decode(&mut &result[..]).map_err(SealError::Header)? {
                Ok(outcome) => Applied::Included(outcome),
                Err(error) => Applied::Refused(error),
            },
            // What the pool let in once can still be nothing the runtime can decode.
            Err(CallError::Panicked(_)) => Applied::Refused(InvalidTransaction::Call.into()),
            Err(error) => return Err(error.into()),
        };
        let closed = if matches!(applied, Applied::Included(_)) {
            self.extrinsics.push(extrinsic);
            self.overlay.commit_transaction()
        } else {
            self.overlay.rollback_transaction()
        };
        closed.map_err(|_| SealError::State("a transaction on the state was not open".into()))?;
        Ok(applied)
    }

    /// Writes to the state directly, as no transaction can.
    pub fn interfere(&mut self, with: Interference) -> Result<(), SealError> {
        let root = self.parent.state_root();
        self.interference = Some(Box::new(with.clone()));
        let done = self.executor.run(root, &mut self.overlay, || match with {
            Interference::Storage(items) => {
                for (key, value) in items {
                    match value {
                        Some(value) => sp_io::storage::set(&key, &value),
                        None => sp_io::storage::clear(&key),
                    }
                }
                true
            }
            Interference::Gift { to, amount } => Balances::mint_into(&to, amount).is_ok(),
            Interference::Upgrade(upgrade) => {
                // As when the real chain's code is set: light clients look for the log, others for the event.
                System::deposit_log(DigestItem::RuntimeEnvironmentUpdated);
                let code = sp_crypto_hashing::blake2_256(&upgrade.encode());
                System::deposit_event(frame_system::Event::CodeUpdated { hash: code.into() });
                sp_io::storage::set(CODE_KEY, &code);
                upgrade.put();
                true
            }
        });
        match done {
            Some(true) => Ok(()),
            _ => Err(SealError::Interference),
        }
    }

    /// Executes a block that was made before, as far as it is sealed: the same transactions and the same change.
    pub fn repeat(
        &mut self,
        extrinsics: Vec<Vec<u8>>,
        interference: Option<Interference>,
    ) -> Result<(), SealError> {
        let (first, last) = match interference {
            Some(interference) if interference.comes_last() => (None, Some(interference)),
            first => (first, None),
        };
        let mut extrinsics = extrinsics.into_iter();
        // The timestamp comes before everything.
        for extrinsic in extrinsics.by_ref().take(1) {
            self.apply_again(extrinsic)?;
        }
        first.map_or(Ok(()), |interference| self.interfere(interference))?;
        for extrinsic in extrinsics {
            self.apply_again(extrinsic)?;
        }
        last.map_or(Ok(()), |interference| self.interfere(interference))
    }

    fn apply_again(&mut self, extrinsic: Vec<u8>) -> Result<(), SealError> {
        match self.apply(extrinsic)? {
            Applied::Included(_) => Ok(()),
            Applied::Refused(error) => Err(SealError::Refused(error)),
        }
    }

    /// Finishes the block and keeps the state after it.
    pub fn seal(mut self) -> Result<Block, SealError> {
        let header = self.call("BlockBuilder_finalize_block", &[])?;
        let header = Header::decode(&mut &header[..]).map_err(SealError::Header)?;
        let backend = self.executor.backend(self.parent.state_root());
        let version: StateVersion = VERSION.state_version();
        let changes = self.overlay.drain_storage_changes(&backend, version).map_err(SealError::State)?;
        if changes.transaction_storage_root != header.state_root {
            let written = changes.transaction_storage_root;
            return Err(SealError::RootMismatch { written, header: header.state_root });
        }
        let block = Block::new(header, self.extrinsics).with_interference(self.interference);
        self.executor.nodes().add(block.hash(), changes.transaction);
        Ok(block)
    }

    fn call(&mut self, method: &str, arguments: &[u8]) -> Result<Vec<u8>, CallError> {
        self.executor.call(self.parent.state_root(), &mut self.overlay, method, arguments)
    }
}
