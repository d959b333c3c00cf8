//! `audit equivocation`: did a validator tell two parties different histories? From two bundles alone.

use std::fs;
use std::io::Write;

use parity_scale_codec::Encode;
use protocol::dispute::Contradiction;
use protocol::head::ValidHead;
use serde_json::json;

use super::super::{CommandError, print_json, print_lines};
use super::dispute::words;
use crate::audit::disputes::PaperError;
use crate::audit::review::all_heads;
use crate::cli::Equivocation;

pub(super) fn run(flags: &Equivocation, out: &mut impl Write) -> Result<(), CommandError> {
    let Equivocation { one, other, out: file, output } = flags;
    let heads = |folder| all_heads(folder).map_err(|error| CommandError::Review(Box::new(error)));
    let (ones, others) = (heads(one)?, heads(other)?);
    let Some(papers) = contradiction(&ones, &others) else {
        let text = "no head of the one bundle contradicts one of the other".to_owned();
        if output.json {
            print_json(out, &json!({ "proven": false, "node": null, "finding": text, "papers": null }))?;
        } else {
            print_lines(out, std::slice::from_ref(&text))?;
        }
        return Err(CommandError::NotProven(text));
    };
    let nothing = |source| CommandError::Paper(PaperError::Nothing { path: other.clone(), source });
    let (node, offence) = words(papers.clone().verify().map_err(nothing)?);
    let text = format!("0x{}\n", hex::encode(papers.encode()));
    fs::write(file, text)
        .map_err(|source| CommandError::Paper(PaperError::Written { path: file.clone(), source }))?;
    let finding = format!("{node} {offence}");
    if output.json {
        let papers = file.display().to_string();
        return print_json(
            out,
            &json!({ "proven": true, "node": node, "finding": finding, "papers": papers }),
        );
    }
    let next = format!("next: subnet-validator audit dispute {}", file.display());
    print_lines(out, &[finding, next])
}

/// The first two heads, by tempo, that cannot both be honest.
fn contradiction(ones: &[ValidHead], others: &[ValidHead]) -> Option<Contradiction> {
    ones.iter().find_map(|one| {
        let other = others.iter().find(|other| one.contradicts(other))?;
        Some(Contradiction::Heads(Box::new(one.signed().clone()), Box::new(other.signed().clone())))
    })
}
