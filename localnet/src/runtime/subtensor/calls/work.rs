//! Registration by proof of work: `pow_register`, a call of the runtime after the pinned one, which the SDK of that runtime
//! uses. It costs neither a fee nor the burn.

use frame_support::{dispatch::DispatchResult, ensure};
use frame_system::pallet_prelude::BlockNumberFor;
use parity_scale_codec::Encode as _;
use sp_core::{H256, U256};
use sp_crypto_hashing::{keccak_256, sha2_256};
use sp_runtime::{AccountId32, traits::UniqueSaturatedFrom as _};

use crate::runtime::{
    numbers::NetUid,
    subtensor::{
        Config, Difficulty, Error, Event, LastPowRegistrationBlock, MaxAllowedUids, MaxRegistrationsPerBlock,
        NetworkPowRegistrationAllowed, NetworkRegistrationAllowed, NetworksAdded, Owner, Pallet,
        RegistrationsThisBlock, Uids,
    },
};

/// What every sealed message begins with.
const DOMAIN: &[u8; 25] = b"subtensor-pow-register-v1";
/// Blocks that may have passed since the one the work was done on.
const WORK_AGE_BLOCKS_MAX: u64 = 5;

/// A proof of work.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Work {
    /// The block it was done on.
    pub block: u64,
    pub nonce: u64,
    pub seal: [u8; 32],
}

impl<T: Config> Pallet<T> {
    pub(crate) fn do_pow_register(
        coldkey: &AccountId32,
        netuid: NetUid,
        hotkey: &AccountId32,
        work: Work,
    ) -> DispatchResult {
        Self::check_pow_register(coldkey, netuid, hotkey, work)?;
        let place = Self::place_for_newcomer(netuid).ok_or(Error::<T>::NoNeuronIdAvailable)?;
        Self::associate(coldkey, hotkey);
        let uid = Self::seat(netuid, hotkey, place);
        LastPowRegistrationBlock::<T>::insert(hotkey, work.block);
        RegistrationsThisBlock::<T>::mutate(netuid, |count| *count = count.saturating_add(1));
        Self::deposit_event(Event::NeuronRegistered(netuid, uid, hotkey.clone()));
        Ok(())
    }

    /// Whether the work admits the hotkey; the pool of transactions asks the same.
    pub(crate) fn check_pow_register(
        coldkey: &AccountId32,
        netuid: NetUid,
        hotkey: &AccountId32,
        work: Work,
    ) -> Result<(), Error<T>> {
        ensure!(!netuid.is_root(), Error::<T>::RegistrationNotPermittedOnRootSubnet);
        ensure!(NetworksAdded::<T>::get(netuid), Error::<T>::SubnetNotExists);
        let allowed =
            NetworkRegistrationAllowed::<T>::get(netuid) && NetworkPowRegistrationAllowed::<T>::get(netuid);
        ensure!(allowed, Error::<T>::SubNetRegistrationDisabled);
        ensure!(!Uids::<T>::contains_key(netuid, hotkey), Error::<T>::HotKeyAlreadyRegisteredInSubNet);
        ensure!(MaxAllowedUids::<T>::get(netuid) != 0, Error::<T>::NoNeuronIdAvailable);
        let few = RegistrationsThisBlock::<T>::get(netuid) < MaxRegistrationsPerBlock::<T>::get(netuid);
        ensure!(few, Error::<T>::TooManyRegistrationsThisBlock);

        let now = Self::block();
        let recent = work.block < now && now - work.block <= WORK_AGE_BLOCKS_MAX;
        ensure!(recent, Error::<T>::InvalidWorkBlock);
        let newer = LastPowRegistrationBlock::<T>::get(hotkey).is_none_or(|last| work.block > last);
        ensure!(newer, Error::<T>::InvalidWorkBlock);
        let number = BlockNumberFor::<T>::unique_saturated_from(work.block);
        let block_hash = H256::from_slice(frame_system::Pallet::<T>::block_hash(number).as_ref());
        ensure!(!block_hash.is_zero(), Error::<T>::InvalidWorkBlock);
        let seal = seal(&Challenge { netuid, block_hash, hotkey, coldkey }, work.nonce);
        ensure!(seal == work.seal, Error::<T>::InvalidSeal);
        ensure!(meets(&seal, Difficulty::<T>::get(netuid)), Error::<T>::InvalidDifficulty);
        let owner = Owner::<T>::try_get(hotkey).map_or(true, |owner| owner == *coldkey);
        ensure!(owner, Error::<T>::NonAssociatedColdKey);
        Ok(())
    }
}

/// What the work is done on.
#[derive(Clone, Copy, Debug)]
pub struct Challenge<'a> {
    /// The subnet.
    pub netuid: NetUid,
    /// Hash of a recent block.
    pub block_hash: H256,
    /// Who registers.
    pub hotkey: &'a AccountId32,
    /// Who signs.
    pub coldkey: &'a AccountId32,
}

/// The seal of a challenge with a nonce: Keccak-256 of SHA-256.
pub fn seal(challenge: &Challenge<'_>, nonce: u64) -> [u8; 32] {
    let mut message = DOMAIN.to_vec();
    challenge.netuid.get().encode_to(&mut message);
    message.extend_from_slice(challenge.block_hash.as_bytes());
    challenge.hotkey.encode_to(&mut message);
    challenge.coldkey.encode_to(&mut message);
    nonce.encode_to(&mut message);
    keccak_256(&sha2_256(&message))
}

/// Whether a seal is small enough: as a little-endian number its product with the difficulty fits 256 bits.
pub fn meets(seal: &[u8; 32], difficulty: u64) -> bool {
    U256::from_little_endian(seal).checked_mul(U256::from(difficulty.max(1))).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Vectors of the SDK's own miner (`bittensor-core`, `src/pow/mod.rs`).
    #[test]
    fn seals_are_those_of_the_sdks_miner() {
        let (hotkey, coldkey) = (AccountId32::new([2; 32]), AccountId32::new([3; 32]));
        let challenge = Challenge {
            netuid: NetUid::new(1),
            block_hash: H256([1; 32]),
            hotkey: &hotkey,
            coldkey: &coldkey,
        };
        for (nonce, expected) in [
            (0, "7cdaced691a70795a7656ad9b76ef2c16b961686a14a790bcb22eed6226ef103"),
            (1, "c2291b632879447b6fe0785b0f25b5151c85a7e07df23a7860cf029e8a03f466"),
            (u64::MAX, "69f1aef50783893195365b4fb62a4745085c31fee525a0984bc20301ab377aaf"),
        ] {
            assert_eq!(hex::encode(seal(&challenge, nonce)), expected);
        }
    }

    #[test]
    fn a_difficulty_is_met_by_small_little_endian_numbers() {
        let mut small = [0u8; 32];
        small[31] = 1;
        assert!(meets(&small, 255) && !meets(&small, 256));
        assert!(meets(&[0xff; 32], 0) && !meets(&[0xff; 32], 2));
    }
}
