//! Several validators' tables as one: what an auditor sets who has verified them all.

use std::collections::BTreeMap;

use super::ScoreTable;
use super::apportion::{largest_remainder, share_floor};
use crate::account::AccountId;

/// A validator's table with what bounds its say.
#[derive(Debug, Clone, Copy)]
pub struct ValidatorTable<'t> {
    /// The validator's stake weight on the chain, in rao.
    pub stake: u64,
    /// Its verified scores.
    pub table: &'t ScoreTable,
}

/// The miners' points over all validators, in the order of hotkeys. They sum to 10,000, or are all zero.
///
/// A validator's say is its share of the stake of all whose tables score anybody: however many receipts it writes, they
/// weigh at most that.
pub fn merge(validators: &[ValidatorTable<'_>]) -> Vec<(AccountId, u32)> {
    let speaks =
        |validator: &&ValidatorTable<'_>| validator.table.rows.iter().any(|row| row.basis_points > 0);
    let stakes = validators.iter().filter(speaks).map(|validator| u128::from(validator.stake));
    let stake_total = stakes.fold(0, u128::saturating_add);
    let mut quotas: BTreeMap<AccountId, u128> = BTreeMap::new();
    for validator in validators {
        let say = share_floor(validator.stake.into(), stake_total);
        for row in &validator.table.rows {
            // A share is at most 10^18 and points are at most 10^4: far below 2^128 for any number of validators.
            let part = say.saturating_mul(row.basis_points.into());
            let quota = quotas.entry(row.hotkey).or_default();
            *quota = quota.saturating_add(part);
        }
    }
    let points = largest_remainder(&quotas.values().copied().collect::<Vec<_>>());
    quotas.into_keys().zip(points).collect()
}
