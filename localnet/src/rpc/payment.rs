//! `payment_*`: what a transaction would cost.

use jsonrpsee::{
    core::RegisterMethodError,
    types::{ErrorObjectOwned, Params},
};
use pallet_transaction_payment::{FeeDetails, InclusionFee, RuntimeDispatchInfo};
use parity_scale_codec::Encode;
use serde_json::{Value, json};

use super::{Methods, chain::state_at, error::call_failed, hex_bytes::Bytes};
use crate::{node::Node, runtime::numbers::TaoBalance};

pub(super) fn register(methods: &mut Methods) -> Result<(), RegisterMethodError> {
    methods.register_blocking_method("payment_queryInfo", |params, node, _| query_info(&params, &node))?;
    methods.register_blocking_method("payment_queryFeeDetails", |params, node, _| {
        query_fee_details(&params, &node)
    })?;
    Ok(())
}

fn query_info(params: &Params<'_>, node: &Node) -> Result<Value, ErrorObjectOwned> {
    let info: RuntimeDispatchInfo<TaoBalance> = query(params, node, "TransactionPaymentApi_query_info")?;
    Ok(json!({
        "weight": { "ref_time": info.weight.ref_time(), "proof_size": info.weight.proof_size() },
        "class": info.class,
        "partialFee": info.partial_fee.to_string(),
    }))
}

fn query_fee_details(params: &Params<'_>, node: &Node) -> Result<Value, ErrorObjectOwned> {
    let details: FeeDetails<TaoBalance> = query(params, node, "TransactionPaymentApi_query_fee_details")?;
    let hex = |rao: TaoBalance| format!("{:#x}", rao.get());
    let inclusion = |fee: InclusionFee<TaoBalance>| {
        json!({
            "baseFee": hex(fee.base_fee),
            "lenFee": hex(fee.len_fee),
            "adjustedWeightFee": hex(fee.adjusted_weight_fee),
        })
    };
    Ok(json!({ "inclusionFee": details.inclusion_fee.map(inclusion) }))
}

fn query<R: parity_scale_codec::Decode>(
    params: &Params<'_>,
    node: &Node,
    method: &str,
) -> Result<R, ErrorObjectOwned> {
    let mut params = params.sequence();
    let extrinsic: Bytes = params.next()?;
    let at = state_at(node, params.optional_next()?)?;
    let mut arguments = extrinsic.0;
    let length = u32::try_from(arguments.len()).unwrap_or(u32::MAX);
    length.encode_to(&mut arguments);
    node.chain.call_decoded(&at, method, &arguments).map_err(|error| call_failed(&error))
}
