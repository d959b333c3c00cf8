//! The result, as a table with how costs grow, or as JSON.

use std::io::Write;

use serde_json::json;

/// One run's figures. Seconds, bytes and counts.
#[derive(Debug, Clone, Copy)]
pub struct Run {
    pub receipts: u64,
    pub miners: u64,
    pub shards: u8,
    pub ingest_s: f64,
    pub tree_s: f64,
    pub head_s: f64,
    pub export_s: f64,
    pub review_s: f64,
    pub review_peak_bytes: u64,
    pub ledger_bytes: u64,
    pub bundle_bytes: u64,
    pub proof_nodes: usize,
}

/// What a run is measured along, the axis in question first.
type Place = fn(&Run) -> [u64; 3];

pub fn print((batch_s, single_s): (f64, f64), runs: &[Run], json: bool) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    if json {
        let runs: Vec<_> = runs.iter().map(Run::json).collect();
        return writeln!(
            out,
            "{}",
            json!({ "verifyBatchPerS": batch_s, "verifySinglePerS": single_s, "runs": runs })
        );
    }
    writeln!(
        out,
        "verified in batches {batch_s:.0}/s, one by one {single_s:.0}/s: {:.2}x",
        batch_s / single_s
    )?;
    writeln!(
        out,
        "{:>9} {:>7} {:>6} {:>10} {:>11} {:>8} {:>8} {:>8} {:>10} {:>10} {:>10} {:>7}",
        "receipts",
        "miners",
        "shards",
        "ingest/s",
        "tree/s",
        "head s",
        "export s",
        "review s",
        "peak MiB",
        "disk B/r",
        "bundle B/r",
        "proof B"
    )?;
    for run in runs {
        let (count, mib) = (run.receipts as f64, f64::from(1 << 20));
        writeln!(
            out,
            "{:>9} {:>7} {:>6} {:>10.0} {:>11.0} {:>8.2} {:>8.2} {:>8.2} {:>10.0} {:>10.0} {:>10.0} {:>7}",
            run.receipts,
            run.miners,
            run.shards,
            count / run.ingest_s,
            count / run.tree_s,
            run.head_s,
            run.export_s,
            run.review_s,
            run.review_peak_bytes as f64 / mib,
            run.ledger_bytes as f64 / count,
            run.bundle_bytes as f64 / count,
            run.proof_nodes * 32,
        )?;
    }
    let axes: [(&str, Place); 3] = [
        ("receipts", |run| [run.receipts, run.miners, run.shards.into()]),
        ("miners", |run| [run.miners, run.receipts, run.shards.into()]),
        ("shards", |run| [run.shards.into(), run.receipts, run.miners]),
    ];
    for (name, place) in axes {
        for (number, small) in runs.iter().enumerate() {
            let [from, rest @ ..] = place(small);
            // The next run that differs in nothing else.
            let is_next = |run: &&Run| place(run)[0] != from && place(run)[1..] == rest;
            let Some(large) = runs[number..].iter().find(is_next) else { continue };
            let to = place(large)[0];
            let slope = |of: fn(&Run) -> f64| (of(large) / of(small)).ln() / (to as f64 / from as f64).ln();
            writeln!(
                out,
                "growth from {from} to {to} {name} ({} receipts, {} miners, {} shards): ingest {:.2}, head {:.2}, export {:.2}, review {:.2}, bundle {:.2}",
                small.receipts,
                small.miners,
                small.shards,
                slope(|run| run.ingest_s),
                slope(|run| run.head_s),
                slope(|run| run.export_s),
                slope(|run| run.review_s),
                slope(|run| run.bundle_bytes as f64),
            )?;
        }
    }
    Ok(())
}

impl Run {
    fn json(&self) -> serde_json::Value {
        json!({
            "receipts": self.receipts, "miners": self.miners, "shards": self.shards, "ingestS": self.ingest_s,
            "treeS": self.tree_s, "headS": self.head_s, "exportS": self.export_s, "reviewS": self.review_s,
            "reviewPeakBytes": self.review_peak_bytes, "ledgerBytes": self.ledger_bytes,
            "bundleBytes": self.bundle_bytes, "proofBytes": self.proof_nodes * 32,
        })
    }
}
