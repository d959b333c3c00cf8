//! The JSON-RPC surface: what subxt, the Python clients and polkadot.js call, under all the names they call it by.
//!
//! Methods that run the runtime are registered as blocking, so that they never hold up the server. `rpc_methods` lists
//! exactly what is registered; the new `chainHead` and `archive` groups are not, so clients choose the older ones.

mod author;
mod chain;
mod dev;
mod error;
mod faults;
mod follow;
mod hex_bytes;
mod info;
mod payment;
mod state;
mod system;

use std::sync::Arc;

use jsonrpsee::{RpcModule, core::RegisterMethodError};
use serde_json::json;

use crate::{faults::Faults, node::Node};

/// A set of methods around the node.
type Methods = RpcModule<Node>;

/// Every method.
pub(crate) fn methods(node: Arc<Node>, faults: Arc<Faults>) -> Result<RpcModule<Node>, RegisterMethodError> {
    let mut methods = RpcModule::from_arc(node.clone());
    author::register(&mut methods)?;
    chain::register(&mut methods)?;
    dev::register(&mut methods)?;
    info::register(&mut methods, &node)?;
    payment::register(&mut methods)?;
    state::register(&mut methods)?;
    system::register(&mut methods)?;
    methods.merge(faults::methods(faults)?)?;

    let mut names: Vec<&'static str> = methods.method_names().collect();
    names.push("rpc_methods");
    names.sort_unstable();
    methods.register_method("rpc_methods", move |_, _, _| json!({ "methods": names }))?;
    Ok(methods)
}
