//! Settings of several gateways.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddr};

use serde::{Deserialize, Serialize};

/// Settings of several gateways under one hotkey.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ShardsConfig {
    /// This gateway's shard: 0 for the only gateway and for the head gateway; another number, never used before, for each other.
    pub own: u8,
    /// Where a gateway of another shard than 0 answers the head gateway: a private address; port 0 takes a free one.
    pub bind: SocketAddr,
    /// The other gateways, at the head gateway.
    pub peers: Vec<Peer>,
    /// Share of the tempo after which the head is cut without those that have not answered, in percent.
    pub give_up_percent: u8,
    /// Longest wait for a gateway's answer, in milliseconds. It adds up its whole window.
    pub answer_timeout_ms: u64,
    /// Largest answer, in bytes.
    pub answer_bytes_max: usize,
    /// Longest time for fetching what the bundle needs of the other shards, in milliseconds.
    pub papers_timeout_ms: u64,
    /// Largest papers of one shard, in bytes.
    pub papers_bytes_max: u64,
    /// Connections that a gateway of another shard than 0 takes from the head gateway at once.
    pub connections_max: usize,
}

/// One of the other gateways.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Peer {
    /// Its shard.
    pub shard: u8,
    /// The address of its door, such as http://10.0.0.2:8164.
    pub url: String,
}

impl Default for ShardsConfig {
    fn default() -> Self {
        Self {
            own: 0,
            bind: SocketAddr::from((Ipv4Addr::LOCALHOST, 8164)),
            peers: Vec::new(),
            give_up_percent: 50,
            answer_timeout_ms: 60_000,
            answer_bytes_max: 256 << 20,
            papers_timeout_ms: 900_000,
            papers_bytes_max: 16 << 30,
            connections_max: 64,
        }
    }
}

impl ShardsConfig {
    /// The first setting that makes no sense, with what is wrong.
    #[must_use]
    pub fn fault(&self) -> Option<(&'static str, &'static str)> {
        let shards: BTreeSet<u8> = self.peers.iter().map(|peer| peer.shard).collect();
        if self.own > 0 && !self.peers.is_empty() {
            return Some(("shards.peers", "belong to the head gateway, whose shards.own is 0"));
        }
        if shards.contains(&0) || shards.len() != self.peers.len() {
            return Some(("shards.peers", "must have numbers from 1 to 255, each once"));
        }
        if self.peers.iter().any(|peer| !peer.url.starts_with("http://")) {
            return Some(("shards.peers", "must have addresses like http://10.0.0.2:8164"));
        }
        if self.give_up_percent > 100 {
            return Some(("shards.give_up_percent", "must be at most 100"));
        }
        None
    }
}
