//! `simulate`: what the strategist would have earned on a trace.

use std::io::Write;

use serde_json::json;

use super::{CommandError, print_json};
use crate::cli::Simulate;
use crate::simulate::{Comparison, Trace, chart};
use crate::strategist::Policy;

pub(super) fn run(policy: &Policy, flags: &Simulate, out: &mut impl Write) -> Result<(), CommandError> {
    let trace = Trace::load(&flags.trace).map_err(CommandError::Trace)?;
    let comparison = Comparison::of(&trace, policy);
    if let Some(path) = &flags.plot {
        std::fs::write(path, chart(&comparison, trace.step_ms))
            .map_err(|source| CommandError::Plot { path: path.clone(), source })?;
    }
    let rows = comparison.rows();
    if flags.output.json {
        return print_json(out, &json!({ "trace": trace.name, "steps": trace.steps(), "rules": rows }));
    }
    let mut lines = vec![format!("{}: {}", trace.name, trace.about)];
    lines.push(format!(
        "{:<12} {:>16} {:>10} {:>6} {:>8}",
        "rule", "compute units", "of optimum", "loads", "unloads"
    ));
    for row in rows {
        let (percent, rest) = (row.optimum_bps / 100, row.optimum_bps % 100);
        lines.push(format!(
            "{:<12} {:>16} {:>8}.{rest:02}% {:>5} {:>8}",
            row.rule,
            row.earned / 1_000,
            percent,
            row.loads,
            row.unloads
        ));
    }
    writeln!(out, "{}", lines.join("\n")).map_err(CommandError::Output)
}
