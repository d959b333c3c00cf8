//! The one list of methods and subscriptions. The server's module, the OpenRPC document and the reference page are all made from
//! it, so that none can name what another lacks.

pub(super) mod openrpc;
pub(super) mod reference;

use std::pin::Pin;
use std::sync::Arc;

use jsonrpsee::RpcModule;
use jsonrpsee::core::{JsonRawValue, RegisterMethodError};
use jsonrpsee::types::{ErrorObjectOwned, Params};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Serialize;

use super::answers::Version;
use super::error::internal;
use super::params::{Parameters, read};
use super::state::{At, State};
use super::topics::{self, Subscription};

pub(super) type Outcome = Result<Box<JsonRawValue>, ErrorObjectOwned>;
type Answering = Pin<Box<dyn Future<Output = Outcome> + Send>>;

/// One method.
pub(super) struct Method {
    /// Its name on the wire.
    pub(super) name: &'static str,
    /// What it tells, in one or two sentences.
    pub(super) about: &'static str,
    /// Names of its parameters, in the order of a list.
    pub(super) order: &'static [&'static str],
    /// Whether the answer is `{asOf, data}`.
    pub(super) has_block: bool,
    /// The schema of its parameters as an object.
    pub(super) params: fn(&mut SchemaGenerator) -> Schema,
    /// The schema of `data`, or of the whole result.
    pub(super) result: fn(&mut SchemaGenerator) -> Schema,
    call: Arc<dyn Fn(Params<'static>, Arc<State>) -> Answering + Send + Sync>,
}

/// A method that answers `{asOf, data}` at the newest finalised block.
pub(super) fn at_chain<P, R, F, Fut>(name: &'static str, about: &'static str, answer: F) -> Method
where
    P: Parameters,
    R: Serialize + JsonSchema,
    F: Fn(P, At) -> Fut + Copy + Send + Sync + 'static,
    Fut: Future<Output = Result<R, ErrorObjectOwned>> + Send,
{
    method::<P, R>(name, about, true, move |params, state| {
        Box::pin(async move { answered(name, &params, state.at_chain(), answer).await })
    })
}

/// A method that answers `{asOf, data}` at the newest finalised block of which the market was read.
pub(super) fn at_market<P, R, F, Fut>(name: &'static str, about: &'static str, answer: F) -> Method
where
    P: Parameters,
    R: Serialize + JsonSchema,
    F: Fn(P, At) -> Fut + Copy + Send + Sync + 'static,
    Fut: Future<Output = Result<R, ErrorObjectOwned>> + Send,
{
    method::<P, R>(name, about, true, move |params, state| {
        Box::pin(async move { answered(name, &params, state.at_market()?, answer).await })
    })
}

/// The answer, or the one that is kept.
async fn answered<P, R, F, Fut>(name: &'static str, params: &Params<'static>, at: At, answer: F) -> Outcome
where
    P: Parameters,
    R: Serialize,
    F: Fn(P, At) -> Fut + Send + Sync,
    Fut: Future<Output = Result<R, ErrorObjectOwned>> + Send,
{
    let text = params.as_str().unwrap_or_default();
    let version = Version {
        block_hash: at.chain.block.hash,
        receipts: at.ledger.head().size,
        summed: at.usage.receipts(),
    };
    if let Some(data) = at.answers.get(name, text, version, at.clock.now_ms()) {
        return at.answer(&*data);
    }
    let data = answer(read(params)?, at.clone()).await?;
    let data: Arc<JsonRawValue> =
        jsonrpsee::core::to_json_raw_value(&data).map_err(|error| internal(&error))?.into();
    at.answers.put(name, text, version, at.clock.now_ms(), &data);
    at.answer(&*data)
}

/// A method about the server itself.
pub(super) fn plain<P, R, F>(name: &'static str, about: &'static str, answer: F) -> Method
where
    P: Parameters,
    R: Serialize + JsonSchema,
    F: Fn(P, &Arc<State>) -> R + Copy + Send + Sync + 'static,
{
    method::<P, R>(name, about, false, move |params, state| {
        Box::pin(async move {
            let data = answer(read(&params)?, &state);
            jsonrpsee::core::to_json_raw_value(&data).map_err(|error| internal(&error))
        })
    })
}

fn method<P: Parameters, R: JsonSchema>(
    name: &'static str,
    about: &'static str,
    has_block: bool,
    call: impl Fn(Params<'static>, Arc<State>) -> Answering + Send + Sync + 'static,
) -> Method {
    Method {
        name,
        about,
        order: P::ORDER,
        has_block,
        // Inlined, so that each parameter can be described by itself.
        params: |generator| P::json_schema(generator),
        result: |generator| generator.subschema_for::<R>(),
        call: Arc::new(call),
    }
}

/// The server's methods.
pub(super) fn module(
    state: Arc<State>,
    methods: &[Method],
    subscriptions: &[Subscription],
    document: &serde_json::Value,
) -> Result<RpcModule<Arc<State>>, RegisterMethodError> {
    let mut module = RpcModule::new(state);
    for method in methods {
        let call = Arc::clone(&method.call);
        module
            .register_async_method(method.name, move |params, state, _| call(params, Arc::clone(&state)))?;
    }
    for subscription in subscriptions {
        topics::register(&mut module, subscription)?;
    }
    let document = document.clone();
    module.register_method("rpc.discover", move |_, _, _| Ok::<_, ErrorObjectOwned>(document.clone()))?;
    let mut names: Vec<&str> = module.method_names().chain(["rpc_methods"]).collect();
    names.sort_unstable();
    let names = serde_json::json!({ "methods": names });
    module.register_method("rpc_methods", move |_, _, _| Ok::<_, ErrorObjectOwned>(names.clone()))?;
    Ok(module)
}
