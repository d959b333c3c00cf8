//! The accounts a dev chain starts with: the well-known development keys.

use sp_runtime::AccountId32;

/// One TAO in rao.
pub const TAO: u64 = 1_000_000_000;

/// A development account.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct DevAccount {
    /// Its name: the secret is `//Name` on the well-known development phrase.
    pub name: &'static str,
    /// Its account.
    pub account: AccountId32,
    /// What it has at genesis, in rao.
    pub balance_rao: u64,
}

/// Rich accounts first, as on the real local chain.
pub fn dev_accounts() -> Vec<DevAccount> {
    const RICH: u64 = 1_000_000 * TAO;
    const WELL_OFF: u64 = 2_000 * TAO;
    [
        ("Alice", RICH),
        ("Bob", RICH),
        ("Charlie", RICH),
        ("Dave", WELL_OFF),
        ("Eve", WELL_OFF),
        ("Ferdie", WELL_OFF),
        ("One", WELL_OFF),
        ("Two", WELL_OFF),
        ("Three", WELL_OFF),
    ]
    .into_iter()
    .map(|(name, balance_rao)| DevAccount {
        name,
        account: dev_account(&format!("//{name}")).expect("a hard junction is a valid development key"),
        balance_rao,
    })
    .collect()
}

/// The account of a development key, such as `//Alice` or `//Alice//hotkey`.
pub fn dev_account(uri: &str) -> Option<AccountId32> {
    use sp_core::Pair as _;
    let pair = sp_core::sr25519::Pair::from_string(uri, None).ok()?;
    Some(pair.public().into())
}
