//! The Drand pallet: the beacon's pulses, by round.
//!
//! On the real chain an offchain worker copies quicknet's pulses. Here the chain is the beacon itself ([`crate::beacon`]): when
//! a block's time is set, every round due by then is signed and stored. A jump in time can make very many rounds due at
//! once; then the newest are signed, and of the others those that something on chain waits for.
//!
//! The pallet has no calls: nobody brings pulses from outside. `dev_setStorage` can put one of quicknet into `Pulses`.

mod types;

pub use pallet::*;
pub use types::{BeaconConfiguration, Metadata, Pulse};

#[frame_support::pallet]
#[allow(missing_docs, reason = "the names are the chain's own; FRAME generates items without documentation")]
pub mod pallet {
    use std::collections::BTreeSet;

    use frame_support::{pallet_prelude::*, traits::OnTimestampSet};
    use sp_crypto_hashing::sha2_256;

    use super::types::{BeaconConfiguration, Pulse, Quicknet};
    use crate::beacon::{BeaconKey, round_at};

    /// Rounds signed in one block whether anything waits for them or not.
    const ROUNDS_PER_BLOCK_MAX: u64 = 50;
    /// Rounds whose pulses are kept, as on the real chain.
    const ROUNDS_KEPT_MAX: u64 = 216_000;

    #[pallet::pallet]
    #[pallet::without_storage_info]
    pub struct Pallet<T>(_);

    #[pallet::config]
    pub trait Config: frame_system::Config<RuntimeEvent: From<Event<Self>>> {
        /// What the beacon's key is derived from.
        type Seed: Get<[u8; 32]>;
        /// Rounds that something on chain waits for.
        type AwaitedRounds: Get<BTreeSet<u64>>;
    }

    #[pallet::event]
    #[pallet::generate_deposit(pub(super) fn deposit_event)]
    pub enum Event<T: Config> {
        BeaconConfigChanged,
        NewPulse { rounds: Vec<u64> },
        SetOldestStoredRound(u64),
    }

    #[pallet::error]
    pub enum Error<T> {
        NoneValue,
        StorageOverflow,
        DrandConnectionFailure,
        UnverifiedPulse,
        InvalidRoundNumber,
        PulseVerificationError,
    }

    #[pallet::storage]
    pub type BeaconConfig<T> = StorageValue<_, BeaconConfiguration, ValueQuery, Quicknet>;

    #[pallet::storage]
    pub type Pulses<T> = StorageMap<_, Blake2_128Concat, u64, Pulse, OptionQuery>;

    #[pallet::storage]
    pub type LastStoredRound<T> = StorageValue<_, u64, ValueQuery>;

    #[pallet::storage]
    pub type OldestStoredRound<T> = StorageValue<_, u64, ValueQuery>;

    impl<T: Config> Pallet<T> {
        /// Writes the beacon's public description.
        pub fn build_genesis(period_s: u32) {
            let public = BeaconKey::from_seed(&T::Seed::get()).public();
            BeaconConfig::<T>::put(BeaconConfiguration::of(public, period_s));
        }

        fn publish_until(time_s: u64) {
            let beacon = BeaconConfig::<T>::get();
            let newest = round_at(time_s, beacon.genesis_time, beacon.period);
            let last = LastStoredRound::<T>::get();
            if newest <= last {
                return;
            }
            // The beacon is years older than the chain: its first pulse here is the newest.
            let first = if last == 0 { newest } else { last + 1 };
            let from = first.max(newest.saturating_sub(ROUNDS_PER_BLOCK_MAX - 1));
            let mut rounds = if from > first { T::AwaitedRounds::get() } else { BTreeSet::new() };
            rounds.retain(|round| (first..from).contains(round));
            rounds.extend(from..=newest);

            let key = BeaconKey::from_seed(&T::Seed::get());
            for round in &rounds {
                Pulses::<T>::insert(round, pulse(&key, *round));
            }
            LastStoredRound::<T>::put(newest);
            if last == 0 {
                OldestStoredRound::<T>::put(newest);
            }
            Self::forget_the_oldest(newest);
            Self::deposit_event(Event::NewPulse { rounds: rounds.into_iter().collect() });
        }

        fn forget_the_oldest(newest: u64) {
            let oldest = OldestStoredRound::<T>::get();
            let kept_from = newest.saturating_sub(ROUNDS_KEPT_MAX - 1);
            // Twice as fast as pulses come, so that it catches up after a jump in time.
            let until = kept_from.min(oldest + 2 * ROUNDS_PER_BLOCK_MAX);
            if oldest < until {
                (oldest..until).for_each(Pulses::<T>::remove);
                OldestStoredRound::<T>::put(until);
            }
        }
    }

    impl<T: Config> OnTimestampSet<u64> for Pallet<T> {
        fn on_timestamp_set(time_ms: u64) {
            Self::publish_until(time_ms / 1_000);
        }
    }

    fn pulse(key: &BeaconKey, round: u64) -> Pulse {
        let signature = key.sign(round);
        Pulse {
            round,
            randomness: sha2_256(&signature).to_vec().try_into().expect("a hash has 32 bytes"),
            signature: signature.to_vec().try_into().expect("a signature has 48 bytes"),
        }
    }
}
