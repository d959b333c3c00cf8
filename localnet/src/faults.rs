//! Faults on request: what a network, a provider and a chain do to a client when they are not at their best.
//!
//! Three places can go wrong. **Connections** ([`gate`]): reset, silent for good, refused, or accepted and never answered.
//! **Traffic** ([`traffic`]): answers that come late, and callers that ask too often. **The chain** ([`crate::node`]): finality
//! that stalls, blocks that are undone, a runtime that is upgraded under its clients, a clock that is wrong.
//!
//! Every fault can be asked for through the handle ([`crate::Localnet`]) and through `dev_*`. Calls of `dev_*` are never slowed
//! or limited themselves, and the connection that asks for a fault of connections is spared, so that whoever broke
//! something can mend it: `dev_heal` ends all of them.

pub mod gate;
pub mod traffic;

use std::{sync::Arc, time::Duration};

use self::{gate::Gate, traffic::Traffic};
use crate::node::Node;

/// Milliseconds a fault of connections or a delay may last at most.
pub const FAULT_MS_MAX: u64 = 3_600_000;

/// Everything that can be made to go wrong.
pub struct Faults {
    /// The chain.
    pub node: Arc<Node>,
    /// The connections.
    pub gate: Arc<Gate>,
    /// The calls.
    pub traffic: Arc<Traffic>,
}

impl Faults {
    /// No faults.
    pub fn new(node: Arc<Node>) -> Self {
        let gate = Arc::new(Gate::new(node.limits.sockets_max));
        Self { node, gate, traffic: Arc::new(Traffic::default()) }
    }

    /// Ends every fault. Connections that fell silent are reset: nobody would answer what was lost on them.
    pub fn heal(&self) {
        self.gate.heal();
        self.traffic.heal();
        self.node.clock.skew(0);
        self.node.stall_finality(false);
    }
}

/// A duration that a fault may last.
pub(crate) fn fault_duration(ms: u64) -> Option<Duration> {
    (ms <= FAULT_MS_MAX).then(|| Duration::from_millis(ms))
}
