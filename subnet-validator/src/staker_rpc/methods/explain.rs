//! Why a miner has its score, down to the single receipt.

use std::ops::Range;
use std::sync::Arc;

use jsonrpsee::types::ErrorObjectOwned;
use protocol::catalogue::Catalogue;
use protocol::head::scores_hash;
use protocol::scoring::explain::{Reason, Term, terms, worth};
use protocol::scoring::{Miner as ScoredMiner, Policy, ScoreTable};
use protocol::standing::Standing;
use schemars::JsonSchema;
use serde::Serialize;

use super::Page;
use super::miners::Score;
use crate::ledger::{ReadError, Stored};
use crate::staker_rpc::error::{invalid, ledger, not_found};
use crate::staker_rpc::params::{ExplainParams, cursor, page_limit};
use crate::staker_rpc::state::At;
use crate::staker_rpc::values::{Account, Amount, Hash};

/// A miner's score with what it comes from.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::staker_rpc) struct Explanation {
    /// The miner.
    pub miner_hotkey: Account,
    /// The tempo whose head names the table; null for the table as of now, which nothing was paid by yet.
    pub epoch: Option<u64>,
    /// Hash of the table.
    pub score_table: Hash,
    /// Hash of the policy.
    pub policy_hash: Hash,
    /// The window's first millisecond.
    pub window_start_ms: u64,
    /// The first millisecond after it.
    pub window_end_ms: u64,
    /// `believed`; `doubted` where challenges missed in a row make only a part of the terms' values count, which is less than the receipts'
    /// worth; or `convicted` where evidence takes all of its receipts out.
    pub standing: &'static str,
    /// The miner's row.
    pub score: Score,
    /// The four terms. A term's points are weightBps / the weights' sum * value / total of 10,000, rounded down; the score is the sum
    /// of the exact quotas, rounded by largest remainder.
    pub terms: Vec<TermAnswer>,
    /// The weight that follows from this log alone, out of 65,535: the score over the best miner's, times 65,535, rounded to nearest.
    /// A validator that has checked others' logs sets weights from all of them together.
    pub weight: u16,
    /// The miner's receipts of the window, newest first, with what each is worth. The worth of those that count sums to the score's
    /// `computeUnits`, as far as no hour was beyond the miner's capacity.
    pub receipts: Page<ReceiptWorth>,
}

/// One term.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::staker_rpc) struct TermAnswer {
    /// `compute`, `invocations`, `uniqueModels` or `bounties`.
    pub name: &'static str,
    /// The miner's value.
    pub value: Amount,
    /// All miners' values together.
    pub total: Amount,
    /// The term's weight in basis points; 0 where nobody has a value, for then the others share it.
    pub weight_bps: u16,
    /// What it brought, in basis points.
    pub points_bps: u32,
}

/// One receipt and what it counts for.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::staker_rpc) struct ReceiptWorth {
    /// Its place in the log.
    pub index: u64,
    /// Its hash.
    pub receipt_hash: Hash,
    /// When its ticket was issued.
    pub issued_at_ms: u64,
    /// The model ordered.
    pub model: String,
    /// Whether it counts.
    pub counts: bool,
    /// Why not: `outsideWindow`, `withError`, `unknownModel`, `related`, or `convicted` where evidence against the miner takes all of
    /// its receipts out.
    pub reason: Option<&'static str>,
    /// Tokens read that count.
    pub prompt_tokens: u32,
    /// Tokens written that count.
    pub completion_tokens: u32,
    /// Thousandths of a compute unit that it brings to its hour.
    pub compute_units: Amount,
}

/// The rules that a table was made by.
struct Basis {
    epoch: Option<u64>,
    policy: Policy,
    policy_hash: Hash,
    catalogue: Arc<Catalogue>,
    table: ScoreTable,
    related: Vec<protocol::digest::Digest>,
    standing: Standing,
    places: Range<u64>,
}

pub(in crate::staker_rpc) async fn explain(
    params: ExplainParams,
    at: At,
) -> Result<Explanation, ErrorObjectOwned> {
    let (limit, before) = (page_limit(params.limit)?, cursor(params.cursor.as_ref())?);
    let miner = params.miner_hotkey;
    let basis = match params.epoch {
        Some(epoch) => of_epoch(&at, epoch, miner).await?,
        None => of_now(&at, miner).await?,
    };
    let position = basis.table.rows.iter().position(|row| row.hotkey == miner);
    let row =
        position.and_then(|position| basis.table.rows.get(position)).ok_or_else(|| not_found("miner"))?;
    let of_row = terms(&basis.policy, &basis.table);
    let of_row = position.and_then(|position| of_row.get(position)).copied().unwrap_or_default();
    let names = ["compute", "invocations", "uniqueModels", "bounties"];
    let terms = names.into_iter().zip(of_row).zip(row.term_bps);
    let terms = terms.map(|((name, Term { value, total, weight_bps }), points_bps)| TermAnswer {
        name,
        value: value.into(),
        total: total.into(),
        weight_bps,
        points_bps,
    });
    let best = basis.table.rows.iter().map(|row| row.basis_points).max().unwrap_or(0).max(1);
    let scaled = u64::from(row.basis_points) * u64::from(u16::MAX) + u64::from(best / 2);
    let (terms, score, weight) =
        (terms.collect(), row.into(), u16::try_from(scaled / u64::from(best)).unwrap_or(u16::MAX));
    let places = basis.places.clone();
    let page = at.ledger.read(move |reader| {
        let before = before.map_or(places.end, |before| before.min(places.end));
        let page = reader.page(Some(&miner), Some(before), limit)?;
        let first = places.start;
        let items: Vec<Stored> = page.items.into_iter().filter(|stored| stored.index >= first).collect();
        Ok::<_, ReadError>((items, page.before_next.filter(|next| *next > first)))
    });
    let (items, next) = page.await.map_err(|error| ledger(&error))?;
    Ok(Explanation {
        miner_hotkey: miner.into(),
        epoch: basis.epoch,
        score_table: scores_hash(&basis.table).into(),
        policy_hash: basis.policy_hash,
        window_start_ms: basis.table.window_start_ms,
        window_end_ms: basis.table.window_end_ms,
        standing: match basis.standing {
            Standing::Believed => "believed",
            Standing::Doubted => "doubted",
            Standing::Convicted => "convicted",
        },
        score,
        terms,
        weight,
        receipts: Page {
            items: items.iter().map(|stored| basis.judge(stored)).collect(),
            next_cursor: next.map(|next| next.to_string()),
        },
    })
}

/// The table as of now.
async fn of_now(at: &At, miner: protocol::account::AccountId) -> Result<Basis, ErrorObjectOwned> {
    let scored = at.weights.borrow().scored.clone().ok_or_else(|| not_found("score table yet"))?;
    let window = scored.table.window_start_ms..scored.table.window_end_ms;
    let standings = at.ledger.read(move |reader| reader.standings(window)).await;
    let standings = standings.map_err(|error| ledger(&error))?;
    Ok(Basis {
        epoch: None,
        policy: at.policy,
        policy_hash: at.policy.hash().into(),
        catalogue: at.fleet.shared_catalogue(),
        table: scored.table.clone(),
        related: Vec::new(),
        standing: standings.of(&miner),
        places: 0..u64::MAX,
    })
}

/// The table of a tempo's head, with the rules that the head names.
async fn of_epoch(
    at: &At,
    epoch: u64,
    miner: protocol::account::AccountId,
) -> Result<Basis, ErrorObjectOwned> {
    let found = at.ledger.read(move |reader| {
        let Some(record) = reader.head(epoch)? else { return Ok(None) };
        let document = reader.document(&record.head.head.policy)?;
        Ok(Some((record, document)))
    });
    let (record, document) =
        found.await.map_err(|error| ledger(&error))?.ok_or_else(|| not_found("head of that epoch"))?;
    let document = document.ok_or_else(|| not_found("policy document of that epoch"))?.document;
    let catalogue = document.catalogue().map_err(|error| invalid(error.to_string()))?;
    let is_miner = |known: &&ScoredMiner| known.hotkey == miner;
    let related = record.miners.iter().find(is_miner).map(|known| known.related_payers.clone());
    let head = &record.head.head;
    Ok(Basis {
        epoch: Some(epoch),
        policy: document.policy,
        policy_hash: head.policy.into(),
        catalogue: Arc::new(catalogue),
        related: related.unwrap_or_default(),
        standing: record.standings.of(&miner),
        places: head.log(0).map_or(0..0, |log| log.first_index..log.tree_size),
        table: record.table,
    })
}

impl Basis {
    fn judge(&self, stored: &Stored) -> ReceiptWorth {
        let (ticket, said) = (stored.receipt.ticket(), stored.receipt.receipt());
        let window = self.table.window_start_ms..self.table.window_end_ms;
        let judged = worth(&self.policy, &self.catalogue, &window, &stored.receipt).map(|(worth, _)| worth);
        let reason = match judged {
            Ok(_) if self.standing == Standing::Convicted => Some("convicted"),
            Ok(_) if self.related.contains(&ticket.payer) => Some("related"),
            Ok(_) => None,
            Err(Reason::OutsideWindow) => Some("outsideWindow"),
            Err(Reason::WithError) => Some("withError"),
            Err(Reason::UnknownModel) => Some("unknownModel"),
        };
        let worth = judged.ok().filter(|_| reason.is_none());
        ReceiptWorth {
            index: stored.index,
            receipt_hash: said.hash().into(),
            issued_at_ms: ticket.issued_at_ms,
            model: ticket.model.to_string(),
            counts: reason.is_none(),
            reason,
            prompt_tokens: worth.map_or(0, |_| said.prompt_tokens),
            completion_tokens: worth.map_or(0, |worth| worth.completion_tokens),
            compute_units: worth.map_or(0, |worth| worth.compute_units).into(),
        }
    }
}
