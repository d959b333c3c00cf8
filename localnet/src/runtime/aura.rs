//! The Aura pallet as far as clients read it: the slot duration and the (single) authority. This chain does not run Aura.

pub use pallet::*;

#[frame_support::pallet]
#[allow(missing_docs, reason = "the names are the chain's own; FRAME generates items without documentation")]
pub mod pallet {
    use frame_support::pallet_prelude::*;

    #[pallet::pallet]
    #[pallet::without_storage_info]
    pub struct Pallet<T>(_);

    #[pallet::config]
    pub trait Config: frame_system::Config {
        /// Milliseconds between two blocks.
        #[pallet::constant]
        type SlotDuration: Get<u64>;
    }
}
