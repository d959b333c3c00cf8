//! What registering would do and cost, known before anything is signed.

use chain_metadata::subtensor;
use chain_metadata::subtensor::runtime_types::subtensor_runtime_common::NetUid;
use parity_scale_codec::{Compact, Decode};
use protocol::AccountId;
use protocol::signing::Keypair;
use subxt::config::DefaultExtrinsicParamsBuilder;
use subxt::utils::AccountId32;

use crate::blocks::BlockRef;
use crate::client::{Chain, ChainClient};
use crate::error::{Fault, QueryError};
use crate::query::{check_existence, want_existence};
use crate::submit::VALID_FOR_BLOCKS;
use crate::submit::signer::ExtrinsicSigner;

const DOING: &str = "asking what a registration costs";

/// What registering a hotkey would do, at one block. Amounts in rao.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegistrationQuote {
    /// The subnet.
    pub netuid: u16,
    /// The block.
    pub block: BlockRef,
    /// Who is to be registered.
    pub hotkey: AccountId,
    /// Who pays.
    pub coldkey: AccountId,
    /// The uid, if the hotkey has one already.
    pub uid: Option<u16>,
    /// Who owns the hotkey, if anybody does: only that coldkey can register it.
    pub owner: Option<AccountId>,
    /// What is burned.
    pub burn_rao: u64,
    /// The least the price falls to.
    pub burn_min_rao: u64,
    /// Blocks in which the price halves while nobody registers.
    pub burn_half_life: u16,
    /// The transaction's fee.
    pub fee_rao: u64,
    /// What must remain on the coldkey's account.
    pub existential_deposit_rao: u64,
    /// What the coldkey has.
    pub balance_rao: u64,
    /// Whether the subnet takes registrations at all.
    pub is_open: bool,
    /// Whether the subnet takes proof of work. (The runtime must have the call, too.)
    pub is_open_to_work: bool,
    /// How many seals a proof of work takes on average.
    pub difficulty: u64,
    /// Registrations in this block so far, and how many fit into one.
    pub registrations_in_block: (u16, u16),
    /// Neurons on the subnet, and how many fit. On a full subnet the newcomer replaces the neuron with the least emission
    /// that is not immune.
    pub neurons: (u16, u16),
    /// On a full subnet, how many of its neurons are immune.
    pub immune: Option<u16>,
    /// Blocks for which the newcomer cannot be replaced itself.
    pub immunity_period: u16,
    /// Blocks between two weight settings, and from the registration to the first.
    pub weights_rate_limit: u64,
}

/// Why registering would fail, known before anything is sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RegistrationObstacle {
    /// Root takes no registrations of this kind.
    #[error("subnet 0 is the root network: hotkeys are not registered there by burn")]
    Root,
    /// The owner closed the subnet.
    #[error("the subnet takes no registrations at the moment")]
    Closed,
    /// Somebody else's hotkey.
    #[error("the hotkey belongs to another coldkey, {owner}")]
    OtherOwner {
        /// Whose it is.
        owner: AccountId,
    },
    /// More than the operator wants to spend.
    #[error("registering burns {burn_rao} rao, more than the limit of {limit_rao} rao")]
    Price {
        /// The price.
        burn_rao: u64,
        /// The operator's limit.
        limit_rao: u64,
        /// Blocks until the price has fallen to the limit if nobody else registers; `None` if it never does.
        blocks: Option<u32>,
    },
    /// Too little TAO.
    #[error(
        "registering takes {needed_rao} rao (price, fee and what must remain on the account), the coldkey has {balance_rao} rao"
    )]
    Balance {
        /// Price, fee and existential deposit.
        needed_rao: u64,
        /// What is there.
        balance_rao: u64,
    },
}

impl RegistrationQuote {
    /// Everything that leaves the coldkey's account or must stay on it.
    pub fn needed_rao(&self) -> u64 {
        self.burn_rao.saturating_add(self.fee_rao).saturating_add(self.existential_deposit_rao)
    }

    /// What stands in the way of registering by burn, if anything. Of no interest to a hotkey that has its uid.
    pub fn obstacle(&self, limit_rao: Option<u64>) -> Option<RegistrationObstacle> {
        if self.netuid == 0 {
            return Some(RegistrationObstacle::Root);
        }
        if !self.is_open {
            return Some(RegistrationObstacle::Closed);
        }
        if let Some(owner) = self.owner.filter(|owner| *owner != self.coldkey) {
            return Some(RegistrationObstacle::OtherOwner { owner });
        }
        if let Some(limit_rao) = limit_rao.filter(|limit| self.burn_rao > *limit) {
            let blocks = self.blocks_until(limit_rao);
            return Some(RegistrationObstacle::Price { burn_rao: self.burn_rao, limit_rao, blocks });
        }
        let (needed_rao, balance_rao) = (self.needed_rao(), self.balance_rao);
        (balance_rao < needed_rao).then_some(RegistrationObstacle::Balance { needed_rao, balance_rao })
    }

    /// Blocks until the price has fallen to `limit_rao`, if nobody registers meanwhile.
    fn blocks_until(&self, limit_rao: u64) -> Option<u32> {
        if limit_rao < self.burn_min_rao || limit_rao == 0 || self.burn_half_life == 0 {
            return None;
        }
        let halvings = (self.burn_rao as f64 / limit_rao as f64).log2().max(0.0);
        Some((halvings * f64::from(self.burn_half_life)).ceil() as u32)
    }
}

impl RegistrationObstacle {
    /// What the operator can do about it.
    pub fn next_step(&self) -> String {
        match self {
            Self::Root => "choose the subnet with --netuid".to_owned(),
            Self::Closed => "ask the subnet's owner when registrations open".to_owned(),
            Self::OtherOwner { .. } => {
                "use the wallet that owns the hotkey, or make a new hotkey with the `wallet new` subcommand"
                    .to_owned()
            }
            Self::Price { blocks: Some(blocks), .. } => format!(
                "wait (the price falls to the limit in about {blocks} blocks if nobody registers: --wait-blocks {blocks}), or raise --burn-max-tao"
            ),
            Self::Price { blocks: None, .. } => {
                "raise --burn-max-tao: the limit is below the least price that the subnet asks".to_owned()
            }
            Self::Balance { .. } => "send TAO to the coldkey, then run this again".to_owned(),
        }
    }

    /// Whether waiting alone can help.
    pub fn is_passing(&self) -> bool {
        matches!(self, Self::Price { blocks: Some(_), .. })
    }
}

impl ChainClient {
    /// Asks what registering `hotkey` with `coldkey` would do and cost: one storage request and one runtime call, and for a full
    /// subnet a second storage request.
    pub async fn registration_quote(
        &self,
        netuid: u16,
        hotkey: &AccountId,
        coldkey: &AccountId,
        at: BlockRef,
    ) -> Result<RegistrationQuote, QueryError> {
        let fee_rao = self.registration_fee(netuid, hotkey, at).await?;
        self.bounded(DOING, async {
            let mut reader = self.reader(at).await?;
            let constants = subtensor::constants();
            let storage = subtensor::storage();
            let module = storage.subtensor_module();
            let key = || (NetUid(netuid),);
            let exists = want_existence(&mut reader, netuid)?;
            let uid = reader.want(module.uids(), (NetUid(netuid), AccountId32(hotkey.0)))?;
            let owner = reader.want(module.owner(), (AccountId32(hotkey.0),))?;
            let burn = reader.want(module.burn(), key())?;
            let burn_min = reader.want(module.min_burn(), key())?;
            let half_life = reader.want(module.burn_half_life(), key())?;
            let account = reader.want(storage.system().account(), (AccountId32(coldkey.0),))?;
            let open = reader.want(module.network_registration_allowed(), key())?;
            let open_to_work = reader.want(module.network_pow_registration_allowed(), key())?;
            let difficulty = reader.want(module.difficulty(), key())?;
            let in_block = reader.want(module.registrations_this_block(), key())?;
            let in_block_max = reader.want(module.max_registrations_per_block(), key())?;
            let neurons = reader.want(module.subnetwork_n(), key())?;
            let neurons_max = reader.want(module.max_allowed_uids(), key())?;
            let immunity_period = reader.want(module.immunity_period(), key())?;
            let weights_rate_limit = reader.want(module.weights_set_rate_limit(), key())?;
            let deposit = reader.constant(constants.balances().existential_deposit())?;
            let values = reader.fetch().await?;
            check_existence(values.value(&exists)?, netuid)?;
            let neurons = (values.value(&neurons)?, values.value(&neurons_max)?);
            let immunity_period = values.value(&immunity_period)?;
            let immune = match neurons.0 >= neurons.1 {
                true => Some(self.immune(netuid, neurons.0, immunity_period, at).await?),
                false => None,
            };
            // Nobody owns a hotkey whose owner is the account of zeroes, the entry's default.
            let owner =
                values.get(&owner)?.map(|owner| AccountId(owner.0)).filter(|owner| owner.0 != [0; 32]);
            Ok(RegistrationQuote {
                netuid,
                block: at,
                hotkey: *hotkey,
                coldkey: *coldkey,
                uid: values.get(&uid)?,
                owner,
                burn_rao: values.value(&burn)?.0,
                burn_min_rao: values.value(&burn_min)?.0,
                burn_half_life: values.value(&half_life)?,
                fee_rao,
                existential_deposit_rao: deposit.0,
                balance_rao: values.value(&account)?.data.free.0,
                is_open: values.value(&open)?,
                is_open_to_work: values.value(&open_to_work)?,
                difficulty: values.value(&difficulty)?,
                registrations_in_block: (values.value(&in_block)?, values.value(&in_block_max)?),
                neurons,
                immune,
                immunity_period,
                weights_rate_limit: values.value(&weights_rate_limit)?,
            })
        })
        .await
    }

    /// How many of the first `count` neurons nobody can replace yet, for they are new.
    async fn immune(&self, netuid: u16, count: u16, period: u16, at: BlockRef) -> Result<u16, Fault> {
        let mut reader = self.reader(at).await?;
        let mut slots = Vec::with_capacity(count.into());
        for uid in 0..count {
            let registered = subtensor::storage().subtensor_module().block_at_registration();
            slots.push(reader.want(registered, (NetUid(netuid), uid))?);
        }
        let values = reader.fetch().await?;
        let mut immune = 0;
        for slot in &slots {
            let age = u64::from(at.number).saturating_sub(values.value(slot)?);
            immune += u16::from(age < period.into());
        }
        Ok(immune)
    }

    /// The fee of a registration, as the runtime computes it. A fee depends on the call and its length and not on who signs, so
    /// nobody's key is needed.
    async fn registration_fee(
        &self,
        netuid: u16,
        hotkey: &AccountId,
        at: BlockRef,
    ) -> Result<u64, QueryError> {
        self.bounded(DOING, async {
            let session = self.session().await?;
            let state = session.at(at).await?;
            let call =
                subtensor::tx().subtensor_module().register_limit(NetUid(netuid), AccountId32(hotkey.0), 0);
            let params = DefaultExtrinsicParamsBuilder::<Chain>::new()
                .nonce(0)
                .mortal_from_unchecked(VALID_FOR_BLOCKS.into(), at.number.into(), at.hash.into())
                .build();
            let transactions = state.tx();
            let signable = transactions.create_v4_signable_offline(&call, params);
            let mut signable = signable.map_err(|error| {
                let item = "SubtensorModule.register_limit".to_owned();
                Fault::of_item(item, state.spec_version(), error.into())
            })?;
            let mut arguments =
                signable.sign(&ExtrinsicSigner(&Keypair::from_seed(&[0; 32])))?.into_encoded();
            let length = u32::try_from(arguments.len()).map_err(|_| Fault::MissingValue)?;
            arguments.extend(length.to_le_bytes());
            let (function, at) = ("TransactionPaymentApi_query_info", Some(at.hash.into()));
            let answer = session.rpc().state_call(function, Some(&arguments), at).await?;
            // Weight (two compact numbers), class of dispatch, fee: a balance of this chain has eight bytes.
            let (_, _, _, fee) = <(Compact<u64>, Compact<u64>, u8, u64)>::decode(&mut answer.as_slice())?;
            Ok(fee)
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quote() -> RegistrationQuote {
        RegistrationQuote {
            netuid: 64,
            block: BlockRef { number: 1, hash: [0; 32] },
            hotkey: AccountId([1; 32]),
            coldkey: AccountId([2; 32]),
            uid: None,
            owner: None,
            burn_rao: 1_000,
            burn_min_rao: 100,
            burn_half_life: 360,
            fee_rao: 10,
            existential_deposit_rao: 500,
            balance_rao: 1_510,
            is_open: true,
            is_open_to_work: false,
            difficulty: 10_000,
            registrations_in_block: (0, 1),
            neurons: (3, 256),
            immune: None,
            immunity_period: 4_096,
            weights_rate_limit: 100,
        }
    }

    #[test]
    fn obstacles_are_seen_before_anything_is_sent() {
        assert_eq!(quote().obstacle(Some(1_000)), None);
        let poor = RegistrationQuote { balance_rao: 1_509, ..quote() };
        let expected = RegistrationObstacle::Balance { needed_rao: 1_510, balance_rao: 1_509 };
        assert_eq!(poor.obstacle(None), Some(expected));
        let owner = AccountId([3; 32]);
        let other = RegistrationQuote { owner: Some(owner), ..quote() };
        assert_eq!(other.obstacle(None), Some(RegistrationObstacle::OtherOwner { owner }));
        assert_eq!(RegistrationQuote { owner: Some(other.coldkey), ..quote() }.obstacle(None), None);
        let closed = RegistrationQuote { is_open: false, ..quote() };
        assert_eq!(closed.obstacle(None), Some(RegistrationObstacle::Closed));
        assert_eq!(
            RegistrationQuote { netuid: 0, ..closed }.obstacle(None),
            Some(RegistrationObstacle::Root)
        );
    }

    #[test]
    fn a_price_above_the_limit_passes_unless_it_never_falls_so_low() {
        let obstacle = |limit_rao| quote().obstacle(Some(limit_rao)).unwrap();
        let halved = obstacle(500);
        assert_eq!(
            halved,
            RegistrationObstacle::Price { burn_rao: 1_000, limit_rao: 500, blocks: Some(360) }
        );
        assert!(halved.is_passing() && halved.next_step().contains("--wait-blocks 360"));
        for limit in [99, 0] {
            assert!(!obstacle(limit).is_passing(), "{limit}");
        }
    }

    #[test]
    fn every_obstacle_says_what_to_do() {
        let owner = AccountId([3; 32]);
        for obstacle in [
            RegistrationObstacle::Root,
            RegistrationObstacle::Closed,
            RegistrationObstacle::OtherOwner { owner },
            RegistrationObstacle::Price { burn_rao: 2, limit_rao: 1, blocks: None },
            RegistrationObstacle::Balance { needed_rao: 2, balance_rao: 1 },
        ] {
            assert!(!obstacle.next_step().is_empty() && !obstacle.is_passing(), "{obstacle}");
        }
    }
}
