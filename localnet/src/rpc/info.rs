//! The chain's own methods: `neuronInfo_*`, `subnetInfo_*`, `delegateInfo_*`, `stakeInfo_*` and `swap_*`.
//!
//! Each is a runtime API under an older name. Answers are the API's SCALE bytes as a JSON array, or a plain number where the
//! real node gives one. Every method takes the hash of a block as one more parameter. Names, parameters and answers are those
//! of subtensor's `pallets/subtensor/rpc` and `pallets/swap/rpc`. Methods whose runtime API this chain lacks do not exist.

use std::sync::Arc;

use jsonrpsee::{
    core::RegisterMethodError,
    types::{ErrorObject, ErrorObjectOwned, Params, params::ParamsSequence},
};
use parity_scale_codec::{Decode, Encode};
use serde_json::{Value, json};
use sp_core::H256;
use sp_runtime::AccountId32;

use super::{Methods, chain::state_at};
use crate::{chain::CallError, node::Node};

/// Code of the error when the runtime API fails.
const RUNTIME_ERROR: i32 = 1;

/// A parameter.
#[derive(Clone, Copy)]
enum Parameter {
    /// A netuid, a uid: two bytes.
    U16,
    /// A mechanism.
    U8,
    /// An amount.
    U64,
    /// An account by its address.
    Account,
    /// An account by its bytes, as a JSON array.
    AccountBytes,
    /// Indexes of a metagraph's columns.
    Indexes,
}

/// What becomes of the API's bytes.
#[derive(Clone, Copy)]
enum Answer {
    /// They are the answer.
    Bytes,
    /// They are a number.
    Number,
    /// They are a netuid, or nothing.
    MaybeNetuid,
}

/// A method and the runtime API behind it.
struct Info {
    method: &'static str,
    api: &'static str,
    parameters: &'static [Parameter],
    answer: Answer,
}

use Answer::{Bytes, MaybeNetuid, Number};
use Parameter::{Account, AccountBytes, Indexes, U8, U16, U64};

const fn info(
    method: &'static str,
    api: &'static str,
    parameters: &'static [Parameter],
    answer: Answer,
) -> Info {
    Info { method, api, parameters, answer }
}

const INFOS: &[Info] = &[
    info("delegateInfo_getDelegates", "DelegateInfoRuntimeApi_get_delegates", &[], Bytes),
    info("delegateInfo_getDelegate", "DelegateInfoRuntimeApi_get_delegate", &[AccountBytes], Bytes),
    info("delegateInfo_getDelegated", "DelegateInfoRuntimeApi_get_delegated", &[AccountBytes], Bytes),
    info("neuronInfo_getNeuronsLite", "NeuronInfoRuntimeApi_get_neurons_lite", &[U16], Bytes),
    info("neuronInfo_getNeuronLite", "NeuronInfoRuntimeApi_get_neuron_lite", &[U16, U16], Bytes),
    info("neuronInfo_getNeurons", "NeuronInfoRuntimeApi_get_neurons", &[U16], Bytes),
    info("neuronInfo_getNeuron", "NeuronInfoRuntimeApi_get_neuron", &[U16, U16], Bytes),
    info("subnetInfo_getSubnetInfo", "SubnetInfoRuntimeApi_get_subnet_info", &[U16], Bytes),
    info("subnetInfo_getSubnetsInfo", "SubnetInfoRuntimeApi_get_subnets_info", &[], Bytes),
    info("subnetInfo_getSubnetInfo_v2", "SubnetInfoRuntimeApi_get_subnet_info_v2", &[U16], Bytes),
    info("subnetInfo_getSubnetsInfo_v2", "SubnetInfoRuntimeApi_get_subnets_info_v2", &[], Bytes),
    info("subnetInfo_getSubnetHyperparams", "SubnetInfoRuntimeApi_get_subnet_hyperparams", &[U16], Bytes),
    info(
        "subnetInfo_getSubnetHyperparamsV2",
        "SubnetInfoRuntimeApi_get_subnet_hyperparams_v2",
        &[U16],
        Bytes,
    ),
    info("subnetInfo_getAllDynamicInfo", "SubnetInfoRuntimeApi_get_all_dynamic_info", &[], Bytes),
    info("subnetInfo_getDynamicInfo", "SubnetInfoRuntimeApi_get_dynamic_info", &[U16], Bytes),
    info("subnetInfo_getAllMetagraphs", "SubnetInfoRuntimeApi_get_all_metagraphs", &[], Bytes),
    info("subnetInfo_getMetagraph", "SubnetInfoRuntimeApi_get_metagraph", &[U16], Bytes),
    info("subnetInfo_getAllMechagraphs", "SubnetInfoRuntimeApi_get_all_mechagraphs", &[], Bytes),
    info("subnetInfo_getMechagraph", "SubnetInfoRuntimeApi_get_mechagraph", &[U16, U8], Bytes),
    info("subnetInfo_getSubnetState", "SubnetInfoRuntimeApi_get_subnet_state", &[U16], Bytes),
    info("subnetInfo_getBlockEmission", "SubnetInfoRuntimeApi_get_block_emission", &[], Number),
    info("subnetInfo_getLockCost", "SubnetRegistrationRuntimeApi_get_network_registration_cost", &[], Number),
    info(
        "subnetInfo_getSelectiveMetagraph",
        "SubnetInfoRuntimeApi_get_selective_metagraph",
        &[U16, Indexes],
        Bytes,
    ),
    info(
        "subnetInfo_getSelectiveMechagraph",
        "SubnetInfoRuntimeApi_get_selective_mechagraph",
        &[U16, U8, Indexes],
        Bytes,
    ),
    info(
        "subnetInfo_getColdkeyAutoStakeHotkey",
        "SubnetInfoRuntimeApi_get_coldkey_auto_stake_hotkey",
        &[Account, U16],
        Bytes,
    ),
    info("subnetInfo_getSubnetToPrune", "SubnetInfoRuntimeApi_get_subnet_to_prune", &[], MaybeNetuid),
    info("subnetInfo_getSubnetAccountId", "SubnetInfoRuntimeApi_get_subnet_account_id", &[U16], Bytes),
    info("stakeInfo_getColdkeyLock", "StakeInfoRuntimeApi_get_coldkey_lock", &[Account, U16], Bytes),
    info("swap_currentAlphaPrice", "SwapRuntimeApi_current_alpha_price", &[U16], Number),
    info("swap_currentAlphaPriceAll", "SwapRuntimeApi_current_alpha_price_all", &[], Bytes),
    info("swap_simSwapTaoForAlpha", "SwapRuntimeApi_sim_swap_tao_for_alpha", &[U16, U64], Bytes),
    info("swap_simSwapAlphaForTao", "SwapRuntimeApi_sim_swap_alpha_for_tao", &[U16, U64], Bytes),
];

/// Registers the methods whose runtime API there is.
pub(super) fn register(methods: &mut Methods, node: &Node) -> Result<(), RegisterMethodError> {
    let genesis = node.chain.best();
    for info in INFOS {
        // Without arguments most fail; only one that is missing says so.
        if matches!(node.chain.call(&genesis, info.api, &[]), Err(CallError::NoSuchMethod(_))) {
            continue;
        }
        methods.register_blocking_method(info.method, |params, node, _| answer(info, &params, &node))?;
    }
    Ok(())
}

fn answer(info: &Info, params: &Params<'_>, node: &Arc<Node>) -> Result<Value, ErrorObjectOwned> {
    let mut params = params.sequence();
    let mut arguments = Vec::new();
    for parameter in info.parameters {
        encode(*parameter, &mut params, &mut arguments)?;
    }
    let at: Option<H256> = params.optional_next()?;
    let at = state_at(node, at)?;
    let failed = |error: &dyn std::fmt::Display| {
        ErrorObject::owned(RUNTIME_ERROR, format!("Unable to call {}: {error}", info.api), None::<()>)
    };
    let bytes = node.chain.call(&at, info.api, &arguments).map_err(|error| failed(&error))?;
    Ok(match info.answer {
        Bytes => json!(bytes),
        Number => json!(u64::decode(&mut &bytes[..]).map_err(|error| failed(&error))?),
        MaybeNetuid => json!(Option::<u16>::decode(&mut &bytes[..]).map_err(|error| failed(&error))?),
    })
}

/// Reads a parameter and adds it to the arguments.
fn encode(
    parameter: Parameter,
    params: &mut ParamsSequence<'_>,
    arguments: &mut Vec<u8>,
) -> Result<(), ErrorObjectOwned> {
    match parameter {
        U16 => params.next::<u16>()?.encode_to(arguments),
        U8 => params.next::<u8>()?.encode_to(arguments),
        U64 => params.next::<u64>()?.encode_to(arguments),
        Account => params.next::<AccountId32>()?.encode_to(arguments),
        AccountBytes => params.next::<[u8; 32]>()?.encode_to(arguments),
        Indexes => params.next::<Vec<u16>>()?.encode_to(arguments),
    }
    Ok(())
}
