//! `docs/reference/fingerprints.md` says the thresholds that the code has and the rates that were measured.

use std::path::Path;

use protocol::evidence::IMPROBABLE_MILLI_MAX;
use protocol::fingerprint::Thresholds;
use serde_json::Value;

use crate::repository::text;

const DOCUMENT: &str = "docs/reference/fingerprints.md";

/// The value in the document's table of thresholds beside this field, and the number of units that make one of the code's.
fn value_of(document: &str, field: &str, scale: u32) -> u32 {
    let row = document.lines().find(|line| line.starts_with('|') && line.contains(&format!("{field}`")));
    let row = row.unwrap_or_else(|| panic!("{DOCUMENT} has no row of {field}"));
    let value = row.split('|').nth(2).expect("a second column").split_whitespace().next();
    value.expect("a value").parse::<u32>().expect("a number") * scale
}

#[test]
fn the_thresholds_of_the_document_and_of_the_measuring_script_are_the_codes() {
    let document = text(Path::new(DOCUMENT));
    let told = Thresholds {
        exponent_mismatches_milli_max: value_of(&document, "exponent_mismatches_milli_max", 1),
        mantissa_error_mean_milli_max: value_of(&document, "mantissa_error_mean_milli_max", 1_000),
        mantissa_error_median_milli_max: value_of(&document, "mantissa_error_median_milli_max", 1_000),
        proofs_beyond_milli_max: value_of(&document, "proofs_beyond_milli_max", 1),
    };
    let code = Thresholds::default();
    assert_eq!(told, code, "{DOCUMENT}");

    let script = text(Path::new("scripts/measure-fingerprints"));
    let number = |value: u32| {
        let digits = value.to_string();
        if value < 10_000 { digits } else { format!("{}_{}", &digits[..2], &digits[2..]) }
    };
    let [exponents, mean, median, proofs] = [
        code.exponent_mismatches_milli_max,
        code.mantissa_error_mean_milli_max,
        code.mantissa_error_median_milli_max,
        code.proofs_beyond_milli_max,
    ]
    .map(number);
    let median = if median.len() == 4 { format!("{}_{}", &median[..1], &median[1..]) } else { median };
    for line in [
        format!("EXPONENTS, MEAN, MEDIAN, PROOFS = {exponents}, {mean}, {median}, {proofs}\n"),
        format!("IMPROBABLE = {IMPROBABLE_MILLI_MAX}\n"),
    ] {
        assert!(script.contains(&line), "scripts/measure-fingerprints lacks: {line}");
    }
}

#[test]
fn the_rates_of_the_document_are_those_of_the_measured_figures() {
    let figures: Value = serde_json::from_str(&text(Path::new("docs/reference/fingerprints.json"))).unwrap();
    let (mut rejected, mut honest, mut accepted, mut cheats) = (0, 0, 0, 0);
    let document = text(Path::new(DOCUMENT));
    for (name, case) in figures.as_object().unwrap() {
        let [answers, refused] = ["answers", "refused"].map(|field| case[field].as_u64().unwrap());
        if case["honest"] == true {
            (rejected, honest) = (rejected + refused, honest + answers);
        } else {
            (accepted, cheats) = (accepted + answers - refused, cheats + answers);
        }
        let row = format!("| {name} | {answers} | {refused} |");
        assert!(document.contains(&row), "{DOCUMENT} lacks: {row}");
    }
    for told in
        [format!("false rejects: {rejected} of {honest}"), format!("false accepts: {accepted} of {cheats}")]
    {
        assert!(document.contains(&told), "{DOCUMENT} does not say: {told}");
    }
}
