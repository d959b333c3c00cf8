//! What stakers want to know: prices, pools, emission, what a validator pays, what a coldkey holds, and what a trade gives.
//!
//! Everything is computed by the chain at one block; only [`YieldInputs::percent_per_year`] is an estimate of ours.

use chain_metadata::subtensor;
use chain_metadata::subtensor::runtime_types::pallet_subtensor_swap_runtime_api::SimSwapResult;
use chain_metadata::subtensor::runtime_types::subtensor_runtime_common::NetUid;
use chain_metadata::subtensor::runtime_types::subtensor_runtime_common::currency::{
    AlphaBalance, TaoBalance,
};
use protocol::AccountId;
use subxt::utils::AccountId32;

use super::{check_existence, want_existence};
use crate::blocks::BlockRef;
use crate::client::ChainClient;
use crate::error::{Fault, QueryError};

const YEAR_MS: f64 = 365.25 * 24.0 * 60.0 * 60.0 * 1000.0;
/// What is more than this says only that the chain is too fast for a year to mean anything.
const PERCENT_PER_YEAR_MAX: f64 = 1e12;

/// A subnet's market and emission at one block. Amounts in rao.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SubnetEconomy {
    /// The subnet.
    pub netuid: u16,
    /// The block.
    pub block: BlockRef,
    /// The token's symbol.
    pub symbol: String,
    /// What one alpha costs now, in rao of TAO, without fee and slippage.
    pub price_rao: u64,
    /// The chain's slow average of that price, which decides the subnet's share of emission; in rao of TAO.
    pub moving_price_rao: u64,
    /// TAO in the pool.
    pub pool_tao_rao: u64,
    /// Alpha in the pool.
    pub pool_alpha_rao: u64,
    /// Alpha outside of the pool: staked.
    pub alpha_out_rao: u64,
    /// TAO traded since the subnet began.
    pub volume_rao: u128,
    /// TAO that the chain emits to the subnet each block: what joins the pool at its price, and the excess that buys alpha.
    pub tao_emission_rao: u64,
    /// Alpha that enters the pool each block.
    pub alpha_in_emission_rao: u64,
    /// Alpha that goes to owner, miners, validators and stakers each block.
    pub alpha_out_emission_rao: u64,
    /// TAO that the whole chain emits each block.
    pub chain_emission_rao: u64,
}

/// What one hotkey's stakers earned in the last epoch, and on what. Amounts in rao of alpha.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct YieldInputs {
    /// Dividends of the last epoch, the validator's own take subtracted.
    pub dividends_rao: u64,
    /// Alpha staked to the hotkey.
    pub stake_rao: u64,
    /// The validator's take, out of 65,535.
    pub take: u16,
    /// Blocks from one epoch to the next.
    pub tempo: u16,
    /// The chain's block time, in milliseconds.
    pub block_time_ms: u64,
}

/// What a coldkey has staked to one hotkey on one subnet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StakePosition {
    /// Who works with the stake.
    pub hotkey: AccountId,
    /// The subnet; 0 is root.
    pub netuid: u16,
    /// The stake, in rao of the subnet's alpha (of TAO on root).
    pub stake_rao: u64,
    /// How much of it cannot be withdrawn.
    pub locked_rao: u64,
    /// The hotkey's emission in the last epoch, in rao of alpha.
    pub emission_rao: u64,
    /// Whether the hotkey is registered on the subnet.
    pub is_registered: bool,
}

/// What a trade would give at this block, computed by the chain. Amounts in rao.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SwapQuote {
    /// TAO paid or received.
    pub tao_rao: u64,
    /// Alpha received or paid.
    pub alpha_rao: u64,
    /// The fee, where it is taken in TAO.
    pub tao_fee_rao: u64,
    /// The fee, where it is taken in alpha.
    pub alpha_fee_rao: u64,
    /// TAO lost to the price moving under the trade.
    pub tao_slippage_rao: u64,
    /// Alpha lost to the price moving under the trade.
    pub alpha_slippage_rao: u64,
}

impl SubnetEconomy {
    /// The subnet's share of the chain's emission of TAO, in millionths.
    pub fn emission_share_ppm(&self) -> u64 {
        let share = u128::from(self.tao_emission_rao) * 1_000_000;
        share
            .checked_div(self.chain_emission_rao.into())
            .map_or(0, |ppm| u64::try_from(ppm).unwrap_or(u64::MAX))
    }
}

impl YieldInputs {
    /// How many epochs a year has; `None` where epochs never run.
    pub fn epochs_per_year(&self) -> Option<f64> {
        let epoch_ms = u64::from(self.tempo).checked_mul(self.block_time_ms).filter(|ms| *ms > 0)?;
        Some(YEAR_MS / epoch_ms as f64)
    }

    /// What the stake would grow by in a year in alpha, in percent, if every epoch paid as the last one and dividends were
    /// left staked. `None` without stake or epochs, and where epochs follow each other so fast that no number is left to tell,
    /// as on chains for development.
    pub fn percent_per_year(&self) -> Option<f64> {
        let per_epoch = (self.stake_rao > 0).then(|| self.dividends_rao as f64 / self.stake_rao as f64)?;
        let percent = (per_epoch.ln_1p() * self.epochs_per_year()?).exp_m1() * 100.0;
        (percent < PERCENT_PER_YEAR_MAX).then_some(percent)
    }
}

impl ChainClient {
    /// A subnet's market and emission: two runtime calls and one storage request.
    pub async fn economy(&self, netuid: u16, at: BlockRef) -> Result<SubnetEconomy, QueryError> {
        self.bounded("reading the subnet's economy", async {
            let mut reader = self.reader(at).await?;
            let apis = subtensor::runtime_apis();
            let module = subtensor::storage().subtensor_module();
            let key = || (NetUid(netuid),);
            let exists = want_existence(&mut reader, netuid)?;
            let symbol = reader.want(module.token_symbol(), key())?;
            let moving_price = reader.want(module.subnet_moving_price(), key())?;
            let pool_tao = reader.want(module.subnet_tao(), key())?;
            let pool_alpha = reader.want(module.subnet_alpha_in(), key())?;
            let alpha_out = reader.want(module.subnet_alpha_out(), key())?;
            let volume = reader.want(module.subnet_volume(), key())?;
            let tao_emission = reader.want(module.subnet_tao_in_emission(), key())?;
            let excess = reader.want(module.subnet_excess_tao(), key())?;
            let alpha_in_emission = reader.want(module.subnet_alpha_in_emission(), key())?;
            let alpha_out_emission = reader.want(module.subnet_alpha_out_emission(), key())?;
            let values = reader.fetch().await?;
            check_existence(values.value(&exists)?, netuid)?;
            let price = reader.call(apis.swap_runtime_api().current_alpha_price(NetUid(netuid))).await?;
            let emission = reader.call(apis.subnet_info_runtime_api().get_block_emission()).await?;
            Ok(SubnetEconomy {
                netuid,
                block: at,
                symbol: String::from_utf8_lossy(&values.value(&symbol)?).into_owned(),
                price_rao: price,
                moving_price_rao: rao_of_fixed(values.value(&moving_price)?.bits),
                pool_tao_rao: values.value(&pool_tao)?.0,
                pool_alpha_rao: values.value(&pool_alpha)?.0,
                alpha_out_rao: values.value(&alpha_out)?.0,
                volume_rao: values.value(&volume)?,
                tao_emission_rao: values.value(&tao_emission)?.0.saturating_add(values.value(&excess)?.0),
                alpha_in_emission_rao: values.value(&alpha_in_emission)?.0,
                alpha_out_emission_rao: values.value(&alpha_out_emission)?.0,
                chain_emission_rao: emission.0,
            })
        })
        .await
    }

    /// What the last epoch paid to a hotkey's stakers, and on what: one storage request.
    pub async fn yield_inputs(
        &self,
        netuid: u16,
        hotkey: &AccountId,
        at: BlockRef,
    ) -> Result<YieldInputs, QueryError> {
        self.bounded("reading a validator's dividends", async {
            let mut reader = self.reader(at).await?;
            let module = subtensor::storage().subtensor_module();
            let hotkey = AccountId32(hotkey.0);
            let exists = want_existence(&mut reader, netuid)?;
            let dividends = reader.want(module.alpha_dividends_per_subnet(), (NetUid(netuid), hotkey))?;
            let stake = reader.want(module.total_hotkey_alpha(), (hotkey, NetUid(netuid)))?;
            let take = reader.want(module.delegates(), (hotkey,))?;
            let tempo = reader.want(module.tempo(), (NetUid(netuid),))?;
            let block_time_ms = reader.constant(subxt::constants::dynamic::<u64>("Aura", "SlotDuration"))?;
            let values = reader.fetch().await?;
            check_existence(values.value(&exists)?, netuid)?;
            Ok(YieldInputs {
                dividends_rao: values.value(&dividends)?.0,
                stake_rao: values.value(&stake)?.0,
                take: values.value(&take)?.0,
                tempo: values.value(&tempo)?,
                block_time_ms,
            })
        })
        .await
    }

    /// Everything a coldkey has staked, on every subnet: one runtime call.
    pub async fn stake_positions(
        &self,
        coldkey: &AccountId,
        at: BlockRef,
    ) -> Result<Vec<StakePosition>, QueryError> {
        self.bounded("reading stakes", async {
            let reader = self.reader(at).await?;
            let api = subtensor::runtime_apis().stake_info_runtime_api();
            let infos = reader.call(api.get_stake_info_for_coldkey(AccountId32(coldkey.0))).await?;
            let mut positions: Vec<_> = infos
                .into_iter()
                .map(|info| StakePosition {
                    hotkey: AccountId(info.hotkey.0),
                    netuid: info.netuid.0,
                    stake_rao: info.stake.0,
                    locked_rao: info.locked,
                    emission_rao: info.emission.0,
                    is_registered: info.is_registered,
                })
                .collect();
            positions.sort_by_key(|position| (position.netuid, position.hotkey));
            Ok(positions)
        })
        .await
    }

    /// What staking this much TAO would give.
    pub async fn quote_stake(
        &self,
        netuid: u16,
        tao_rao: u64,
        at: BlockRef,
    ) -> Result<SwapQuote, QueryError> {
        let call = subtensor::runtime_apis().swap_runtime_api();
        let call = call.sim_swap_tao_for_alpha(NetUid(netuid), TaoBalance(tao_rao));
        self.quote(netuid, call, at).await
    }

    /// What withdrawing this much alpha would give.
    pub async fn quote_unstake(
        &self,
        netuid: u16,
        alpha_rao: u64,
        at: BlockRef,
    ) -> Result<SwapQuote, QueryError> {
        let call = subtensor::runtime_apis().swap_runtime_api();
        let call = call.sim_swap_alpha_for_tao(NetUid(netuid), AlphaBalance(alpha_rao));
        self.quote(netuid, call, at).await
    }

    /// The chain quotes nothing but zeroes for subnets that do not exist, so that is asked too.
    async fn quote(
        &self,
        netuid: u16,
        call: impl subxt::runtime_apis::Payload<ReturnType = SimSwapResult>,
        at: BlockRef,
    ) -> Result<SwapQuote, QueryError> {
        self.bounded("asking for a quote", async {
            let mut reader = self.reader(at).await?;
            let exists = want_existence(&mut reader, netuid)?;
            let exists = reader.fetch().await?.value(&exists)?;
            check_existence(exists, netuid)?;
            Ok::<_, Fault>(SwapQuote::of(reader.call(call).await?))
        })
        .await
    }
}

impl SwapQuote {
    fn of(result: SimSwapResult) -> Self {
        Self {
            tao_rao: result.tao_amount.0,
            alpha_rao: result.alpha_amount.0,
            tao_fee_rao: result.tao_fee.0,
            alpha_fee_rao: result.alpha_fee.0,
            tao_slippage_rao: result.tao_slippage.0,
            alpha_slippage_rao: result.alpha_slippage.0,
        }
    }
}

/// A fixed-point number with 32 fractional bits, in billionths.
fn rao_of_fixed(bits: i128) -> u64 {
    let rao = u128::try_from(bits).map_or(0, |bits| bits.saturating_mul(1_000_000_000) >> 32);
    u64::try_from(rao).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_price_with_binary_fraction_is_given_in_rao() {
        assert_eq!(rao_of_fixed(1 << 32), 1_000_000_000);
        assert_eq!(rao_of_fixed(1 << 31), 500_000_000);
        assert_eq!(rao_of_fixed(-1), 0);
        assert_eq!(rao_of_fixed(i128::MAX), u64::MAX);
    }

    #[test]
    fn a_year_of_epochs_compounds() {
        let inputs = YieldInputs {
            dividends_rao: 1_000,
            stake_rao: 1_000_000,
            take: 0,
            tempo: 360,
            block_time_ms: 12_000,
        };
        let epochs = inputs.epochs_per_year().unwrap();
        assert!((epochs - 7_305.0).abs() < 0.001, "{epochs}");
        let percent = YieldInputs { dividends_rao: 10, ..inputs }.percent_per_year().unwrap();
        // 7,305 epochs of 10 in a million: e^0.07305 - 1.
        assert!((percent - 7.578).abs() < 0.001, "{percent}");
        assert_eq!(YieldInputs { stake_rao: 0, ..inputs }.percent_per_year(), None);
        assert_eq!(YieldInputs { tempo: 0, ..inputs }.percent_per_year(), None);
        assert_eq!(YieldInputs { dividends_rao: 0, ..inputs }.percent_per_year(), Some(0.0));
        assert_eq!(YieldInputs { block_time_ms: 1, ..inputs }.percent_per_year(), None, "too fast a chain");
    }

    #[test]
    fn the_share_of_emission_is_in_millionths() {
        let economy = SubnetEconomy {
            netuid: 64,
            block: BlockRef { number: 1, hash: [0; 32] },
            symbol: String::new(),
            price_rao: 0,
            moving_price_rao: 0,
            pool_tao_rao: 0,
            pool_alpha_rao: 0,
            alpha_out_rao: 0,
            volume_rao: 0,
            tao_emission_rao: 5_000_000,
            alpha_in_emission_rao: 0,
            alpha_out_emission_rao: 0,
            chain_emission_rao: 500_000_000,
        };
        assert_eq!(economy.emission_share_ppm(), 10_000);
        assert_eq!(SubnetEconomy { chain_emission_rao: 0, ..economy }.emission_share_ppm(), 0);
    }
}
