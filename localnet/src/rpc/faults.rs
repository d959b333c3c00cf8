//! `dev_*`: faults on request (see [`crate::faults`]).

use std::{num::NonZeroU32, sync::Arc, time::Duration};

use jsonrpsee::{
    Extensions, RpcModule,
    core::RegisterMethodError,
    types::{ErrorObjectOwned, Params},
};
use serde::Deserialize;
use serde_json::{Value, json};
use sp_core::H256;

use super::error::{bad_request, failed};
use crate::{
    faults::{FAULT_MS_MAX, Faults, fault_duration, gate::LineId},
    runtime::upgrade::{Upgrade, drift::Drift},
};

type Answer<T> = Result<T, ErrorObjectOwned>;

/// The methods.
pub(super) fn methods(faults: Arc<Faults>) -> Result<RpcModule<Faults>, RegisterMethodError> {
    let mut methods = RpcModule::from_arc(faults);
    methods.register_method("dev_dropConnections", |_, faults, extensions| {
        faults.gate.reset(asker(extensions))
    })?;
    methods.register_method("dev_silenceConnections", |_, faults, extensions| {
        faults.gate.silence(asker(extensions))
    })?;
    methods.register_async_method("dev_refuseConnections", |params, faults, _| async move {
        faults.gate.refuse(duration(&params)?).await;
        Answer::Ok(Value::Null)
    })?;
    methods.register_method("dev_muteConnections", |params, faults, _| -> Answer<Value> {
        faults.gate.mute(duration(&params)?);
        Ok(Value::Null)
    })?;
    methods.register_method("dev_delay", |params, faults, _| delay(&params, faults))?;
    methods.register_method("dev_limitRate", |params, faults, _| -> Answer<Value> {
        let per_second: Option<u32> = params.sequence().optional_next()?;
        faults.traffic.limit(per_second.and_then(NonZeroU32::new));
        Ok(Value::Null)
    })?;
    methods.register_blocking_method("dev_stallFinality", |params, faults, _| -> Answer<Value> {
        faults.node.stall_finality(params.one()?);
        Ok(Value::Null)
    })?;
    methods.register_method("dev_skewClock", |params, faults, _| -> Answer<Value> {
        faults.node.clock.skew(params.one()?);
        Ok(Value::Null)
    })?;
    methods.register_blocking_method("dev_reorganise", |params, faults, _| reorganise(&params, &faults))?;
    methods.register_blocking_method("dev_upgrade", |params, faults, _| upgrade(&params, &faults))?;
    methods.register_blocking_method("dev_heal", |_, faults, _| faults.heal())?;
    Ok(methods)
}

/// The connection that asks.
fn asker(extensions: &Extensions) -> Option<LineId> {
    extensions.get().copied()
}

fn duration(params: &Params<'_>) -> Answer<Duration> {
    let ms: u64 = params.one()?;
    fault_duration(ms).ok_or_else(too_long)
}

fn too_long() -> ErrorObjectOwned {
    bad_request(format!("a fault lasts at most {FAULT_MS_MAX} ms"))
}

/// A method (or `*`) and how much later it answers, in milliseconds; 0 ends it.
fn delay(params: &Params<'_>, faults: &Faults) -> Answer<Value> {
    let mut params = params.sequence();
    let method: String = params.next()?;
    let duration = fault_duration(params.next()?).ok_or_else(too_long)?;
    match faults.traffic.delay(&method, duration) {
        true => Ok(Value::Null),
        false => Err(bad_request("too many methods have a delay of their own; end some with 0")),
    }
}

/// How many blocks to undo, and optionally how many to put there instead.
fn reorganise(params: &Params<'_>, faults: &Faults) -> Answer<Value> {
    let mut params = params.sequence();
    let depth: u32 = params.next()?;
    let length: Option<u32> = params.optional_next()?;
    let done = faults.node.reorganise(depth, length).map_err(|error| failed(&error))?;
    let undone: Vec<H256> = done.undone.iter().map(|block| block.hash()).collect();
    Ok(json!({
        "fork": done.fork.hash(),
        "undone": undone,
        "best": done.best.hash(),
        "returned": done.returned,
    }))
}

/// What the runtime becomes: the version it has and one more unless told otherwise.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct Request {
    spec_version: Option<u32>,
    transaction_version: Option<u32>,
    drifts: Vec<Drift>,
}

fn upgrade(params: &Params<'_>, faults: &Faults) -> Answer<H256> {
    let request: Request = params.sequence().optional_next()?.unwrap_or_default();
    let now = faults.node.version().map_err(|error| failed(&error))?;
    let upgrade = Upgrade {
        spec_version: request.spec_version.unwrap_or_else(|| now.spec_version.saturating_add(1)),
        transaction_version: request.transaction_version.unwrap_or(now.transaction_version),
        drifts: request.drifts,
    };
    faults.node.upgrade(upgrade).map(|block| block.hash()).map_err(|error| failed(&error))
}
