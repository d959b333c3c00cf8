//! Bytes of the real chain, as another implementation made them: keys, calls, payloads, transactions.

use localnet::runtime::{
    Runtime, RuntimeCall, TxExtension, UncheckedExtrinsic, VERSION,
    extensions::{
        ChargeTransactionPaymentWrapper, CheckNonce, CheckShieldedTxValidity, DrandPriority,
        SubtensorTransactionExtension, SudoTransactionExtension,
    },
    numbers::{NetUid, NetUidStorageIndex, TaoBalance},
    subtensor::{Alpha, BlocksSinceLastStep, Bonds, Keys, NetworksAdded, Tempo},
};
use parity_scale_codec::{Decode as _, DecodeAll as _, Encode as _};
use sp_core::H256;
use sp_runtime::{AccountId32, generic::Era};

const ALICE: &str = "d43593c715fdd31c61141abd04a99fd6822c8558854ccde39a5684e7a56da27d";
const HOTKEY: &str = "b220508024ce70b0dd91910806fbda4614701cb762f669276fe978636c4ff80c";
const TRANSFER: &str = "0503008eaf04151687736326c9fea17e25fc5287613693c912909cb226aa4794f26a48e5c0";
const GENESIS: &str = "1dc00e76a13fc48b9c932e076622c5920295afaad4fd805c284a5cf3222ce452";

fn bytes(digits: &str) -> Vec<u8> {
    hex::decode(digits).unwrap()
}

fn account(digits: &str) -> AccountId32 {
    AccountId32::new(bytes(digits).try_into().unwrap())
}

#[test]
fn storage_keys_are_those_of_the_real_chain() {
    let netuid = NetUid::new;
    let is = |key: Vec<u8>, expected: &str| assert_eq!(hex::encode(key), expected);
    is(
        Tempo::<Runtime>::hashed_key_for(netuid(1)),
        "658faa385070e074c85bf6b568cf05557641384bb339f3758acddfd7053d33170100",
    );
    is(
        NetworksAdded::<Runtime>::hashed_key_for(netuid(3)),
        "658faa385070e074c85bf6b568cf05550e30450fc4d507a846032a7fa65d9a430300",
    );
    is(
        Bonds::<Runtime>::hashed_key_for(NetUidStorageIndex::new(1), 0),
        "658faa385070e074c85bf6b568cf05555641285262b8f970e4cbaafbff8d6ab001000000",
    );
    is(
        Keys::<Runtime>::hashed_key_for(netuid(1), 0),
        "658faa385070e074c85bf6b568cf05559f99a2ce711f3a31b2fc05604c93f17901000000",
    );
    is(
        BlocksSinceLastStep::<Runtime>::hashed_key_for(netuid(7)),
        "658faa385070e074c85bf6b568cf055563f934e48e59bf9413de427605faa0240700",
    );
    is(
        Alpha::<Runtime>::hashed_key_for((account(HOTKEY), account(ALICE), netuid(1))),
        "658faa385070e074c85bf6b568cf05557261f9a8fde18018cccf70368697902fc77e0813e02296faaf999a1aa2c93d70b220508024ce70b0dd91910806fbda4614701cb762f669276fe978636c4ff80cde1e86a9a8c739864cf3cc5ec2bea59fd43593c715fdd31c61141abd04a99fd6822c8558854ccde39a5684e7a56da27d0100",
    );
}

#[test]
fn calls_of_the_real_chain_decode_to_the_same_calls_and_back_to_the_same_bytes() {
    for (name, digits) in [
        ("transfer_keep_alive", TRANSFER),
        ("transfer_allow_death", "0500008eaf04151687736326c9fea17e25fc5287613693c912909cb226aa4794f26a4804"),
        (
            "add_stake",
            "0702b220508024ce70b0dd91910806fbda4614701cb762f669276fe978636c4ff80c010000ca9a3b00000000",
        ),
        (
            "remove_stake",
            "0703b220508024ce70b0dd91910806fbda4614701cb762f669276fe978636c4ff80c01000500000000000000",
        ),
        ("burned_register", "07070100b220508024ce70b0dd91910806fbda4614701cb762f669276fe978636c4ff80c"),
        ("set_weights", "070001000800000100086400c8000000000000000000"),
        ("remark", "00001000010203"),
        ("sudo", "0c00000010deadbeef"),
    ] {
        let call = RuntimeCall::decode_all(&mut &bytes(digits)[..]).unwrap();
        assert!(format!("{call:?}").contains(name), "{call:?} is not {name}");
        assert_eq!(hex::encode(call.encode()), digits);
    }
}

fn extension(era: Era, nonce: u32) -> TxExtension {
    let tip = pallet_transaction_payment::ChargeTransactionPayment::from(TaoBalance::ZERO);
    (
        (
            frame_system::CheckNonZeroSender::new(),
            frame_system::CheckSpecVersion::new(),
            frame_system::CheckTxVersion::new(),
            frame_system::CheckGenesis::new(),
            frame_system::CheckMortality::from(era),
            CheckNonce(nonce),
            frame_system::CheckWeight::new(),
        ),
        (
            ChargeTransactionPaymentWrapper { inner: tip },
            SudoTransactionExtension,
            CheckShieldedTxValidity,
            SubtensorTransactionExtension,
            DrandPriority,
        ),
        frame_metadata_hash_extension::CheckMetadataHash::new(false),
    )
}

#[test]
fn what_is_signed_is_what_the_real_chain_signs() {
    let genesis = H256::from_slice(&bytes(GENESIS));
    let birth = H256::from_slice(&bytes("d9f2d5c7e6b387e32b3f41d7808094cc966fbbbbd4709d96471c52d9b1a2b2aa"));
    let call = RuntimeCall::decode(&mut &bytes(TRANSFER)[..]).unwrap();
    for (era, birth, nonce, payload) in [
        (
            Era::Immortal,
            genesis,
            7,
            "0503008eaf04151687736326c9fea17e25fc5287613693c912909cb226aa4794f26a48e5c0001c0000cd010000010000001dc00e76a13fc48b9c932e076622c5920295afaad4fd805c284a5cf3222ce4521dc00e76a13fc48b9c932e076622c5920295afaad4fd805c284a5cf3222ce45200",
        ),
        (
            Era::mortal(64, 66),
            birth,
            3,
            "0503008eaf04151687736326c9fea17e25fc5287613693c912909cb226aa4794f26a48e5c025000c0000cd010000010000001dc00e76a13fc48b9c932e076622c5920295afaad4fd805c284a5cf3222ce452d9f2d5c7e6b387e32b3f41d7808094cc966fbbbbd4709d96471c52d9b1a2b2aa00",
        ),
    ] {
        let versions = (VERSION.spec_version, VERSION.transaction_version);
        let implicit = (((), versions.0, versions.1, genesis, birth, (), ()), ((), (), (), (), ()), None);
        let signed = sp_runtime::generic::SignedPayload::<RuntimeCall, TxExtension>::from_raw(
            call.clone(),
            extension(era, nonce),
            implicit,
        );
        assert_eq!(hex::encode((&call, extension(era, nonce), implicit).encode()), payload);
        assert!(!signed.encode().is_empty());
    }
}

#[test]
fn signed_transactions_of_the_real_chain_decode_and_encode_to_the_same_bytes() {
    for digits in [
        "31028400d43593c715fdd31c61141abd04a99fd6822c8558854ccde39a5684e7a56da27d010102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f303132333435363738393a3b3c3d3e3f40000000000503008eaf04151687736326c9fea17e25fc5287613693c912909cb226aa4794f26a48e5c0",
        "35028400d43593c715fdd31c61141abd04a99fd6822c8558854ccde39a5684e7a56da27d010102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f303132333435363738393a3b3c3d3e3f4025002c00000503008eaf04151687736326c9fea17e25fc5287613693c912909cb226aa4794f26a48e5c0",
    ] {
        let transaction = UncheckedExtrinsic::decode_all(&mut &bytes(digits)[..]).unwrap();
        assert_eq!(hex::encode(transaction.function.encode()), TRANSFER);
        assert_eq!(hex::encode(transaction.encode()), digits);
    }
}
