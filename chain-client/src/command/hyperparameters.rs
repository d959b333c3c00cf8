//! `chain hyperparameters`: the rules that the subnet's owner has set, under the chain's names.

use std::io::Write;

use serde_json::{Map, Value, json};

use super::table::pairs;
use super::{CommandError, Site, print_json, print_lines};
use crate::RuleValue;
use crate::amount::tao;
use crate::cli::Output;

pub(super) async fn run(site: &Site, output: Output, out: &mut impl Write) -> Result<(), CommandError> {
    let client = site.connect().await?;
    let block = client.finalized().await.map_err(CommandError::Chain)?;
    let rules = client.rules(site.netuid, block).await.map_err(CommandError::Chain)?;
    if output.json {
        let rules: Map<String, Value> =
            rules.into_iter().map(|(name, value)| (name, to_json(value))).collect();
        return print_json(
            out,
            &json!({ "netuid": site.netuid, "block": block.number, "hyperparameters": rules }),
        );
    }
    let rows: Vec<(&str, String)> =
        rules.iter().map(|(name, value)| (name.as_str(), to_text(*value))).collect();
    let mut lines = pairs(&rows);
    lines.push(format!("{} hyperparameters of subnet {} at block {block}", rows.len(), site.netuid));
    print_lines(out, &lines)
}

/// Numbers that JSON cannot hold exactly become texts, as amounts always do.
fn to_json(value: RuleValue) -> Value {
    match value {
        RuleValue::Bool(value) => json!(value),
        RuleValue::Integer(value) => {
            u32::try_from(value).map_or_else(|_| json!(value.to_string()), |value| json!(value))
        }
        RuleValue::Rao(value) => json!(value.to_string()),
        RuleValue::Fraction(value) => json!(value),
    }
}

fn to_text(value: RuleValue) -> String {
    match value {
        RuleValue::Bool(value) => (if value { "yes" } else { "no" }).to_owned(),
        RuleValue::Integer(value) => value.to_string(),
        RuleValue::Rao(value) => tao(value),
        RuleValue::Fraction(value) => value.to_string(),
    }
}
