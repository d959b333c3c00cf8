//! A running axon on threads of its own.

use std::net::SocketAddr;
use std::num::{NonZeroU16, NonZeroU32, NonZeroUsize};

use model_runtime::{Runtime, RuntimeConfig};
use subnet_miner::axon::{Axon, AxonConfig, AxonParts, Gate, Limits, Rate};
use subnet_miner::device::Device;
use subnet_miner::models::{ModelLocation, Models};
use subnet_miner::permits::{PermitPolicy, Permits};
use subnet_miner::receipts::{ReceiptStore, StoreConfig};
use tokio::sync::watch;

use crate::cast::{Cast, MODEL, NETUID, SIGNED_AHEAD_S, now_ns};

/// Whether an address may send only so much.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Limited {
    /// As an operator has it who changed nothing.
    AsConfigured,
    /// An address may send whatever it likes, as many addresses together may.
    No,
}

pub struct Host {
    pub cast: Cast,
    pub gate: Gate,
    pub address: SocketAddr,
    // In the order in which they are dropped: the axon stops while its runtime and its folder are still there.
    _axon: Axon,
    _permits: watch::Sender<Permits>,
    pub runtime: tokio::runtime::Runtime,
    _folder: tempfile::TempDir,
}

impl Host {
    pub fn start(threads: usize, limited: Limited) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(threads)
            .thread_name("axon")
            .enable_all()
            .build()
            .unwrap();
        let cast = Cast::new();
        let folder = tempfile::tempdir().unwrap();
        let (permits, watched) = watch::channel(Permits::of(
            PermitPolicy::default(),
            [cast.validator.public()],
            now_ns() / 1_000_000,
        ));
        let axon = runtime.block_on(async {
            let models = Runtime::start(RuntimeConfig::default()).unwrap();
            let locations = [(MODEL.parse().unwrap(), ModelLocation::Echo)].into();
            let parts = AxonParts {
                netuid: NETUID,
                hotkey: cast.miner.clone(),
                models: Models::load(&models, &locations).await.unwrap(),
                device: Device { name: "none".to_owned(), memory_bytes: 1 },
                permits: watched,
                receipts: ReceiptStore::open(folder.path(), &StoreConfig::default(), cast.miner.clone())
                    .unwrap(),
            };
            let bind = SocketAddr::from(([127, 0, 0, 1], 0));
            let config = AxonConfig { bind, limits: limits(limited), ..AxonConfig::default() };
            Axon::bind(config, parts).await.unwrap()
        });
        let (gate, address) = (axon.gate(), axon.address());
        Self { cast, gate, address, _axon: axon, _permits: permits, runtime, _folder: folder }
    }
}

/// Requests are signed before the clock starts, so they may be old; the rest is as configured or out of the way.
fn limits(limited: Limited) -> Limits {
    let age_ms = SIGNED_AHEAD_S * 1_000;
    let signed_ahead = Limits {
        signature_age_ms_max: age_ms,
        nonce_retention_ms: 3 * age_ms,
        nonces_max: NonZeroUsize::new(1 << 24).unwrap(),
        ..Limits::default()
    };
    match limited {
        // A flood's requests are signed as they are sent.
        Limited::AsConfigured => Limits::default(),
        Limited::No => {
            let most = NonZeroU32::new(10_000_000).unwrap();
            let rate = Rate { per_s: most, burst: most };
            // As many answers at once as there are connections: what is measured is admission, not the queue behind it.
            let answers = NonZeroU16::new(1_024).unwrap();
            Limits {
                per_address: rate,
                per_hotkey: rate,
                answers_max: answers,
                answers_per_hotkey_max: answers,
                ..signed_ahead
            }
        }
    }
}
