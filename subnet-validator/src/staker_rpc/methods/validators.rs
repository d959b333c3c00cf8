//! The subnet's validators.

use chain_client::Neuron;
use jsonrpsee::types::ErrorObjectOwned;
use schemars::JsonSchema;
use serde::Serialize;

use super::Page;
use super::market::mean_growth;
use crate::market::Market;
use crate::staker_rpc::error::not_found;
use crate::staker_rpc::params::{HotkeyParams, PageParams, cursor, page_limit};
use crate::staker_rpc::state::At;
use crate::staker_rpc::values::{Account, Amount, Decimal, Fraction, Hash};

/// One validator, as the chain has it.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::staker_rpc) struct Validator {
    /// Its uid.
    pub uid: u16,
    /// Its hotkey.
    pub hotkey: Account,
    /// Who owns it.
    pub coldkey: Account,
    /// Whether it is the validator that answers.
    pub is_self: bool,
    /// Whether its weights count.
    pub validator_permit: bool,
    /// Whether it set weights recently, in the chain's judgement.
    pub active: bool,
    /// Alpha staked to it on this subnet, in rao.
    pub stake_rao: Amount,
    /// TAO staked to it on root, in rao.
    pub root_stake_rao: Amount,
    /// Its stake as epochs count it: alpha and weighted TAO, in rao.
    pub stake_weight_rao: Amount,
    /// How far its weights agree with consensus: `ValidatorTrust` / 65535.
    pub validator_trust: Fraction,
    /// Its share of the validators' emission: `Dividends` / 65535.
    pub dividends: Fraction,
    /// Alpha that it and its stakers earned in the last epoch, in rao: `Emission`.
    pub emission_rao: Amount,
    /// Its take: `Delegates` / 65535; null where the validator has neither permit nor dividends.
    pub take: Option<Fraction>,
    /// What its stakers earned in the last epoch, the take subtracted, in rao of alpha: `AlphaDividendsPerSubnet`.
    pub dividends_rao: Option<Amount>,
    /// Growth of its stake in the last epoch, in percent: 100 * dividendsRao / the stake that `subnet_v1_yield` names.
    pub percent_per_epoch: Option<Decimal>,
    /// Block of its last weights, or of its registration.
    pub last_update: u64,
    /// Blocks since then.
    pub blocks_since_update: u64,
    /// Miners that it gives weight to.
    pub weights: usize,
    /// The SHA-256 that it has committed to on chain: of its newest head, if it runs this software.
    pub commitment: Option<CommitmentAnswer>,
    /// Version of its software; known of the validator that answers only.
    pub software_version: Option<&'static str>,
}

/// A digest that a validator has committed to on chain.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::staker_rpc) struct CommitmentAnswer {
    /// The digest.
    pub sha256: Hash,
    /// The block in which it was committed.
    pub block: u32,
}

pub(in crate::staker_rpc) async fn page(
    params: PageParams,
    at: At,
) -> Result<Page<Validator>, ErrorObjectOwned> {
    let (limit, after) = (page_limit(params.limit)?, cursor(params.cursor.as_ref())?.unwrap_or(0));
    let market = at.market()?;
    let mut validators: Vec<&Neuron> =
        at.chain.metagraph.neurons.iter().filter(|neuron| is_validator(neuron)).collect();
    validators.sort_by_key(|neuron| (std::cmp::Reverse(neuron.stake_weight_rao), neuron.uid));
    let first = usize::try_from(after).unwrap_or(usize::MAX);
    let items: Vec<Validator> =
        validators.iter().skip(first).take(limit).map(|neuron| Validator::new(neuron, &at, market)).collect();
    let shown = first.saturating_add(items.len());
    Ok(Page { items, next_cursor: (shown < validators.len()).then(|| shown.to_string()) })
}

pub(in crate::staker_rpc) async fn one(params: HotkeyParams, at: At) -> Result<Validator, ErrorObjectOwned> {
    let neuron = at.chain.metagraph.by_hotkey(&params.hotkey).filter(|neuron| is_validator(neuron));
    let neuron = neuron.ok_or_else(|| not_found("validator"))?;
    Ok(Validator::new(neuron, &at, at.market()?))
}

fn is_validator(neuron: &Neuron) -> bool {
    neuron.validator_permit || neuron.dividends > 0
}

impl Validator {
    fn new(neuron: &Neuron, at: &At, market: &Market) -> Self {
        let of = market.yields.get(&neuron.hotkey);
        let growth = mean_growth(of.into_iter());
        let commitment = market.commitments.get(&neuron.hotkey);
        let is_self = neuron.hotkey == at.hotkey;
        Self {
            uid: neuron.uid,
            hotkey: neuron.hotkey.into(),
            coldkey: neuron.coldkey.into(),
            is_self,
            validator_permit: neuron.validator_permit,
            active: neuron.active,
            stake_rao: neuron.stake_rao.into(),
            root_stake_rao: neuron.root_stake_rao.into(),
            stake_weight_rao: neuron.stake_weight_rao.into(),
            validator_trust: Fraction::of_u16(neuron.validator_trust),
            dividends: Fraction::of_u16(neuron.dividends),
            emission_rao: neuron.emission_rao.into(),
            take: of.map(|of| Fraction::of_u16(of.take)),
            dividends_rao: of.map(|of| of.dividends_rao.into()),
            percent_per_epoch: growth.map(|growth| Decimal(growth.exp_m1() * 100.0)),
            last_update: neuron.last_update,
            blocks_since_update: u64::from(at.chain.block.number).saturating_sub(neuron.last_update),
            weights: at.chain.weights.get(&neuron.uid).map_or(0, Vec::len),
            commitment: commitment.and_then(|commitment| {
                Some(CommitmentAnswer { sha256: Hash::of(*commitment.sha256()?), block: commitment.block })
            }),
            software_version: is_self.then_some(env!("CARGO_PKG_VERSION")),
        }
    }
}
