//! How a dev chain is started: where it listens, when it makes blocks, what it begins with, and its limits.

use std::{
    net::{Ipv4Addr, SocketAddr},
    num::NonZeroUsize,
    path::PathBuf,
};

use sp_runtime::AccountId32;

use crate::{
    accounts::{TAO, dev_account, dev_accounts},
    beacon,
    runtime::{
        SLOT_DURATION_MS_DEFAULT,
        subtensor::genesis::{Pool, Subnet},
    },
};

/// The port a chain listens on unless told otherwise.
pub const PORT_DEFAULT: u16 = 9944;
/// The subnet every dev chain has.
pub const NETUID: u16 = 64;
/// Secret of the hotkey that owns the dev subnet, under the owner Alice.
pub const OWNER_HOTKEY_URI: &str = "//Alice//hotkey";

/// When blocks are made.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Blocks {
    /// One for every transaction, at once.
    Instant,
    /// One every so often, with whatever waits.
    Interval {
        /// Milliseconds between two blocks, at least 1.
        ms: u64,
    },
    /// Only when asked, by `dev_newBlock` or `Localnet::produce_blocks`.
    Manual,
}

/// When a block becomes final.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Finality {
    /// Blocks that must follow it.
    pub lag_blocks: u32,
    /// Milliseconds that must pass after that, so that clients see a block before they see it final.
    pub delay_ms: u64,
}

/// What the chain may hold and serve.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Limits {
    /// Transactions waiting.
    pub pool_transactions_max: NonZeroUsize,
    /// Bytes of transactions waiting.
    pub pool_bytes_max: usize,
    /// Milliseconds, on the chain's clock, for which a transaction that was invalid in a block is not taken again.
    pub ban_ms: u64,
    /// Connections served at a time.
    pub connections_max: u32,
    /// Sockets open at a time, with those that are idle or silent; more are closed at once.
    pub sockets_max: usize,
    /// Subscriptions of one connection.
    pub subscriptions_per_connection_max: u32,
    /// Bytes of one request.
    pub request_bytes_max: u32,
    /// Bytes of one response.
    pub response_bytes_max: u32,
    /// Calls in one batch request.
    pub batch_calls_max: u32,
    /// Notifications that wait for a slow reader before its subscription waits too.
    pub notifications_waiting_max: u32,
    /// Blocks that one `dev_newBlock` may ask for.
    pub blocks_per_call_max: u32,
    /// States that can be read before the newest; those of older blocks are forgotten.
    pub states_max: u32,
    /// Undone blocks that are still found by their hash.
    pub undone_blocks_max: usize,
    /// Snapshots that can be returned to.
    pub snapshots_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            pool_transactions_max: NonZeroUsize::new(8_192).expect("8,192 is not zero"),
            pool_bytes_max: 20 * 1024 * 1024,
            ban_ms: 30 * 60 * 1_000,
            connections_max: 256,
            sockets_max: 1_024,
            subscriptions_per_connection_max: 1_024,
            request_bytes_max: 15 * 1024 * 1024,
            response_bytes_max: 64 * 1024 * 1024,
            batch_calls_max: 1_000,
            notifications_waiting_max: 256,
            blocks_per_call_max: 100_000,
            states_max: 4_096,
            undone_blocks_max: 1_024,
            snapshots_max: 256,
        }
    }
}

/// What the chain begins with.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Genesis {
    /// Name of the chain.
    pub chain_name: String,
    /// Accounts and what they have, in rao.
    pub balances: Vec<(AccountId32, u64)>,
    /// The account that may do everything.
    pub sudo: AccountId32,
    /// Milliseconds between blocks, as clients are told.
    pub slot_duration_ms: u64,
    /// What the key of the chain's drand beacon is derived from.
    pub beacon_seed: [u8; 32],
    /// Seconds between two rounds of the beacon.
    pub beacon_period_s: u32,
    /// The subnets.
    pub subnets: Vec<Subnet>,
    /// Stake that is bought at genesis, in this order.
    pub stakes: Vec<Stake>,
    /// Values that are set after everything else.
    pub settings: Vec<Setting>,
}

/// Stake that its coldkey buys at genesis, as `add_stake` does.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Stake {
    /// Who buys.
    pub coldkey: AccountId32,
    /// To whom it is staked.
    pub hotkey: AccountId32,
    /// On which subnet.
    pub netuid: u16,
    /// For how much, in rao.
    pub amount_rao: u64,
}

/// A value of `SubtensorModule` that a genesis sets by name.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Setting {
    /// Of which subnet; of the whole chain without one.
    pub netuid: Option<u16>,
    /// The name under which it is stored, with underscores: `bonds_moving_average`.
    pub name: String,
    /// Its value.
    pub value: SettingValue,
}

/// What a setting can be.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum SettingValue {
    /// Yes or no.
    Bool(bool),
    /// An integer.
    Number(i128),
    /// The name of a choice, or the digits of a number.
    Text(String),
    /// Several in one.
    List(Vec<SettingValue>),
}

impl Default for Genesis {
    /// The development accounts, and subnet 64 owned by Alice, started, with commit-reveal off.
    fn default() -> Self {
        let accounts = dev_accounts();
        let alice = accounts.first().expect("Alice is the first development account").account.clone();
        Self {
            chain_name: "Bittensor".into(),
            balances: accounts.into_iter().map(|account| (account.account, account.balance_rao)).collect(),
            slot_duration_ms: SLOT_DURATION_MS_DEFAULT,
            beacon_seed: *b"localnet: seed of the dev beacon",
            beacon_period_s: beacon::PERIOD_S,
            subnets: vec![dev_subnet(alice.clone())],
            sudo: alice,
            stakes: Vec::new(),
            settings: Vec::new(),
        }
    }
}

/// Subnet 64 as a developer wants it: short tempo, cheap registration, few limits, alpha at half a TAO in a pool deep enough
/// for tests. Nobody is registered yet.
pub(crate) fn dev_subnet(owner: AccountId32) -> Subnet {
    Subnet {
        netuid: NETUID,
        name: "dev".into(),
        symbol: "ᚠ".into(),
        owner_hotkey: dev_account(OWNER_HOTKEY_URI).expect("the owner's hotkey is a valid development key"),
        owner,
        tempo_blocks: 20,
        immunity_blocks: 100,
        uids_max: 256,
        validators_max: 64,
        weights_min: 1,
        weights_rate_limit_blocks: 0,
        serving_rate_limit_blocks: 0,
        burn_rao: TAO / 10,
        commit_reveal: false,
        pool: Some(Pool { tao_rao: 100_000 * TAO, alpha_rao: 200_000 * TAO }),
        neurons: Vec::new(),
    }
}

/// How a dev chain is started.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Config {
    /// Where it listens; port 0 takes any free one.
    pub bind: SocketAddr,
    /// When blocks are made.
    pub blocks: Blocks,
    /// When a block becomes final.
    pub finality: Finality,
    /// What the chain begins with.
    pub genesis: Genesis,
    /// What the chain may hold and serve.
    pub limits: Limits,
    /// The folder in which the chain is kept; in memory only without one.
    pub data: Option<PathBuf>,
}

impl Config {
    /// A chain that makes blocks this way, on the usual port of this machine.
    pub fn new(blocks: Blocks) -> Self {
        let mut genesis = Genesis::default();
        let finality = match blocks {
            Blocks::Instant => Finality { lag_blocks: 0, delay_ms: 40 },
            Blocks::Interval { ms } => {
                genesis.slot_duration_ms = ms;
                Finality { lag_blocks: 1, delay_ms: 0 }
            }
            Blocks::Manual => Finality { lag_blocks: 0, delay_ms: 0 },
        };
        Self {
            bind: SocketAddr::from((Ipv4Addr::LOCALHOST, PORT_DEFAULT)),
            blocks,
            finality,
            genesis,
            limits: Limits::default(),
            data: None,
        }
    }

    /// A chain for a test: any free port, blocks when asked.
    pub fn test() -> Self {
        Self { bind: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), ..Self::new(Blocks::Manual) }
    }
}
