//! What the chain says of money, as of its last finalised block: price, pools, emission, and what validators pay their stakers.
//!
//! One task reads it after each block that [`crate::chain_view`] shows, and everybody else watches. All of it belongs to that block.

pub mod desk;
pub mod history;

use std::collections::BTreeMap;
use std::sync::Arc;

use chain_client::{ChainClient, Commitment, EmissionStanding, QueryError, SubnetEconomy, YieldInputs};
use protocol::account::AccountId;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use self::history::{EpochMarket, History};
use crate::chain_view::{ChainSnapshot, ChainView};

/// Validators whose dividends are read; those with the most stake come first.
const VALIDATORS_MAX: usize = 128;

/// Money facts of one finalised block.
#[derive(Debug, Clone)]
pub struct Market {
    /// The block's other facts.
    pub chain: Arc<ChainSnapshot>,
    /// Price, pools and emission.
    pub economy: SubnetEconomy,
    /// The subnet's place among all.
    pub standing: EmissionStanding,
    /// What the last epoch paid, by validator's hotkey.
    pub yields: BTreeMap<AccountId, YieldInputs>,
    /// What hotkeys have committed to.
    pub commitments: BTreeMap<AccountId, Commitment>,
}

/// Watches the market. `None` until it was read for the first time.
pub type MarketView = watch::Receiver<Option<Arc<Market>>>;

/// What the reading task needs.
pub struct Follow {
    /// The connection.
    pub client: ChainClient,
    /// The chain as it is.
    pub chain: ChainView,
    /// Where it goes.
    pub view: watch::Sender<Option<Arc<Market>>>,
    /// Keeps what each epoch paid.
    pub history: History,
    /// Ends the task.
    pub stop: CancellationToken,
}

impl Market {
    /// Reads one block.
    ///
    /// # Errors
    /// When the chain cannot be read.
    pub async fn read(client: &ChainClient, chain: Arc<ChainSnapshot>) -> Result<Self, QueryError> {
        let (netuid, at) = (chain.metagraph.netuid, chain.block);
        let mut validators: Vec<_> = chain
            .metagraph
            .neurons
            .iter()
            .filter(|neuron| neuron.validator_permit || neuron.dividends > 0)
            .map(|neuron| (neuron.stake_weight_rao, neuron.hotkey))
            .collect();
        validators.sort_unstable_by(|one, other| other.cmp(one));
        validators.truncate(VALIDATORS_MAX);
        let hotkeys: Vec<AccountId> = validators.into_iter().map(|(_, hotkey)| hotkey).collect();
        let yields = client.yields(netuid, &hotkeys, at).await?;
        Ok(Self {
            economy: client.economy(netuid, at).await?,
            standing: client.emission_standing(netuid, at).await?,
            yields: hotkeys.into_iter().zip(yields).collect(),
            commitments: client.commitments(netuid, at).await?,
            chain,
        })
    }

    /// What the epoch that ended last paid, to be kept.
    #[must_use]
    pub fn epoch(&self) -> EpochMarket {
        EpochMarket {
            epoch_index: self.chain.epoch.epoch_index,
            block: self.chain.block.number,
            block_hash: protocol::digest::Digest(self.chain.block.hash),
            timestamp_ms: self.chain.timestamp_ms,
            price_rao: self.economy.price_rao,
            tao_emission_rao: self.economy.tao_emission_rao,
            yields: self.yields.iter().map(|(hotkey, inputs)| (*hotkey, (*inputs).into())).collect(),
        }
    }
}

/// Follows the chain until stopped. A block that cannot be read is left out; the next is read again.
pub async fn follow(follow: Follow) {
    let Follow { client, mut chain, view, history, stop } = follow;
    chain.mark_changed();
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            changed = chain.changed() => if changed.is_err() { return },
        }
        let snapshot = Arc::clone(&chain.borrow_and_update());
        let read = tokio::select! {
            () = stop.cancelled() => return,
            read = Market::read(&client, snapshot) => read,
        };
        match read {
            Ok(market) => {
                history.record_epoch(market.epoch());
                view.send_replace(Some(Arc::new(market)));
            }
            Err(error) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "cannot read the subnet's market");
            }
        }
    }
}
