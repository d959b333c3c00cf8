//! The accounts a dev chain starts with: the well-known development keys.

use parity_scale_codec::{Compact, Encode as _};
use sp_core::{H256, Pair as _, sr25519};
use sp_crypto_hashing::blake2_256;
use sp_runtime::AccountId32;

use crate::runtime::VERSION;

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
    let pair = sr25519::Pair::from_string(uri, None).ok()?;
    Some(pair.public().into())
}

/// An encoded call, signed as the real chain's clients do, without an end to its life: what `author_submitExtrinsic` takes.
pub fn sign(pair: &sr25519::Pair, nonce: u32, genesis: H256, call: &[u8]) -> Vec<u8> {
    // Immortal; the nonce; no tip; no metadata hash.
    let mut extra = vec![0];
    Compact(nonce).encode_to(&mut extra);
    extra.extend([0, 0]);
    let mut payload = [call, &extra].concat();
    payload.extend(VERSION.spec_version.to_le_bytes());
    payload.extend(VERSION.transaction_version.to_le_bytes());
    payload.extend([genesis.0, genesis.0].concat());
    payload.push(0);
    if payload.len() > 256 {
        payload = blake2_256(&payload).to_vec();
    }
    // Version 4, signed; an address by account; a signature of sr25519.
    let mut bytes = vec![0x84, 0];
    bytes.extend(pair.public().0);
    bytes.push(1);
    bytes.extend(pair.sign(&payload).0);
    bytes.extend(extra);
    bytes.extend(call);
    bytes.encode()
}
