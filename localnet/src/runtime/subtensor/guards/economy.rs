//! The guards of calls about stake, keys and subnets: the checks the call itself begins with.

use sp_runtime::AccountId32;

use super::PoolRefusal;
use crate::runtime::{
    numbers::{AlphaBalance, NetUid, TaoBalance},
    subtensor::{
        Call, Config, Error, Pallet,
        calls::{Limit, Position, Transition, work::Work},
    },
    swap::curve::Side,
};

impl<T: Config> Pallet<T> {
    pub(super) fn guard_economy(who: &AccountId32, call: &Call<T>) -> Result<(), PoolRefusal> {
        match call {
            Call::add_stake { hotkey, netuid, amount_staked } => {
                Self::guard_add_stake(position(who, hotkey, *netuid), *amount_staked, None)
            }
            Call::add_stake_limit { hotkey, netuid, amount_staked, limit_price, allow_partial } => {
                let limit = Limit { price: *limit_price, partial: *allow_partial };
                Self::guard_add_stake(position(who, hotkey, *netuid), *amount_staked, Some(limit))
            }
            Call::remove_stake { hotkey, netuid, amount_unstaked } => {
                Self::guard_remove_stake(position(who, hotkey, *netuid), *amount_unstaked, None)
            }
            Call::remove_stake_limit { hotkey, netuid, amount_unstaked, limit_price, allow_partial } => {
                let limit = Limit { price: *limit_price, partial: *allow_partial };
                Self::guard_remove_stake(position(who, hotkey, *netuid), *amount_unstaked, Some(limit))
            }
            Call::remove_stake_full_limit { hotkey, netuid, limit_price } => {
                let limit = limit_price.map(|price| Limit { price, partial: false });
                let all = Self::stake_of(hotkey, who, *netuid);
                Self::guard_remove_stake(position(who, hotkey, *netuid), all, limit)
            }
            Call::unstake_all { hotkey } => Self::guard_sale(who, hotkey, Self::all_subnets()),
            Call::unstake_all_alpha { hotkey } => Self::guard_sale(who, hotkey, Self::subnets()),
            _ => Self::guard_moves(who, call),
        }
    }

    fn guard_moves(who: &AccountId32, call: &Call<T>) -> Result<(), PoolRefusal> {
        match call {
            Call::move_stake {
                origin_hotkey,
                destination_hotkey,
                origin_netuid,
                destination_netuid,
                alpha_amount,
            } => Self::guard_transition(Transition {
                from: position(who, origin_hotkey, *origin_netuid),
                to: position(who, destination_hotkey, *destination_netuid),
                alpha: *alpha_amount,
                limit: None,
                transfer: false,
            }),
            Call::transfer_stake {
                destination_coldkey,
                hotkey,
                origin_netuid,
                destination_netuid,
                alpha_amount,
            } => Self::guard_transition(Transition {
                from: position(who, hotkey, *origin_netuid),
                to: position(destination_coldkey, hotkey, *destination_netuid),
                alpha: *alpha_amount,
                limit: None,
                transfer: true,
            }),
            Call::swap_stake { hotkey, origin_netuid, destination_netuid, alpha_amount } => {
                Self::guard_transition(Transition {
                    from: position(who, hotkey, *origin_netuid),
                    to: position(who, hotkey, *destination_netuid),
                    alpha: *alpha_amount,
                    limit: None,
                    transfer: false,
                })
            }
            Call::swap_stake_limit {
                hotkey,
                origin_netuid,
                destination_netuid,
                alpha_amount,
                limit_price,
                allow_partial,
            } => Self::guard_transition(Transition {
                from: position(who, hotkey, *origin_netuid),
                to: position(who, hotkey, *destination_netuid),
                alpha: *alpha_amount,
                limit: Some(Limit { price: *limit_price, partial: *allow_partial }),
                transfer: false,
            }),
            _ => Self::guard_keys(who, call),
        }
    }

    fn guard_keys(who: &AccountId32, call: &Call<T>) -> Result<(), PoolRefusal> {
        match call {
            Call::register_network { hotkey } => {
                Self::check_register_network(who, hotkey, None).map(|_| ())?
            }
            Call::register_network_with_identity { hotkey, identity } => {
                Self::check_register_network(who, hotkey, identity.as_ref()).map(|_| ())?;
            }
            Call::pow_register { netuid, work_block, nonce, work, hotkey } => {
                let work = Work { block: *work_block, nonce: *nonce, seal: *work };
                Self::check_pow_register(who, *netuid, hotkey, work)?;
            }
            Call::decrease_take { hotkey, take } => Self::check_decrease_take(who, hotkey, *take)?,
            Call::increase_take { hotkey, take } => Self::check_increase_take(who, hotkey, *take)?,
            _ => {}
        }
        Ok(())
    }

    fn guard_add_stake(
        position: Position<'_>,
        amount: TaoBalance,
        limit: Option<Limit>,
    ) -> Result<(), PoolRefusal> {
        let most = Self::most_to_offer(position.netuid, Side::Buy, limit)?;
        Ok(Self::check_add_stake(position, amount, most, limit)?)
    }

    fn guard_remove_stake(
        position: Position<'_>,
        alpha: AlphaBalance,
        limit: Option<Limit>,
    ) -> Result<(), PoolRefusal> {
        let most = Self::most_to_offer(position.netuid, Side::Sell, limit)?;
        Ok(Self::check_remove_stake(position, alpha, most, limit)?)
    }

    fn guard_sale(who: &AccountId32, hotkey: &AccountId32, netuids: Vec<NetUid>) -> Result<(), PoolRefusal> {
        if !crate::runtime::subtensor::Owner::<T>::contains_key(hotkey) {
            return Err(PoolRefusal::HotkeyAccountDoesntExist);
        }
        if Self::sellable(who, hotkey, netuids).is_empty() {
            return Err(Error::<T>::AmountTooLow.into());
        }
        Ok(())
    }

    fn guard_transition(transition: Transition<'_>) -> Result<(), PoolRefusal> {
        Self::check_transition(&transition).map(|_| ()).map_err(PoolRefusal::from)
    }
}

fn position<'a>(coldkey: &'a AccountId32, hotkey: &'a AccountId32, netuid: NetUid) -> Position<'a> {
    Position { coldkey, hotkey, netuid }
}
