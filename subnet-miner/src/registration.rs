//! Getting a uid: what it costs, and burning it.

use chain_client::{ChainClient, QueryError, SubmitError};
use protocol::account::AccountId;
use protocol::signing::Keypair;

/// What registering would do, read at one finalised block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quote {
    /// The subnet.
    pub netuid: u16,
    /// The hotkey to register.
    pub hotkey: AccountId,
    /// Who pays.
    pub coldkey: AccountId,
    /// The uid, if the hotkey has one already.
    pub uid: Option<u16>,
    /// What is burned, in rao.
    pub burn_rao: u64,
    /// What the coldkey has, in rao.
    pub balance_rao: u64,
    /// Whether the subnet takes registrations at all.
    pub open: bool,
}

/// Why registering would fail, known before anything is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Obstacle {
    /// The owner closed the subnet.
    #[error("the subnet takes no registrations at the moment")]
    Closed,
    /// Too little TAO.
    #[error("registering burns {burn_rao} rao, the coldkey has {balance_rao} rao")]
    Balance {
        /// The price.
        burn_rao: u64,
        /// What is there.
        balance_rao: u64,
    },
    /// More than the operator wants to spend.
    #[error("registering burns {burn_rao} rao, more than the limit of {burn_max_rao} rao")]
    Price {
        /// The price.
        burn_rao: u64,
        /// The operator's limit.
        burn_max_rao: u64,
    },
}

/// Asks the chain what registering `hotkey` would do.
pub async fn quote(
    client: &ChainClient,
    netuid: u16,
    hotkey: AccountId,
    coldkey: AccountId,
) -> Result<Quote, QueryError> {
    let block = client.finalized().await?;
    let metagraph = client.metagraph(netuid, block).await?;
    let hyperparameters = client.hyperparameters(netuid, block).await?;
    let balance_rao = client.balance_rao(&coldkey, block).await?;
    Ok(Quote {
        netuid,
        hotkey,
        coldkey,
        uid: metagraph.by_hotkey(&hotkey).map(|neuron| neuron.uid),
        burn_rao: hyperparameters.burn_rao,
        balance_rao,
        open: hyperparameters.registration_allowed,
    })
}

impl Quote {
    /// What stands in the way, if anything. Of no interest to a hotkey that has its uid.
    pub fn obstacle(&self, burn_max_rao: Option<u64>) -> Option<Obstacle> {
        let Self { burn_rao, balance_rao, .. } = *self;
        if !self.open {
            return Some(Obstacle::Closed);
        }
        if let Some(burn_max_rao) = burn_max_rao.filter(|max| burn_rao > *max) {
            return Some(Obstacle::Price { burn_rao, burn_max_rao });
        }
        (balance_rao < burn_rao).then_some(Obstacle::Balance { burn_rao, balance_rao })
    }
}

/// Burns and registers; gives the uid, also when the hotkey had one.
pub async fn register(
    client: &ChainClient,
    coldkey: &Keypair,
    hotkey: &AccountId,
    netuid: u16,
) -> Result<u16, SubmitError> {
    Ok(client.register_burned(coldkey, hotkey, netuid).await?.uid())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn obstacles_are_seen_before_anything_is_sent() {
        let quote = Quote {
            netuid: 64,
            hotkey: AccountId([1; 32]),
            coldkey: AccountId([2; 32]),
            uid: None,
            burn_rao: 10,
            balance_rao: 9,
            open: true,
        };
        assert_eq!(quote.obstacle(None), Some(Obstacle::Balance { burn_rao: 10, balance_rao: 9 }));
        assert_eq!(quote.obstacle(Some(5)), Some(Obstacle::Price { burn_rao: 10, burn_max_rao: 5 }));
        let rich = Quote { balance_rao: 10, ..quote.clone() };
        assert_eq!(rich.obstacle(Some(10)), None);
        assert_eq!(Quote { open: false, ..rich }.obstacle(None), Some(Obstacle::Closed));
    }
}
