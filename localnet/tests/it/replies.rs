//! Replies of the real chain's runtime APIs decode to this chain's types and back to the same bytes.
//!
//! The bytes come from the fixture `golden.json` of the bittensor 11.3.0 source distribution (Apache-2.0), spec 461.

use localnet::{
    Genesis,
    chain::Chain,
    runtime::subtensor::info::{
        NeuronInfoLite, SelectiveMetagraph, StakeInfo, SubnetHyperparams, SubnetHyperparamsV2,
    },
};
use parity_scale_codec::{Compact, Decode, DecodeAll, Encode};
use sp_runtime::AccountId32;

const NEURONS_LITE: &str = "0400000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000401000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000004000000000000000000000000000000000000000000000000000000000000000002286bee000000000000000000feff0300";
const HYPERPARAMS: &str = "0128feff0100014000feff03009101025a620213ffffffffffffff3f0091019101b115010882841e000700e876481782ee360004c8010100025a620204019a990300cecc020000";
const STAKE_INFO: &str = "01b220508024ce70b0dd91910806fbda4614701cb762f669276fe978636c4ff80cd43593c715fdd31c61141abd04a99fd6822c8558854ccde39a5684e7a56da27d04000000000000";

fn reply<T: DecodeAll + Encode>(digits: &str) -> T {
    let bytes = hex::decode(digits).unwrap();
    let value = T::decode_all(&mut &bytes[..]).unwrap();
    assert_eq!(hex::encode(value.encode()), digits);
    value
}

#[test]
fn neurons_hyperparameters_and_stakes_have_the_bytes_of_the_real_chain() {
    let neurons: Vec<NeuronInfoLite<AccountId32>> = reply(NEURONS_LITE);
    assert_eq!((neurons.len(), neurons[0].pruning_score), (1, Compact(u16::MAX)));
    let stake: Option<StakeInfo<AccountId32>> = reply(STAKE_INFO);
    assert!(!stake.unwrap().is_registered);
    let values: SubnetHyperparams = reply::<Option<SubnetHyperparams>>(HYPERPARAMS).unwrap();
    // 13889 thousandths of a tempo of 100 blocks.
    assert_eq!((values.tempo, values.activity_cutoff), (Compact(100), Compact(1388)));
    assert_eq!((values.alpha_high, values.alpha_low), (Compact(58982), Compact(45875)));
}

fn ask<T: Decode>(method: &str, arguments: impl Encode) -> T {
    let chain = Chain::from_genesis(&Genesis::default()).unwrap();
    chain.call_decoded(&chain.best(), method, &arguments.encode()).unwrap()
}

#[test]
fn the_second_shape_of_the_hyperparameters_begins_with_the_first() {
    let first: SubnetHyperparams =
        ask::<Option<_>>("SubnetInfoRuntimeApi_get_subnet_hyperparams", 64u16).unwrap();
    let second: SubnetHyperparamsV2 =
        ask::<Option<_>>("SubnetInfoRuntimeApi_get_subnet_hyperparams_v2", 64u16).unwrap();
    assert!(second.encode().starts_with(&first.encode()));
    assert!(second.subnet_is_active && !second.user_liquidity_enabled);
}

#[test]
fn a_selective_metagraph_has_the_fields_asked_for_and_no_others() {
    let method = "SubnetInfoRuntimeApi_get_selective_metagraph";
    let graph: SelectiveMetagraph<AccountId32> =
        ask::<Option<_>>(method, (64u16, vec![8u16, 72, 73])).unwrap();
    assert_eq!(graph.tempo, Some(Compact(20)));
    assert_eq!((graph.validators, graph.commitments), (Some(Vec::new()), Some(Vec::new())));
    assert_eq!((graph.name, graph.hotkeys, graph.collateral_earned), (None, None, None));
    let too_many: Option<SelectiveMetagraph<AccountId32>> = ask(method, (64u16, vec![0u16; 78]));
    assert!(too_many.is_none());
    let nowhere: Option<SelectiveMetagraph<AccountId32>> = ask(method, (65u16, vec![0u16]));
    assert!(nowhere.is_none());
}
