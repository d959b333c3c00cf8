//! What an audit bundle consists of, signed: no file of it can be altered, cut off or left out unseen.
//!
//! The leaves lie in *parts*: one Parquet file for each miner and hour of a *slice*, which is a run of consecutive leaves. Slices are
//! read one after another, the parts of one together; so a reader holds one slice in memory, and can check its parts at the same time.
//! Where a part lies follows from what it holds ([`Part::path`]), in the form that DuckDB, Spark and Hive read as a partitioned
//! table. A slice stays as it was written, so that a later tempo's bundle names the same files and brings only new ones.
//!
//! The leaves of shard 0 lie below `parts`, those of another shard below `shards/<number>/parts`. A manifest of a validator with one
//! gateway lists no shards, and has the bytes that it had before there were any.

use std::collections::BTreeSet;

use parity_scale_codec::{Encode, Output};
use serde::{Deserialize, Serialize};

use crate::account::AccountId;
use crate::digest::Digest;
use crate::signing::{self, BadSignature, Domain, Keypair, Signature};

/// How many files a bundle may have.
pub const FILES_MAX: usize = 65_536;

/// How long a file's name may be.
pub const NAME_BYTES_MAX: usize = 128;

/// How many parts a bundle may have.
pub const PARTS_MAX: usize = 1 << 20;

/// Leaves in one slice at most: what a reader holds in memory.
pub const SLICE_LEAVES_MAX: u64 = 1 << 16;

/// Bytes of a leaf in a part at most, all of its columns together: a record has at most 1,024, and the others repeat a part of it.
pub const LEAF_BYTES_MAX: u64 = 2_048;

/// Bytes of a part beside its leaves at most.
pub const PART_BYTES_MORE: u64 = 64 << 10;

/// Parts of a slice that may go on at one index: a reader has all of them open. Receipts enter the log within an hour, so that at most two
/// hours go on at a time, each with one part for a miner, of whom a subnet has some thousands at most.
pub const PARTS_OPEN_MAX: usize = 8_192;

/// The folder of parts, beside the tempos' folders.
pub const PARTS: &str = "parts";

/// Where a shard's parts lie, beside the tempos' folders.
pub fn parts_of(shard: u8) -> String {
    if shard == 0 { PARTS.to_owned() } else { format!("{SHARDS}/{shard}/{PARTS}") }
}

/// The folder of shards but 0, each with its own folder of parts.
pub const SHARDS: &str = "shards";

/// The file with the Merkle frontier over the leaves before a shard's first one in a bundle.
pub fn frontier_file(shard: u8) -> String {
    if shard == 0 { "frontier.scale".to_owned() } else { format!("frontier-{shard}.scale") }
}

/// A bundle's list of files.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Manifest {
    /// The subnet.
    pub netuid: u16,
    /// Whose log it is of.
    pub validator: AccountId,
    /// The tempo.
    pub epoch_index: u64,
    /// Digest of the tempo's head.
    pub head: Digest,
    /// Every file but the manifest and the leaves.
    pub files: Vec<FileEntry>,
    /// The leaves of shard 0, in order and without gaps. None if there are none.
    pub slices: Vec<Slice>,
    /// The leaves of the other shards, by number.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub shards: Vec<ShardSlices>,
}

/// The leaves of one shard.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ShardSlices {
    /// Its number.
    pub shard: u8,
    /// In order and without gaps.
    pub slices: Vec<Slice>,
}

/// Consecutive leaves of the log.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Slice {
    /// Index of the first leaf.
    pub first: u64,
    /// Index after the last leaf.
    pub end: u64,
    /// Files that hold them, one for each miner and hour.
    pub parts: Vec<Part>,
}

/// One Parquet file: a slice's leaves of one miner and hour, in the log's order.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Part {
    /// Hour in which their tickets were issued: hours since 1970.
    pub hour: u64,
    /// Who served.
    pub miner: AccountId,
    /// Index of its first leaf.
    pub first: u64,
    /// Index of its last leaf.
    pub last: u64,
    /// How many leaves it has.
    pub rows: u64,
    /// The file's length.
    pub bytes: u64,
    /// SHA-256 of the file.
    pub sha256: Digest,
}

/// One file.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Serialize, Deserialize)]
pub struct FileEntry {
    /// Its name in the bundle's folder: letters, digits, dots and dashes.
    pub name: String,
    /// Its length.
    pub bytes: u64,
    /// SHA-256 of its content.
    pub sha256: Digest,
}

/// A manifest as it travels, as JSON. The signature covers the SCALE bytes of the manifest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignedManifest {
    /// What is claimed.
    pub manifest: Manifest,
    /// The validator's signature, unchecked.
    pub signature: Signature,
}

/// Why a manifest is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ManifestError {
    /// Not signed by its validator.
    #[error("the manifest is not signed by the validator that it names")]
    Signature(#[source] BadSignature),
    /// A name that could lead out of the folder, or is doubled.
    #[error("the manifest lists {0:?}, which is listed twice or no plain file name")]
    Name(String),
    /// Too many files.
    #[error("the manifest lists more than {FILES_MAX} files or {PARTS_MAX} parts")]
    TooMany,
    /// Shards that are none.
    #[error("the manifest's shards are not ascending, or one of them is shard 0")]
    Shards,
    /// A slice is too long, does not begin where the one before ends, or has parts that lie outside of it.
    #[error(
        "the manifest's leaves from {first} on do not follow those before, or their parts cannot hold them"
    )]
    Slice {
        /// Where it begins.
        first: u64,
    },
}

impl Part {
    /// Where it lies below [`PARTS`], with slashes. Its content is in its name, so that another file has another name.
    pub fn path(&self) -> String {
        let Self { hour, miner, first, last, sha256, .. } = self;
        let start = hex::encode(sha256.0.get(..8).unwrap_or_default());
        format!("hour={hour}/miner={miner}/{first:012}-{last:012}-{start}.parquet")
    }
}

impl Slice {
    /// How many leaves it has.
    pub fn leaves(&self) -> u64 {
        self.end.saturating_sub(self.first)
    }

    /// Whether its parts can lie in it. Whether they do is said by the leaves: one that is missing is named by its index.
    fn is_plausible(&self) -> bool {
        let within = |part: &Part| {
            part.rows > 0
                && part.first >= self.first
                && part.first <= part.last
                && part.last < self.end
                && part.bytes <= part.rows.saturating_mul(LEAF_BYTES_MAX).saturating_add(PART_BYTES_MORE)
        };
        let rows = self.parts.iter().map(|part| part.rows).fold(0, u64::saturating_add);
        (1..=SLICE_LEAVES_MAX).contains(&self.leaves())
            && rows <= 2 * SLICE_LEAVES_MAX
            && self.parts.iter().all(within)
            && self.open_most() <= PARTS_OPEN_MAX
    }

    /// How many parts go on at one index at most.
    fn open_most(&self) -> usize {
        let ends = |end: fn(&Part) -> u64| {
            let mut ends: Vec<u64> = self.parts.iter().map(end).collect();
            ends.sort_unstable();
            ends
        };
        let (firsts, lasts) = (ends(|part| part.first), ends(|part| part.last));
        let open = |(begun, first): (usize, &u64)| {
            begun.saturating_add(1).saturating_sub(lasts.partition_point(|last| last < first))
        };
        firsts.iter().enumerate().map(open).max().unwrap_or(0)
    }
}

impl Manifest {
    /// The leaves of all shards with their numbers, shard 0 first.
    pub fn logs(&self) -> impl Iterator<Item = (u8, &[Slice])> {
        let others = self.shards.iter().map(|shard| (shard.shard, shard.slices.as_slice()));
        std::iter::once((0, self.slices.as_slice())).chain(others)
    }

    /// All parts, with their shards.
    pub fn parts(&self) -> impl Iterator<Item = (u8, &Part)> {
        self.logs().flat_map(|(shard, slices)| {
            slices.iter().flat_map(|slice| &slice.parts).map(move |part| (shard, part))
        })
    }

    /// Bytes of all files that it lists.
    pub fn bytes(&self) -> u64 {
        let files = self.files.iter().map(|file| file.bytes);
        files.chain(self.parts().map(|(_, part)| part.bytes)).fold(0, u64::saturating_add)
    }

    /// Signs. With a key that is not `self.validator`'s the result will not verify.
    pub fn sign(self, validator: &Keypair) -> SignedManifest {
        let signature = validator.sign(self.domain(), &self.encode());
        SignedManifest { manifest: self, signature }
    }

    fn domain(&self) -> Domain {
        if self.shards.is_empty() { Domain::Manifest } else { Domain::ManifestOfShards }
    }
}

impl Encode for Manifest {
    fn encode_to<O: Output + ?Sized>(&self, out: &mut O) {
        let Self { netuid, validator, epoch_index, head, files, slices, shards } = self;
        (netuid, validator, epoch_index, head, files, slices).encode_to(out);
        if !shards.is_empty() {
            shards.encode_to(out);
        }
    }
}

impl SignedManifest {
    /// Checks the signature, the names, and that the slices follow each other.
    pub fn verify(self) -> Result<Manifest, ManifestError> {
        let Self { manifest, signature } = self;
        if manifest.files.len() > FILES_MAX || manifest.parts().count() > PARTS_MAX {
            return Err(ManifestError::TooMany);
        }
        signing::verify(manifest.domain(), &manifest.validator, &manifest.encode(), &signature)
            .map_err(ManifestError::Signature)?;
        let mut names = BTreeSet::new();
        for FileEntry { name, .. } in &manifest.files {
            let plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-'));
            let fits = !name.is_empty() && name.len() <= NAME_BYTES_MAX && !name.starts_with('.');
            if !plain || !fits || !names.insert(name) {
                return Err(ManifestError::Name(name.clone()));
            }
        }
        let mut last = None;
        for (shard, slices) in manifest.logs() {
            if last.is_some_and(|last| last >= shard) {
                return Err(ManifestError::Shards);
            }
            last = Some(shard);
            let mut end = None;
            for slice in slices {
                if end.is_some_and(|end| end != slice.first) || !slice.is_plausible() {
                    return Err(ManifestError::Slice { first: slice.first });
                }
                end = Some(slice.end);
            }
        }
        Ok(manifest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::{account, key};

    #[test]
    fn a_part_is_no_larger_than_its_leaves_can_be() {
        let mut slice = slice(0, 10);
        slice.parts[0].bytes = 10 * LEAF_BYTES_MAX + PART_BYTES_MORE;
        assert!(slice.is_plausible());
        slice.parts[0].bytes += 1;
        assert!(!slice.is_plausible());
    }

    #[test]
    fn no_more_parts_of_a_slice_go_on_at_one_index_than_a_reader_opens() {
        let most = PARTS_OPEN_MAX as u64;
        let part = |first: u64, last: u64| Part { first, last, rows: 1, ..slice(0, 9).parts[0].clone() };
        // One after another there may be more of them.
        let mut good = Slice { first: 0, end: 3 * most, parts: vec![] };
        good.parts = (0..2 * most).map(|at| part(at, at + most - 1)).collect();
        assert_eq!(good.open_most(), PARTS_OPEN_MAX);
        assert!(good.is_plausible());
        good.parts.push(part(0, most));
        assert!(!good.is_plausible());
    }

    fn slice(first: u64, end: u64) -> Slice {
        let part = Part {
            hour: 486_688,
            miner: account("Bob"),
            first,
            last: end - 1,
            rows: end - first,
            bytes: 100,
            sha256: Digest([9; 32]),
        };
        Slice { first, end, parts: vec![part] }
    }

    fn manifest(names: &[&str]) -> Manifest {
        let file = |name: &&str| FileEntry { name: (*name).to_owned(), bytes: 3, sha256: Digest::of(b"abc") };
        Manifest {
            netuid: 64,
            validator: account("Alice"),
            epoch_index: 7,
            head: Digest([1; 32]),
            files: names.iter().map(file).collect(),
            slices: vec![slice(4, 9), slice(9, 10)],
            shards: Vec::new(),
        }
    }

    #[test]
    fn a_manifest_round_trips_through_json() {
        let signed = manifest(&["heads.scale", "leaves-00000.parquet"]).sign(&key("Alice"));
        let again: SignedManifest = serde_json::from_str(&serde_json::to_string(&signed).unwrap()).unwrap();
        assert_eq!(again.verify().unwrap(), signed.manifest);
    }

    #[test]
    fn an_altered_manifest_is_refused() {
        let signed = manifest(&["heads.scale"]).sign(&key("Alice"));
        let mut altered = signed.clone();
        altered.manifest.files[0].bytes += 1;
        assert!(matches!(altered.verify(), Err(ManifestError::Signature(_))));
        let mut shorter = signed;
        shorter.manifest.files.pop();
        assert!(matches!(shorter.verify(), Err(ManifestError::Signature(_))));
    }

    #[test]
    fn a_name_that_leads_elsewhere_is_refused() {
        for name in ["", ".", "..", "../x", "a/b", "/etc/passwd", ".hidden", "a b", "a\0", &"a".repeat(129)] {
            let refused = manifest(&[name]).sign(&key("Alice")).verify();
            assert_eq!(refused, Err(ManifestError::Name(name.to_owned())));
        }
        let doubled = manifest(&["a", "a"]).sign(&key("Alice")).verify();
        assert_eq!(doubled, Err(ManifestError::Name("a".to_owned())));
    }

    #[test]
    fn slices_with_gaps_or_parts_outside_are_refused() {
        type Change = (u64, fn(&mut Vec<Slice>));
        let changes: [Change; 8] = [
            (10, |slices| slices[1] = slice(10, 11)),
            (8, |slices| slices[1] = slice(8, 11)),
            (4, |slices| slices[0].parts[0].rows = 0),
            (4, |slices| slices[0].parts[0].rows = 2 * SLICE_LEAVES_MAX + 1),
            (9, |slices| slices[1].end = 9),
            (9, |slices| slices[1].parts[0].last = 10),
            (4, |slices| slices[0].parts[0].first = 3),
            (9, |slices| slices[1] = slice(9, 10 + SLICE_LEAVES_MAX)),
        ];
        for (first, change) in changes {
            let mut changed = manifest(&["heads.scale"]);
            change(&mut changed.slices);
            assert_eq!(changed.sign(&key("Alice")).verify(), Err(ManifestError::Slice { first }));
        }
    }

    #[test]
    fn shards_are_listed_once_ascending_and_under_their_own_domain() {
        let of = |shards: &[u8]| {
            let list = |shard: &u8| ShardSlices { shard: *shard, slices: vec![slice(0, 3)] };
            Manifest { shards: shards.iter().map(list).collect(), ..manifest(&["heads.scale"]) }
        };
        for wrong in [&[0][..], &[2, 1], &[3, 3]] {
            assert_eq!(of(wrong).sign(&key("Alice")).verify(), Err(ManifestError::Shards));
        }
        let good = of(&[1, 200]);
        assert_eq!(good.parts().map(|(shard, _)| shard).collect::<Vec<_>>(), [0, 0, 1, 200]);
        let signed = good.clone().sign(&key("Alice"));
        let again: SignedManifest = serde_json::from_str(&serde_json::to_string(&signed).unwrap()).unwrap();
        assert_eq!(again.verify().unwrap(), good);
        // Who hides the shards from a manifest has a manifest of another domain.
        let mut hidden = signed;
        hidden.manifest.shards.clear();
        assert!(matches!(hidden.verify(), Err(ManifestError::Signature(_))));
        let gap = Manifest {
            shards: vec![ShardSlices { shard: 1, slices: vec![slice(0, 3), slice(4, 5)] }],
            ..good
        };
        assert_eq!(gap.sign(&key("Alice")).verify(), Err(ManifestError::Slice { first: 4 }));
        assert_eq!((parts_of(0), parts_of(7)), ("parts".to_owned(), "shards/7/parts".to_owned()));
        let files = [0, 7].map(frontier_file);
        assert_eq!(files, ["frontier.scale", "frontier-7.scale"].map(str::to_owned));
    }

    #[test]
    fn a_parts_place_names_its_partition_its_leaves_and_its_content() {
        let bob = account("Bob");
        assert_eq!(
            slice(4, 9).parts[0].path(),
            format!("hour=486688/miner={bob}/000000000004-000000000008-0909090909090909.parquet")
        );
    }
}
