//! Prices, emission, yields, quotes and positions.

use chain_client::{SwapQuote, YieldInputs};
use jsonrpsee::types::ErrorObjectOwned;
use schemars::JsonSchema;
use serde::Serialize;

use crate::staker_rpc::error::{desk, invalid, not_found};
use crate::staker_rpc::params::{AmountParams, ColdkeyParams, NoParams, Window, YieldParams};
use crate::staker_rpc::state::At;
use crate::staker_rpc::values::{Account, Amount, Decimal, Fraction, Hash};

const MILLIONTHS: u64 = 1_000_000;
const RAO: u128 = 1_000_000_000;
const DAY_MS: u64 = 86_400_000;

/// How many positions on one subnet are valued; a coldkey has rarely more than a few.
const POSITIONS_MAX: usize = 16;

/// The subnet's market and emission.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::staker_rpc) struct Economics {
    /// The token's symbol.
    pub symbol: String,
    /// What one alpha costs, in rao of TAO, without fee and slippage: the chain's `current_alpha_price`.
    pub price_rao: Amount,
    /// The chain's slow average of that price, in rao of TAO: `SubnetMovingPrice`.
    pub ema_price_rao: Amount,
    /// TAO in the pool, in rao: `SubnetTAO`.
    pub tao_in_rao: Amount,
    /// Alpha in the pool, in rao: `SubnetAlphaIn`.
    pub alpha_in_rao: Amount,
    /// Alpha outside of the pool, staked, in rao: `SubnetAlphaOut`.
    pub alpha_out_rao: Amount,
    /// All alpha at the price of now, in rao of TAO: (alphaInRao + alphaOutRao) * priceRao / 10^9.
    pub market_cap_rao: Amount,
    /// TAO traded since the subnet began, in rao: `SubnetVolume`.
    pub volume_rao: Amount,
    /// The subnet's part of the TAO that the chain emits: taoEmissionRao / chainEmissionRao.
    pub emission_share: Fraction,
    /// Its place among all subnets by emaPriceRao * (1 - burnFraction), 1 being the best.
    pub emission_rank: u32,
    /// How many subnets there are, root aside.
    pub subnets: u32,
    /// 1 for the ranks 1 to 32, 2 for 33 to 64, null below: the tiers by which TAO emission is divided since 2026.
    pub tier: Option<u8>,
    /// Whether the chain lets the subnet emit: `SubnetEmissionEnabled`.
    pub emission_enabled: bool,
    /// Part of the miners' emission that was burned: `MinerBurned`.
    pub burn_fraction: Fraction,
    /// Root's part of what backs the subnet: `RootProp`.
    pub root_proportion: Fraction,
    /// TAO that the chain emits to the subnet each block, in rao: what joins the pool and what buys alpha, `SubnetTaoInEmission`
    /// + `SubnetExcessTao`.
    pub tao_emission_rao: Amount,
    /// Alpha that enters the pool each block, in rao: `SubnetAlphaInEmission`.
    pub alpha_in_emission_rao: Amount,
    /// Alpha for owner, miners, validators and stakers each block, in rao: `SubnetAlphaOutEmission`.
    pub alpha_out_emission_rao: Amount,
    /// TAO that the whole chain emits each block, in rao: `get_block_emission`.
    pub chain_emission_rao: Amount,
    /// Milliseconds from block to block: the constant `Aura.SlotDuration`.
    pub block_time_ms: u64,
    /// Blocks in a day: 86,400,000 / blockTimeMs.
    pub blocks_per_day: u64,
    /// Alpha for owner, miners, validators and stakers in a day, in rao: alphaOutEmissionRao * blocksPerDay.
    pub alpha_out_per_day_rao: Amount,
    /// Who gets that alpha.
    pub split: Split,
    /// What a registration costs, in rao of TAO: `Burn`.
    pub registration_cost_rao: Amount,
}

/// Who gets the alpha that is emitted. The four sum to one.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::staker_rpc) struct Split {
    /// The subnet's owner: `SubnetOwnerCut` / 65535, nothing where `OwnerCutEnabled` is off.
    pub owner: Fraction,
    /// Miners: half of what the owner leaves.
    pub miners: Fraction,
    /// Validators and their stakers: the other half without root's part.
    pub validators: Fraction,
    /// Root's stakers: rootProportion of that half.
    pub root: Fraction,
}

/// What the stakers of one validator earned.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::staker_rpc) struct Yield {
    /// The validator.
    pub hotkey: Account,
    /// How far back was asked; null for the last epoch alone.
    pub window: Option<Window>,
    /// The method, in words.
    pub method: &'static str,
    /// The method, as a formula over `inputs`, which are of the n epochs seen: with g_i = dividendsRao_i / stakeRao_i,
    /// percentPerEpoch = ((1 + g_1) * ... * (1 + g_n))^(1/n) - 1, percentPerYear = (1 + percentPerEpoch)^epochsPerYear - 1.
    pub formula: &'static str,
    /// Growth of stake in alpha in one epoch, in percent, the validator's take subtracted; null without stake.
    pub percent_per_epoch: Option<Decimal>,
    /// Growth of stake in alpha in a year of such epochs, dividends left staked, in percent (APY); null without stake, and where it is
    /// beyond 10^12 percent, as on chains whose epochs take seconds.
    pub percent_per_year: Option<Decimal>,
    /// Epochs in a year of 365.25 days: 31,557,600,000 / (tempo * blockTimeMs).
    pub epochs_per_year: Option<Decimal>,
    /// Blocks from one epoch to the next.
    pub tempo: u16,
    /// Milliseconds from block to block.
    pub block_time_ms: u64,
    /// The validator's take: `Delegates` / 65535. It is off the dividends already.
    pub take: Fraction,
    /// Epochs that paid something, of those seen.
    pub epochs_paid: usize,
    /// Epochs seen: as many as `inputs`.
    pub epochs_seen: usize,
    /// What it is computed from: one entry for each epoch, oldest first.
    pub inputs: Vec<YieldInput>,
}

/// One epoch's dividends, and on what.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::staker_rpc) struct YieldInput {
    /// The epoch, by the chain's index.
    pub epoch_index: u64,
    /// The finalised block at which both amounts were read.
    pub block: u32,
    /// Its hash.
    pub block_hash: Hash,
    /// Dividends of the epoch, the take subtracted, in rao of alpha: `AlphaDividendsPerSubnet`.
    pub dividends_rao: Amount,
    /// Alpha staked to the hotkey, in rao: `TotalHotkeyAlpha`.
    pub stake_rao: Amount,
}

/// What a trade would give.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::staker_rpc) struct Quote {
    /// TAO paid (staking) or received (withdrawing), in rao.
    pub tao_rao: Amount,
    /// Alpha received (staking) or paid (withdrawing), in rao.
    pub alpha_rao: Amount,
    /// The fee where it is taken in TAO, in rao.
    pub tao_fee_rao: Amount,
    /// The fee where it is taken in alpha, in rao.
    pub alpha_fee_rao: Amount,
    /// TAO lost to the price moving under the trade, in rao.
    pub tao_slippage_rao: Amount,
    /// Alpha lost to the price moving under the trade, in rao.
    pub alpha_slippage_rao: Amount,
}

/// What a coldkey has staked on this subnet.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::staker_rpc) struct Position {
    /// The coldkey.
    pub coldkey: Account,
    /// All of it, in rao of alpha.
    pub stake_rao: Amount,
    /// What withdrawing the valued parts one by one would give at this block, in rao of TAO.
    pub value_rao: Amount,
    /// By hotkey.
    pub stakes: Vec<StakeAnswer>,
}

/// What a coldkey has staked to one hotkey.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::staker_rpc) struct StakeAnswer {
    /// Who works with the stake.
    pub hotkey: Account,
    /// The stake, in rao of alpha.
    pub stake_rao: Amount,
    /// How much of it cannot be withdrawn now, in rao of alpha.
    pub locked_rao: Amount,
    /// What withdrawing it would give at this block, in rao of TAO, by the chain's Swap API; null beyond the first 16.
    pub value_rao: Option<Amount>,
    /// What it earned in the last epoch, in rao of alpha: the hotkey's dividendsRao * stakeRao / the hotkey's stakeRao; null where
    /// the hotkey is no validator here.
    pub earned_last_epoch_rao: Option<Amount>,
}

pub(in crate::staker_rpc) async fn economics(_: NoParams, at: At) -> Result<Economics, ErrorObjectOwned> {
    let market = at.market()?;
    let (economy, standing) = (&market.economy, &market.standing);
    let rest = MILLIONTHS.saturating_sub(standing.owner_cut_ppm);
    let miners = rest / 2;
    let root = (rest - miners) * standing.root_proportion_ppm / MILLIONTHS;
    let blocks_per_day = DAY_MS.checked_div(standing.block_time_ms).unwrap_or(0);
    let alpha = u128::from(economy.pool_alpha_rao) + u128::from(economy.alpha_out_rao);
    Ok(Economics {
        symbol: economy.symbol.clone(),
        price_rao: economy.price_rao.into(),
        ema_price_rao: economy.moving_price_rao.into(),
        tao_in_rao: economy.pool_tao_rao.into(),
        alpha_in_rao: economy.pool_alpha_rao.into(),
        alpha_out_rao: economy.alpha_out_rao.into(),
        market_cap_rao: (alpha.saturating_mul(economy.price_rao.into()) / RAO).into(),
        volume_rao: economy.volume_rao.into(),
        emission_share: Fraction(economy.emission_share_ppm()),
        emission_rank: standing.rank,
        subnets: standing.subnets,
        tier: match standing.rank {
            1..=32 => Some(1),
            33..=64 => Some(2),
            _ => None,
        },
        emission_enabled: standing.emission_enabled,
        burn_fraction: Fraction(standing.burned_ppm),
        root_proportion: Fraction(standing.root_proportion_ppm),
        tao_emission_rao: economy.tao_emission_rao.into(),
        alpha_in_emission_rao: economy.alpha_in_emission_rao.into(),
        alpha_out_emission_rao: economy.alpha_out_emission_rao.into(),
        chain_emission_rao: economy.chain_emission_rao.into(),
        block_time_ms: standing.block_time_ms,
        blocks_per_day,
        alpha_out_per_day_rao: (u128::from(economy.alpha_out_emission_rao) * u128::from(blocks_per_day))
            .into(),
        split: Split {
            owner: Fraction(MILLIONTHS - rest),
            miners: Fraction(miners),
            validators: Fraction(rest - miners - root),
            root: Fraction(root),
        },
        registration_cost_rao: at.chain.hyperparameters.burn_rao.into(),
    })
}

pub(in crate::staker_rpc) async fn percent(params: YieldParams, at: At) -> Result<Yield, ErrorObjectOwned> {
    let YieldParams { hotkey, window } = params;
    let hotkey = hotkey.unwrap_or(at.hotkey);
    let market = at.market()?;
    let now = *market.yields.get(&hotkey).ok_or_else(|| not_found("validator with a permit"))?;
    let since_ms = window.map_or(u64::MAX, |window| at.chain.timestamp_ms.saturating_sub(window.ms()));
    let mut seen: Vec<(YieldInput, YieldInputs)> = at
        .history
        .epochs_since(since_ms)
        .into_iter()
        .filter_map(|epoch| {
            let of = YieldInputs::from(*epoch.yields.get(&hotkey)?);
            Some((YieldInput::new(epoch.epoch_index, epoch.block, epoch.block_hash.into(), of), of))
        })
        .collect();
    if seen.is_empty() {
        let block = at.chain.block;
        let input = YieldInput::new(at.chain.epoch.epoch_index, block.number, Hash::of(block.hash), now);
        seen.push((input, now));
    }
    let growth = mean_growth(seen.iter().map(|(_, of)| of));
    let epochs_per_year = now.epochs_per_year();
    let yearly = growth.zip(epochs_per_year).map(|(growth, epochs)| (growth * epochs).exp_m1() * 100.0);
    Ok(Yield {
        hotkey: hotkey.into(),
        window,
        method: "geometric mean of the epochs' growth, compounded over a year",
        formula: "(prod(1 + dividendsRao / stakeRao))^(epochsPerYear / n) - 1",
        percent_per_epoch: growth.map(|growth| Decimal(growth.exp_m1() * 100.0)),
        percent_per_year: yearly.filter(|percent| *percent < 1e12).map(Decimal),
        epochs_per_year: epochs_per_year.map(Decimal),
        tempo: now.tempo,
        block_time_ms: now.block_time_ms,
        take: Fraction::of_u16(now.take),
        epochs_paid: seen.iter().filter(|(_, of)| of.dividends_rao > 0).count(),
        epochs_seen: seen.len(),
        inputs: seen.into_iter().map(|(input, _)| input).collect(),
    })
}

/// The mean of the logarithms of growth; `None` without stake.
pub(super) fn mean_growth<'a>(epochs: impl Iterator<Item = &'a YieldInputs>) -> Option<f64> {
    let of = |of: &YieldInputs| (of.dividends_rao as f64 / of.stake_rao as f64).ln_1p();
    let logs: Vec<f64> = epochs.filter(|of| of.stake_rao > 0).map(of).collect();
    (!logs.is_empty()).then(|| logs.iter().sum::<f64>() / logs.len() as f64)
}

pub(in crate::staker_rpc) async fn quote_stake(
    params: AmountParams,
    at: At,
) -> Result<Quote, ErrorObjectOwned> {
    let quote = at.desk.stake(rao(&params)?, at.chain.block).await;
    quote.map(Into::into).map_err(|error| desk(&error))
}

pub(in crate::staker_rpc) async fn quote_unstake(
    params: AmountParams,
    at: At,
) -> Result<Quote, ErrorObjectOwned> {
    let quote = at.desk.unstake(rao(&params)?, at.chain.block).await;
    quote.map(Into::into).map_err(|error| desk(&error))
}

fn rao(params: &AmountParams) -> Result<u64, ErrorObjectOwned> {
    let rao = params.amount.parse().ok().filter(|rao| *rao > 0);
    rao.ok_or_else(|| invalid("amount must be rao as decimal digits, 1 to 18446744073709551615"))
}

pub(in crate::staker_rpc) async fn position(
    params: ColdkeyParams,
    at: At,
) -> Result<Position, ErrorObjectOwned> {
    let (coldkey, netuid, block) = (params.coldkey, at.chain.metagraph.netuid, at.chain.block);
    let held = at.desk.positions(coldkey, block).await.map_err(|error| desk(&error))?;
    let market = at.market()?;
    let mut stakes = Vec::new();
    let (mut stake_rao, mut value_rao) = (0_u128, 0_u128);
    for (place, stake) in held.into_iter().filter(|stake| stake.netuid == netuid).enumerate() {
        let mut value = None;
        if place < POSITIONS_MAX && stake.stake_rao > 0 {
            let quote = at.desk.unstake(stake.stake_rao, block).await.map_err(|error| desk(&error))?;
            value = Some(Amount::from(quote.tao_rao));
            value_rao += u128::from(quote.tao_rao);
        }
        stake_rao += u128::from(stake.stake_rao);
        let earned = market.yields.get(&stake.hotkey).map(|of| {
            let share = u128::from(of.dividends_rao) * u128::from(stake.stake_rao);
            Amount(share.checked_div(of.stake_rao.into()).unwrap_or(0))
        });
        stakes.push(StakeAnswer {
            hotkey: stake.hotkey.into(),
            stake_rao: stake.stake_rao.into(),
            locked_rao: stake.locked_rao.into(),
            value_rao: value,
            earned_last_epoch_rao: earned,
        });
    }
    Ok(Position {
        coldkey: coldkey.into(),
        stake_rao: Amount(stake_rao),
        value_rao: Amount(value_rao),
        stakes,
    })
}

impl YieldInput {
    fn new(epoch_index: u64, block: u32, block_hash: Hash, of: YieldInputs) -> Self {
        Self {
            epoch_index,
            block,
            block_hash,
            dividends_rao: of.dividends_rao.into(),
            stake_rao: of.stake_rao.into(),
        }
    }
}

impl From<SwapQuote> for Quote {
    fn from(quote: SwapQuote) -> Self {
        Self {
            tao_rao: quote.tao_rao.into(),
            alpha_rao: quote.alpha_rao.into(),
            tao_fee_rao: quote.tao_fee_rao.into(),
            alpha_fee_rao: quote.alpha_fee_rao.into(),
            tao_slippage_rao: quote.tao_slippage_rao.into(),
            alpha_slippage_rao: quote.alpha_slippage_rao.into(),
        }
    }
}
