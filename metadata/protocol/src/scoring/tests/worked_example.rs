//! The example of `docs/reference/scoring.md`: its table is what this code computes.

use super::*;
use crate::digest::Digest;
use crate::fixtures::{model_id, observation, receipt};
use crate::receipt::{Observation, Receipt};
use crate::ticket::Kind;

const DOCUMENT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/reference/scoring.md");

struct Answer {
    miner: &'static str,
    model: &'static str,
    hours_ago: u64,
    payer: u8,
    kind: Kind,
}

impl Answer {
    fn receipt(&self, sequence: u64) -> Countersigned {
        let issued_at_ms = END_MS - END_MS % HOUR_MS - self.hours_ago * HOUR_MS;
        let ticket = Ticket {
            miner: account(self.miner),
            model: model_id(self.model),
            payer: Digest([self.payer; 32]),
            kind: self.kind,
            sequence,
            issued_at_ms,
            ..crate::fixtures::ticket()
        };
        let receipt = Receipt { prompt_tokens: 1_000, completion_tokens: 500, ..receipt(&ticket) };
        let observation = Observation { tokens_delivered: 500, ..observation() };
        Countersigned::with_zero_signatures(ticket, receipt, observation)
    }
}

fn answers() -> Vec<Answer> {
    let (large, small) = ("org/large-7b", "SmolLM2-135M-Instruct");
    let chat = |miner, model, hours_ago, payer| Answer { miner, model, hours_ago, payer, kind: Kind::Chat };
    let bob = (1..=4).map(|hour| chat("Bob", large, u64::from(hour), hour));
    let charlie = (0..10).map(|_| chat("Charlie", small, 1, 10));
    let dave = [
        chat("Dave", small, 2, 20),
        chat("Dave", small, 1, 21),
        Answer { kind: Kind::BountyClaim, ..chat("Dave", large, 1, 22) },
    ];
    bob.chain(charlie).chain(dave).collect()
}

#[test]
fn the_documents_worked_example_is_what_the_code_computes() {
    let names = ["Bob", "Charlie", "Dave"];
    let receipts: Vec<_> = (0..).zip(answers()).map(|(sequence, answer)| answer.receipt(sequence)).collect();
    let table = score_calls(&receipts, &names);
    let uid_of = (0_u16..).zip(names).map(|(uid, name)| (account(name), uid)).collect();
    let weights = weights(&table, &uid_of);
    let document = std::fs::read_to_string(DOCUMENT).unwrap();
    for (name, (_, weight)) in names.into_iter().zip(weights) {
        let row = row(&table, name);
        let thousandths = |value: u128| format!("{}.{:03}", value / 1_000, value % 1_000);
        let terms = row.term_bps.map(|points| points.to_string()).join(" + ");
        let line = format!(
            "| {name} | {} | {} | {} | {} | {} | {} | {terms} | {} | {weight} |",
            thousandths(row.compute_units),
            thousandths(row.compute_units_counted),
            row.invocations,
            thousandths(row.invocations_counted),
            thousandths(row.unique_models),
            row.bounties,
            row.basis_points,
        );
        assert!(document.lines().any(|found| found == line), "{DOCUMENT} does not have\n{line}");
    }
    assert_eq!(table.set_aside, SetAside::default());
}
