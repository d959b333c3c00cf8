//! The MevShield pallet: transactions nobody can read before they are in a block.
//!
//! A client encrypts a signed transaction to the key in `NextKey` and submits it inside `submit_encrypted`. Whoever builds the
//! block opens it and puts the transaction inside right behind its carrier. Here every block has the same author, so the key
//! never changes: all three key items hold it from the first block on.
//!
//! Absent: keys that rotate, and the queue of stored calls (`store_encrypted`).

pub mod envelope;

pub use pallet::*;

#[frame_support::pallet]
#[allow(missing_docs, reason = "the names are the chain's own; FRAME generates items without documentation")]
pub mod pallet {
    use frame_support::{pallet_prelude::*, traits::ConstU32};
    use frame_system::pallet_prelude::*;
    use sp_runtime::traits::Hash as _;

    use super::envelope;

    /// A public key of ML-KEM-768.
    type EncKey = BoundedVec<u8, ConstU32<2048>>;

    #[pallet::pallet]
    #[pallet::without_storage_info]
    pub struct Pallet<T>(_);

    #[pallet::config]
    pub trait Config: frame_system::Config<RuntimeEvent: From<Event<Self>>> {}

    #[pallet::event]
    #[pallet::generate_deposit(pub(super) fn deposit_event)]
    pub enum Event<T: Config> {
        EncryptedSubmitted { id: T::Hash, who: T::AccountId },
    }

    #[pallet::storage]
    pub type CurrentKey<T> = StorageValue<_, EncKey, OptionQuery>;

    #[pallet::storage]
    pub type PendingKey<T> = StorageValue<_, EncKey, OptionQuery>;

    #[pallet::storage]
    pub type NextKey<T> = StorageValue<_, EncKey, OptionQuery>;

    #[pallet::call]
    impl<T: Config> Pallet<T> {
        #[pallet::call_index(1)]
        #[pallet::weight(Weight::from_parts(20_000_000, 0))]
        pub fn submit_encrypted(
            origin: OriginFor<T>,
            ciphertext: BoundedVec<u8, ConstU32<8192>>,
        ) -> DispatchResult {
            let who = ensure_signed(origin)?;
            let id = T::Hashing::hash_of(&(&who, &ciphertext));
            Self::deposit_event(Event::EncryptedSubmitted { id, who });
            Ok(())
        }
    }

    impl<T: Config> Pallet<T> {
        /// Publishes the key of this chain's only author.
        pub fn build_genesis() {
            let key: EncKey = BoundedVec::truncate_from(envelope::public_key());
            CurrentKey::<T>::put(&key);
            PendingKey::<T>::put(&key);
            NextKey::<T>::put(key);
        }
    }
}
