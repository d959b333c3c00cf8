//! Which miner has a prompt's beginning in its cache: calls that begin alike go to the same miner, as long as it is not overrun.
//!
//! A prompt's key is a hash over its leading blocks, so that a shared system prompt or a growing conversation keeps its key. Each
//! key orders all miners by rendezvous hashing: a miner that joins or leaves moves only the keys that it gains or loses. The
//! load is bounded as in consistent hashing with bounded loads: the first miner in that order takes the call unless it carries
//! more than a set share above the average; then the next does. Pure, and a matter of speed only: a wrong guess costs a prefill.

use protocol::account::AccountId;

/// How prompts are keyed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AffinityPolicy {
    /// Bytes of one block.
    pub block_bytes: usize,
    /// Leading blocks that make the key. A prompt of less than one block has no key.
    pub blocks_max: usize,
    /// Load above the average up to which a miner takes the calls of its keys, in percent.
    pub excess_percent: u64,
}

/// A prompt's key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PrefixKey(u64);

/// The key of a request's prompt, or `None` when the prompt is too short to be worth a cache. `body` is the request's JSON: the
/// prompt is taken to be what follows the first `"messages"`, `"prompt"` or `"input"` key, as the client wrote it. The same
/// client writes the same beginning the same way, which is all that is needed.
#[must_use]
pub fn prefix_key(policy: AffinityPolicy, body: &[u8]) -> Option<PrefixKey> {
    let prompt = prompt_of(body)?;
    let blocks = (prompt.len() / policy.block_bytes.max(1)).min(policy.blocks_max);
    let leading = prompt.get(..blocks.checked_mul(policy.block_bytes)?)?;
    (!leading.is_empty()).then(|| PrefixKey(hash(leading, 0)))
}

/// A miner that could take the call, as the affinity sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bearer {
    /// Its hotkey.
    pub hotkey: AccountId,
    /// What it carries, per unit of what it can carry; any unit, the same for all.
    pub load: u64,
}

/// Index of the miner that the key leads to, or `None` when there is nobody. `call_load` is what the call would add to an
/// average miner: with little or no load every miner may take one call.
#[must_use]
pub fn prefer(policy: AffinityPolicy, key: PrefixKey, bearers: &[Bearer], call_load: u64) -> Option<usize> {
    let count = u64::try_from(bearers.len()).ok().filter(|count| *count > 0)?;
    let sum = bearers.iter().fold(call_load, |sum, bearer| sum.saturating_add(bearer.load));
    let bound = (sum / count).saturating_mul(policy.excess_percent.saturating_add(100)) / 100;
    let within = |bearer: &Bearer| bearer.load <= bound;
    let rank = |bearer: &Bearer| hash(&bearer.hotkey.0, key.0);
    let (index, _) = bearers
        .iter()
        .enumerate()
        // Somebody is always at or below the average.
        .filter(|(_, bearer)| within(bearer))
        .max_by_key(|(_, bearer)| (rank(bearer), bearer.hotkey))?;
    Some(index)
}

fn prompt_of(body: &[u8]) -> Option<&[u8]> {
    const KEYS: [&[u8]; 3] = [b"\"messages\"", b"\"prompt\"", b"\"input\""];
    // A key is a quoted word that a colon follows; a text that merely mentions one is as good a place to begin.
    let quotes = body.iter().enumerate().filter(|(_, byte)| **byte == b'"');
    for (start, _) in quotes {
        let rest = body.get(start..)?;
        if let Some(key) = KEYS.into_iter().find(|key| rest.starts_with(key)) {
            return rest.get(key.len()..);
        }
    }
    None
}

/// FNV-1a with a finish that spreads its low bits. Keys need to be spread, not to be safe from collisions.
fn hash(bytes: &[u8], seed: u64) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325 ^ seed;
    for byte in bytes {
        hash = (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
    }
    hash ^= hash >> 33;
    hash = hash.wrapping_mul(0xff51_afd7_ed55_8ccd);
    hash ^ (hash >> 33)
}

#[cfg(test)]
mod tests;
