//! `doctor`: what a miner needs, one line each.

use std::io::Write;

use chain_client::cli::Output;
use serde_json::json;

use super::{CommandError, print_json};
use crate::config::Config;
use crate::doctor::{self, Verdict};

pub(super) async fn run(config: &Config, output: Output, out: &mut impl Write) -> Result<(), CommandError> {
    let checks = doctor::examine(config).await;
    let failed = checks.iter().filter(|check| check.verdict == Verdict::Failed).count();
    if output.json {
        print_json(out, &json!({ "checks": checks, "failed": failed }))?;
    } else {
        for check in &checks {
            let mark = match check.verdict {
                Verdict::Ok => "ok  ",
                Verdict::Warning => "warn",
                Verdict::Failed => "FAIL",
            };
            writeln!(out, "{mark}  {:<13} {}", check.name, check.found).map_err(CommandError::Output)?;
            if let Some(fix) = &check.fix {
                writeln!(out, "      {:<13} -> {fix}", "").map_err(CommandError::Output)?;
            }
        }
    }
    if failed > 0 { Err(CommandError::Doctor { failed }) } else { Ok(()) }
}
