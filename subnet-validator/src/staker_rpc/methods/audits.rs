//! Reviews of other validators, the papers that others can review, and what went wrong.

use std::fs;

use jsonrpsee::types::ErrorObjectOwned;
use protocol::manifest::{SignedManifest, parts_of};
use schemars::JsonSchema;
use serde::Serialize;

use super::Page;
use crate::audit::verdicts::KeptVerdict;
use crate::audit::{MANIFEST, publish};
use crate::market::history::Incident;
use crate::staker_rpc::error::files;
use crate::staker_rpc::params::{NoParams, PageParams, cursor, page_limit};
use crate::staker_rpc::state::At;
use crate::staker_rpc::values::{Account, Amount, Hash};

/// A manifest longer than this is not read.
const MANIFEST_BYTES_MAX: u64 = 16 << 20;

/// What a review of a validator's papers found. It is the reviewer's word; whoever wants proof fetches the bundle and reviews it.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::staker_rpc) struct VerdictAnswer {
    /// Whose papers were reviewed; null if the bundle could not even be opened.
    pub validator: Option<Account>,
    /// The tempo; null likewise.
    pub epoch_index: Option<u64>,
    /// Digest of the head reviewed.
    pub head: Option<Hash>,
    /// Receipts whose signatures were checked.
    pub leaves: u64,
    /// Whether root, rules, miners and scores are as signed and, where compared, as the chain has them.
    pub agreed: bool,
    /// Whether commitment, miners and weights were compared with the chain.
    pub compared_with_chain: bool,
    /// What is wrong, in words.
    pub findings: Vec<String>,
    /// The first leaf at fault, if it is one leaf's.
    pub leaf: Option<u64>,
    /// When it was reviewed, by the reviewer's clock.
    pub reviewed_at_ms: u64,
}

/// The bundles of this validator's gateway.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::staker_rpc) struct Exports {
    /// Newest first.
    pub bundles: Vec<Bundle>,
}

/// Everything that one tempo's weights follow from.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::staker_rpc) struct Bundle {
    /// The tempo.
    pub epoch_index: u64,
    /// Digest of its head.
    pub head: Hash,
    /// Where the manifest is on the gateway; it is signed by the validator and lists the other files.
    pub manifest_path: String,
    /// All bytes together.
    pub bytes: Amount,
    /// The files.
    pub files: Vec<BundleFile>,
}

/// One file.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::staker_rpc) struct BundleFile {
    /// Where it is on the gateway.
    pub path: String,
    /// Its length.
    pub bytes: Amount,
    /// Its SHA-256.
    pub sha256: Hash,
}

/// Something that a staker should know of.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::staker_rpc) struct IncidentAnswer {
    /// Its place in this validator's list.
    pub number: u64,
    /// `minerOffline`, `minerOnline`, `chainStale`, `chainBack`, `weightsRefused`, `rulesChanged`, `auditDisagreed`.
    pub kind: String,
    /// The newest finalised block when it was seen.
    pub block: u32,
    /// When it was seen, by this validator's clock.
    pub at_ms: u64,
    /// Whom it is about.
    pub hotkey: Option<Account>,
    /// In words.
    pub detail: String,
}

pub(in crate::staker_rpc) async fn audits(
    params: PageParams,
    at: At,
) -> Result<Page<VerdictAnswer>, ErrorObjectOwned> {
    let (limit, before) = (page_limit(params.limit)?, cursor(params.cursor.as_ref())?);
    let store = at.verdicts.clone();
    let verdicts = tokio::task::spawn_blocking(move || store.read()).await;
    let verdicts =
        verdicts.map_err(|error| files(&std::io::Error::other(error)))?.map_err(|error| files(&error))?;
    let end = before
        .map_or(verdicts.len(), |before| usize::try_from(before).unwrap_or(usize::MAX).min(verdicts.len()));
    let first = end.saturating_sub(limit);
    let page = verdicts.get(first..end).unwrap_or_default();
    Ok(Page {
        items: page.iter().rev().map(Into::into).collect(),
        next_cursor: (first > 0).then(|| first.to_string()),
    })
}

pub(in crate::staker_rpc) async fn exports(_: NoParams, at: At) -> Result<Exports, ErrorObjectOwned> {
    let folder = at.bundles.clone();
    let read = tokio::task::spawn_blocking(move || {
        let mut bundles = Vec::new();
        for epoch_index in publish::epochs(&folder)?.into_iter().rev() {
            let path = publish::bundle(&folder, epoch_index).join(MANIFEST);
            // The oldest may just be removed.
            let Ok(metadata) = fs::metadata(&path) else { continue };
            if metadata.len() > MANIFEST_BYTES_MAX {
                continue;
            }
            let manifest: SignedManifest = serde_json::from_slice(&fs::read(&path)?)?;
            bundles.push(Bundle::new(epoch_index, &manifest));
        }
        Ok::<_, std::io::Error>(bundles)
    });
    let bundles = read.await.map_err(|error| files(&std::io::Error::other(error)))?;
    Ok(Exports { bundles: bundles.map_err(|error| files(&error))? })
}

pub(in crate::staker_rpc) async fn incidents(
    params: PageParams,
    at: At,
) -> Result<Page<IncidentAnswer>, ErrorObjectOwned> {
    let (limit, before) = (page_limit(params.limit)?, cursor(params.cursor.as_ref())?);
    let mut found = at.history.incidents_before(before, limit + 1);
    let more = found.len() > limit;
    found.truncate(limit);
    let next_cursor = found.last().filter(|_| more).map(|last| last.number.to_string());
    Ok(Page { items: found.into_iter().map(Into::into).collect(), next_cursor })
}

impl Bundle {
    fn new(epoch_index: u64, manifest: &SignedManifest) -> Self {
        let at = |name: &str| format!("/audit/v1/epochs/{epoch_index}/{name}");
        let files = manifest.manifest.files.iter().map(|file| (at(&file.name), file.bytes, file.sha256));
        let parts = manifest.manifest.parts();
        let parts = parts.map(|(shard, part)| {
            (format!("/audit/v1/{}/{}", parts_of(shard), part.path()), part.bytes, part.sha256)
        });
        Self {
            epoch_index,
            head: manifest.manifest.head.into(),
            manifest_path: at(MANIFEST),
            bytes: Amount(manifest.manifest.bytes().into()),
            files: files
                .chain(parts)
                .map(|(path, bytes, sha256)| BundleFile { path, bytes: bytes.into(), sha256: sha256.into() })
                .collect(),
        }
    }
}

impl From<&KeptVerdict> for VerdictAnswer {
    fn from(kept: &KeptVerdict) -> Self {
        let KeptVerdict { verdict, reviewed_at_ms } = kept;
        Self {
            validator: verdict.validator.map(Into::into),
            epoch_index: verdict.epoch_index,
            head: verdict.head.map(Into::into),
            leaves: verdict.leaves,
            agreed: verdict.agreed,
            compared_with_chain: verdict.compared_with_chain,
            findings: verdict.reason.iter().chain(&verdict.findings).cloned().collect(),
            leaf: verdict.leaf,
            reviewed_at_ms: *reviewed_at_ms,
        }
    }
}

impl From<Incident> for IncidentAnswer {
    fn from(incident: Incident) -> Self {
        let Incident { number, kind, block, at_ms, hotkey, detail } = incident;
        Self { number, kind, block, at_ms, hotkey: hotkey.map(Into::into), detail }
    }
}
