//! Settings of the stakers' side.

use std::net::{Ipv4Addr, SocketAddr};
use std::num::NonZeroUsize;

use serde::{Deserialize, Serialize};

use crate::tls::TlsConfig;

/// Settings of the JSON-RPC server and of the page.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct StakerRpcConfig {
    /// Address to listen on (HTTP and WebSocket); port 0 takes a free one.
    pub bind: SocketAddr,
    /// Whether the page is served at `/`.
    pub page: bool,
    /// Web origins whose pages may call this server from a browser; `*` for all. Empty: only its own page.
    pub cors_origins: Vec<String>,
    /// The certificate.
    pub tls: TlsConfig,
    /// Longest wait for a client to shake hands over TLS, in milliseconds.
    pub handshake_timeout_ms: u64,
    /// Longest wait for a request's head, also for the next one on a connection that is kept, in milliseconds.
    pub header_read_timeout_ms: u64,
    /// Longest wait for a client to take a byte of what is sent, in milliseconds.
    pub unread_timeout_ms: u64,
    /// Threads that answer; those that serve users are others.
    pub threads: NonZeroUsize,
    /// How far these threads stand back for all others, from 0 (not at all) to 19, as `nice` counts.
    pub niceness: u8,
    /// Longest wait for calls in progress when it stops, in milliseconds.
    pub drain_ms: u64,
    /// Connections open at once, and those of one client.
    pub connections_max: u32,
    /// Connections of one client open at once.
    pub connections_per_client_max: u32,
    /// Subscriptions on one connection.
    pub subscriptions_per_connection_max: u32,
    /// Calls of one client each second; each call of a batch counts, and so does each file of the page.
    pub calls_per_second_max: u32,
    /// Calls that a client which was quiet may make at once.
    pub calls_burst_max: u32,
    /// Clients remembered for that; past it the quietest is forgotten.
    pub clients_max: NonZeroUsize,
    /// Largest request, in bytes.
    pub body_bytes_max: u32,
    /// Largest answer, in bytes.
    pub response_bytes_max: u32,
    /// Calls in one batch.
    pub batch_calls_max: u32,
    /// Notifications that wait for a slow reader before its subscription is ended.
    pub notifications_max: NonZeroUsize,
    /// Longest wait for a reader to take a notification, in milliseconds.
    pub notification_timeout_ms: u64,
    /// Least time between two usage notifications, in milliseconds.
    pub usage_tick_ms: u64,
    /// Questions to the chain (quotes, positions) that may wait; the next one is refused.
    pub chain_questions_max: NonZeroUsize,
    /// Largest log for which inclusion proofs are computed on request, in leaves.
    pub proof_leaves_max: u64,
    /// Hours of usage that are summed up.
    pub usage_hours_max: u64,
    /// Age of the newest finalised block at which `/health` fails, in milliseconds.
    pub stale_after_ms: u64,
}

impl Default for StakerRpcConfig {
    fn default() -> Self {
        const THREADS: NonZeroUsize = NonZeroUsize::new(2).expect("not zero");
        const NOTIFICATIONS: NonZeroUsize = NonZeroUsize::new(64).expect("not zero");
        const QUESTIONS: NonZeroUsize = NonZeroUsize::new(64).expect("not zero");
        const CLIENTS: NonZeroUsize = NonZeroUsize::new(65_536).expect("not zero");
        Self {
            bind: SocketAddr::from((Ipv4Addr::LOCALHOST, 9064)),
            page: true,
            cors_origins: Vec::new(),
            tls: TlsConfig::default(),
            handshake_timeout_ms: 10_000,
            header_read_timeout_ms: 10_000,
            unread_timeout_ms: 60_000,
            threads: THREADS,
            niceness: 5,
            drain_ms: 1_000,
            connections_max: 1_024,
            connections_per_client_max: 64,
            subscriptions_per_connection_max: 32,
            calls_per_second_max: 50,
            calls_burst_max: 200,
            clients_max: CLIENTS,
            body_bytes_max: 256 << 10,
            response_bytes_max: 8 << 20,
            batch_calls_max: 10,
            notifications_max: NOTIFICATIONS,
            notification_timeout_ms: 10_000,
            usage_tick_ms: 1_000,
            chain_questions_max: QUESTIONS,
            proof_leaves_max: 1_000_000,
            usage_hours_max: 720,
            stale_after_ms: 120_000,
        }
    }
}
