//! How a subnet stands among all others, who shares in what it emits, and what its validators paid their stakers.

use chain_metadata::subtensor;
use chain_metadata::subtensor::runtime_types::subtensor_runtime_common::NetUid;
use protocol::AccountId;
use subxt::utils::AccountId32;

use super::economy::YieldInputs;
use super::{check_existence, want_existence};
use crate::blocks::BlockRef;
use crate::client::ChainClient;
use crate::error::{Fault, QueryError};

/// What a whole is in the fractions below.
pub const MILLIONTHS: u64 = 1_000_000;

/// A subnet's place among all subnets but root, and how its emission is divided. Fractions are in millionths.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EmissionStanding {
    /// Its place by moving price times the part of miners' emission that is not burned, 1 being the best; subnets with
    /// the same product share the better place.
    pub rank: u32,
    /// How many subnets there are, root aside.
    pub subnets: u32,
    /// Part of the miners' emission that was burned because it went to the subnet owner's hotkeys.
    pub burned_ppm: u64,
    /// Root's part of what backs the subnet.
    pub root_proportion_ppm: u64,
    /// The owner's part of the alpha emitted; 0 where it is switched off.
    pub owner_cut_ppm: u64,
    /// Whether the chain lets the subnet emit at all.
    pub emission_enabled: bool,
    /// The chain's block time, in milliseconds.
    pub block_time_ms: u64,
}

impl ChainClient {
    /// A subnet's place among all: a page of keys and two storage requests.
    pub async fn emission_standing(&self, netuid: u16, at: BlockRef) -> Result<EmissionStanding, QueryError> {
        self.bounded("reading the subnet's standing", async {
            let module = subtensor::storage().subtensor_module();
            let mut reader = self.reader(at).await?;
            let keys = reader.keys_under(module.networks_added(), ()).await?;
            // The key's last part is the netuid as it is.
            let netuids =
                keys.iter().filter_map(|key| key.last_chunk::<2>()).copied().map(u16::from_le_bytes);
            let block_time_ms = reader.constant(subxt::constants::dynamic::<u64>("Aura", "SlotDuration"))?;
            let exists = want_existence(&mut reader, netuid)?;
            let root_proportion = reader.want(module.root_prop(), (NetUid(netuid),))?;
            let owner_cut = reader.want(module.subnet_owner_cut(), ())?;
            let owner_cut_enabled = reader.want(module.owner_cut_enabled(), (NetUid(netuid),))?;
            let emission_enabled = reader.want(module.subnet_emission_enabled(), (NetUid(netuid),))?;
            let mut slots = Vec::new();
            for netuid in netuids.filter(|netuid| *netuid != 0) {
                let key = || (NetUid(netuid),);
                let price = reader.want(module.subnet_moving_price(), key())?;
                let burned = reader.want(module.miner_burned(), key())?;
                slots.push((netuid, price, burned));
            }
            let values = reader.fetch().await?;
            check_existence(values.value(&exists)?, netuid)?;
            let mut others = Vec::with_capacity(slots.len());
            let mut own = (0, 0);
            for (of, price, burned) in &slots {
                let price = u128::try_from(values.value(price)?.bits).unwrap_or(0);
                let burned_ppm = ppm_of_fixed(values.value(burned)?.bits);
                let kept = u128::from(MILLIONTHS.saturating_sub(burned_ppm));
                let value = price.saturating_mul(kept);
                others.push(value);
                if *of == netuid {
                    own = (value, burned_ppm);
                }
            }
            let (value, burned_ppm) = own;
            let better = others.iter().filter(|other| **other > value).count();
            let cut = u64::from(values.value(&owner_cut)?) * MILLIONTHS / u64::from(u16::MAX);
            Ok::<_, Fault>(EmissionStanding {
                rank: u32::try_from(better).unwrap_or(u32::MAX).saturating_add(1),
                subnets: u32::try_from(others.len()).unwrap_or(u32::MAX),
                burned_ppm,
                root_proportion_ppm: ppm_of_fixed(values.value(&root_proportion)?.bits),
                owner_cut_ppm: if values.value(&owner_cut_enabled)? { cut } else { 0 },
                emission_enabled: values.value(&emission_enabled)?,
                block_time_ms,
            })
        })
        .await
    }

    /// What the last epoch paid to the stakers of each of these hotkeys, and on what, in the same order: one storage
    /// request for all.
    pub async fn yields(
        &self,
        netuid: u16,
        hotkeys: &[AccountId],
        at: BlockRef,
    ) -> Result<Vec<YieldInputs>, QueryError> {
        self.bounded("reading the validators' dividends", async {
            let mut reader = self.reader(at).await?;
            let module = subtensor::storage().subtensor_module();
            let exists = want_existence(&mut reader, netuid)?;
            let tempo = reader.want(module.tempo(), (NetUid(netuid),))?;
            let block_time_ms = reader.constant(subxt::constants::dynamic::<u64>("Aura", "SlotDuration"))?;
            let mut slots = Vec::with_capacity(hotkeys.len());
            for hotkey in hotkeys {
                let hotkey = AccountId32(hotkey.0);
                let dividends = reader.want(module.alpha_dividends_per_subnet(), (NetUid(netuid), hotkey))?;
                let stake = reader.want(module.total_hotkey_alpha(), (hotkey, NetUid(netuid)))?;
                slots.push((dividends, stake, reader.want(module.delegates(), (hotkey,))?));
            }
            let values = reader.fetch().await?;
            check_existence(values.value(&exists)?, netuid)?;
            let tempo = values.value(&tempo)?;
            let inputs = slots.iter().map(|(dividends, stake, take)| {
                Ok(YieldInputs {
                    dividends_rao: values.value(dividends)?.0,
                    stake_rao: values.value(stake)?.0,
                    take: values.value(take)?.0,
                    tempo,
                    block_time_ms,
                })
            });
            inputs.collect::<Result<Vec<_>, Fault>>()
        })
        .await
    }
}

/// A fixed-point fraction with 32 fractional bits, in millionths, never more than a whole.
fn ppm_of_fixed(bits: u128) -> u64 {
    let ppm = bits.saturating_mul(MILLIONTHS.into()) >> 32;
    u64::try_from(ppm).unwrap_or(MILLIONTHS).min(MILLIONTHS)
}

#[cfg(test)]
mod tests {
    use super::ppm_of_fixed;

    #[test]
    fn a_binary_fraction_is_given_in_millionths() {
        assert_eq!(ppm_of_fixed(1 << 31), 500_000);
        assert_eq!(ppm_of_fixed(0), 0);
        assert_eq!(ppm_of_fixed(u128::MAX), 1_000_000);
    }
}
