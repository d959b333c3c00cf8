//! An embedded Substrate dev chain shaped like subtensor: what anvil is to Ethereum.
//!
//! A **native FRAME runtime executed in this process**, served over the standard Substrate JSON-RPC. No wasm, no network, no
//! container, no other node. Unmodified clients talk to it as to the real chain: subxt, the Python SDK and its `btcli`,
//! polkadot.js. A whole tempo takes milliseconds.
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let chain = localnet::spawn(localnet::Config::test()).await?; // any free port, blocks when asked
//! println!("listening on {}", chain.ws_url());
//! chain.produce_blocks(20).await?; // one epoch of subnet 64
//! # Ok(())
//! # }
//! ```
//!
//! # Where things are
//!
//! `runtime` is the chain's rules: pallets at the indices of the pinned metadata, with `subtensor` (registration, serving,
//! weights, stake, epochs) as the largest. [`beacon`] is the drand beacon the chain runs for itself. [`chain`] holds blocks and states and runs the runtime on any of them. [`pool`]
//! holds transactions that wait. [`node`] decides when blocks are made and become final. `rpc` and `server` are the outside.
//! [`genesis_file`] reads what a chain begins with. [`faults`] is what can be made to go wrong: connections, answers, finality, blocks that are undone, upgrades, clocks.
//!
//! **Invariants.** Every call of the runtime is guarded against panics and leaves no trace when it fails. A block is kept only
//! if the state written has the root its header names. Every queue, body and wait is bounded ([`config::Limits`]).
//! A test compares the metadata with the pinned metadata of the real runtime, item by item.
//!
//! # On disk, and in memory
//!
//! [`Config::data`] keeps the chain in a folder: every block, change by hand and branch in one append-only file, executed
//! again at the start. In memory are all headers and bodies, and the last [`config::Limits::states_max`] states; reading an
//! older one is the error of a pruned node. `scripts/bench-localnet` measures what that takes.
//!
//! # Other chains
//!
//! `tests/it/any_chain.rs`, and `tests/chain/any_chain.rs` of chain-client, hold on any subtensor:
//! `CHAIN_WS_URL=ws://... cargo nextest run -p localnet -p chain-client any_chain` tries them on another chain, such as the
//! official one in docker that `scripts/chain-docker` starts. Everything else that is tested here
//! needs a chain that can be driven, which only this one can. `LOCALNET_FUZZ_CALLS`, `LOCALNET_FUZZ_BODIES` and
//! `LOCALNET_FUZZ_SEED` make the fuzz tests longer or other.
//!
//! # Deliberately absent
//!
//! - **Pools** are constant products of equal weights with the real fee (see `runtime::swap`). A block has no author here,
//!   so the fees that would be the author's are burned. The gate on emission shares (`EmissionGate*`), liquidity of users,
//!   and limit orders are absent.
//! - **Root** has members, dividends and claims by rate (`RootClaimable`, `claim_root`), but no baskets, no automatic parents,
//!   and no hold on its stake.
//! - **Null consensus** of the next runtime: its switch can be read and is always Yuma.
//! - Collateral, leases, locks, voting power, baskets. Their storage and runtime APIs answer with nothing, so that clients
//!   which ask go on.
//! - **Dissolving subnets**, and with it the queue of registrations: when there are as many subnets as may be, registering one
//!   is refused.
//! - **Pulses from outside.** The beacon is the chain's own ([`beacon`]), so clients must read its key from `Drand.BeaconConfig`;
//!   those that encrypt to quicknet's key, as the Python SDK does, need commit-reveal switched off, as it is by default, or
//!   quicknet's pulse put into the state (`scripts/lib/chain-clients/hidden.py` does that).
//! - **Pallets**: Grandpa, Multisig, Preimage, Scheduler, SafeMode, Ethereum, EVM, Crowdloan, Contracts,
//!   LimitOrders. AdminUtils lacks what sets features that are absent; `sudo(System.set_storage)` and `dev_setStorage` change
//!   the rest. MevShield has one key that never changes, and the same on every chain: nothing is hidden from who looks.
//! - **Consensus and peers.** Blocks are final when this process says so; there are no forks but those that are asked for.
//! - **Upgrades** change the version and what the metadata says, never the rules: those are this build's.
//!
#![doc = include_str!("../absent.md")]
#![forbid(unsafe_code)]
#![recursion_limit = "512"]

pub mod accounts;
pub mod beacon;
pub mod chain;
pub mod config;
pub mod faults;
pub mod genesis_file;
pub mod node;
pub mod pool;
mod rpc;
#[allow(missing_docs, unused_qualifications, reason = "FRAME's macros generate items without documentation")]
pub mod runtime;
mod server;
pub mod time;

pub use config::{Blocks, Config, Genesis};
pub use server::{ChainError, Localnet, ProduceBlocksError, SpawnError, spawn};
