//! The status as Prometheus' text. No hotkeys or addresses in labels.

use std::fmt::{Display, Write as _};

use super::{MinerStatus, ModelStatus};
use crate::receipts::ModelCounts;

/// Every metric with its type, in the order of the page. `packaging/grafana-miner.json` and `docs/reference/metrics.md` name these, and a test compares.
pub const NAMES: [(&str, &str); 30] = [
    ("subnet_miner_uptime_seconds", "gauge"),
    ("subnet_miner_models_hot", "gauge"),
    ("subnet_miner_model_in_flight", "gauge"),
    ("subnet_miner_model_slots", "gauge"),
    ("subnet_miner_model_passes_total", "counter"),
    ("subnet_miner_model_sequences_in_passes_total", "counter"),
    ("subnet_miner_model_tokens_computed_total", "counter"),
    ("subnet_miner_model_prompt_tokens_cached_total", "counter"),
    ("subnet_miner_model_requests_waiting", "gauge"),
    ("subnet_miner_model_first_token_seconds", "histogram"),
    ("subnet_miner_model_next_token_seconds", "histogram"),
    ("subnet_miner_receipts_total", "counter"),
    ("subnet_miner_tokens_total", "counter"),
    ("subnet_miner_score_compute_units_total", "counter"),
    ("subnet_miner_score_invocations_total", "counter"),
    ("subnet_miner_score_models", "gauge"),
    ("subnet_miner_score_bounties_total", "counter"),
    ("subnet_miner_expected_compute_units_per_hour", "gauge"),
    ("subnet_miner_memory_bytes", "gauge"),
    ("subnet_miner_memory_bytes_max", "gauge"),
    ("subnet_miner_disk_bytes", "gauge"),
    ("subnet_miner_offers", "gauge"),
    ("subnet_miner_models_failed", "gauge"),
    ("subnet_miner_bounties_open", "gauge"),
    ("subnet_miner_validators_permitted", "gauge"),
    ("subnet_miner_validators_connected", "gauge"),
    ("subnet_miner_chain_block", "gauge"),
    ("subnet_miner_chain_age_seconds", "gauge"),
    ("subnet_miner_incentive_ratio", "gauge"),
    ("subnet_miner_emission_alpha_per_day", "gauge"),
];

/// The page.
#[must_use]
pub fn page(status: &MinerStatus) -> String {
    let mut page = String::new();
    for (name, kind) in NAMES {
        let _ = writeln!(page, "# TYPE {name} {kind}");
        lines(&mut page, name, status);
    }
    page
}

fn lines(page: &mut String, name: &str, status: &MinerStatus) {
    let (residency, chain) = (&status.residency, &status.chain);
    let sum = |of: fn(&ModelCounts) -> u64| status.counts.values().map(of).sum::<u64>();
    let mut by_model = |of: fn(&ModelStatus) -> u64| {
        status.models.iter().for_each(|(id, model)| line(page, name, &label(id), of(model)));
    };
    match name {
        "subnet_miner_uptime_seconds" => line(page, name, "", status.uptime_s),
        "subnet_miner_models_hot" => line(page, name, "", status.models.len()),
        "subnet_miner_model_in_flight" => by_model(|model| model.in_flight.into()),
        "subnet_miner_model_slots" => by_model(|model| model.slots.into()),
        "subnet_miner_model_passes_total" => by_model(|model| model.passes),
        "subnet_miner_model_sequences_in_passes_total" => by_model(|model| model.sequences_in_passes),
        "subnet_miner_model_tokens_computed_total" => by_model(|model| model.tokens_computed),
        "subnet_miner_model_prompt_tokens_cached_total" => by_model(|model| model.prompt_tokens_cached),
        "subnet_miner_model_requests_waiting" => by_model(|model| model.waiting),
        "subnet_miner_model_first_token_seconds" => {
            status.models.iter().for_each(|(id, model)| model.first_token.render(page, name, &label(id)));
        }
        "subnet_miner_model_next_token_seconds" => {
            status.models.iter().for_each(|(id, model)| model.next_token.render(page, name, &label(id)));
        }
        "subnet_miner_receipts_total" => {
            for (id, counts) in &status.counts {
                line(page, name, &format!("{},end=\"finished\"", label(id)), counts.finished);
                line(page, name, &format!("{},end=\"cut\"", label(id)), counts.cut);
            }
        }
        "subnet_miner_tokens_total" => {
            for (id, counts) in &status.counts {
                line(page, name, &format!("{},kind=\"prompt\"", label(id)), counts.prompt_tokens);
                line(page, name, &format!("{},kind=\"completion\"", label(id)), counts.completion_tokens);
            }
        }
        "subnet_miner_score_compute_units_total" => line(page, name, "", thousandths(status.compute)),
        "subnet_miner_score_invocations_total" => line(page, name, "", sum(|counts| counts.finished)),
        "subnet_miner_score_models" => {
            let paid = status.counts.values().filter(|counts| counts.finished > 0).count();
            line(page, name, "", paid);
        }
        "subnet_miner_score_bounties_total" => line(page, name, "", sum(|counts| counts.bounties)),
        "subnet_miner_expected_compute_units_per_hour" => line(page, name, "", thousandths(residency.hourly)),
        "subnet_miner_memory_bytes" => line(page, name, "", residency.memory_bytes),
        "subnet_miner_memory_bytes_max" => line(page, name, "", residency.memory_bytes_max),
        "subnet_miner_disk_bytes" => line(page, name, "", residency.disk_bytes),
        "subnet_miner_offers" => line(page, name, "", residency.offers),
        "subnet_miner_models_failed" => line(page, name, "", residency.failures.len()),
        "subnet_miner_bounties_open" => {
            line(page, name, "", status.validators.values().map(|validator| validator.bounties).sum::<u64>());
        }
        "subnet_miner_validators_permitted" => line(page, name, "", chain.validators),
        "subnet_miner_validators_connected" => {
            line(page, name, "", status.validators.values().filter(|validator| validator.connected).count());
        }
        "subnet_miner_chain_block" => line(page, name, "", chain.block),
        "subnet_miner_chain_age_seconds" => line(page, name, "", thousandths(chain.age_ms)),
        "subnet_miner_incentive_ratio" => {
            let millionths = u64::from(chain.incentive) * 1_000_000 / 65_535;
            line(page, name, "", format!("{}.{:06}", millionths / 1_000_000, millionths % 1_000_000));
        }
        "subnet_miner_emission_alpha_per_day" => {
            let rao = chain.emission_rao_day;
            line(page, name, "", format!("{}.{:09}", rao / 1_000_000_000, rao % 1_000_000_000));
        }
        other => unreachable!("{other} is in NAMES and has no value"),
    }
}

/// Model names hold no character that a label would have to escape.
fn label(id: &impl Display) -> String {
    format!("model=\"{id}\"")
}

fn thousandths(value: u64) -> String {
    format!("{}.{:03}", value / 1_000, value % 1_000)
}

fn line(page: &mut String, name: &str, labels: &str, value: impl Display) {
    let _ = match labels {
        "" => writeln!(page, "{name} {value}"),
        labels => writeln!(page, "{name}{{{labels}}} {value}"),
    };
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::top::example;

    #[test]
    fn every_metric_has_a_value_on_the_page() {
        let page = page(&example());
        for (name, _) in NAMES {
            let starts = [format!("{name} "), format!("{name}{{"), format!("{name}_bucket{{")];
            let has = |line: &str| starts.iter().any(|start| line.starts_with(start));
            assert!(page.lines().any(has), "{name}");
        }
        assert!(page.contains(
            "subnet_miner_tokens_total{model=\"SmolLM2-135M-Instruct\",kind=\"completion\"} 4200\n"
        ));
        assert!(page.contains("subnet_miner_incentive_ratio 0.500007\n"), "{page}");
        assert!(page.contains("subnet_miner_emission_alpha_per_day 12.500000000\n"));
    }

    /// The metrics of ours that a file of the repository names.
    fn named(path: &str) -> BTreeSet<String> {
        let text = std::fs::read_to_string(format!("{}/../{path}", env!("CARGO_MANIFEST_DIR"))).unwrap();
        text.split(|character: char| !(character.is_ascii_alphanumeric() || character == '_'))
            .filter(|word| word.starts_with("subnet_miner_"))
            .map(|word| word.strip_suffix("_bucket").unwrap_or(word).to_owned())
            .collect()
    }

    #[test]
    fn dashboard_and_reference_name_what_the_page_has_and_all_of_it_and_rules_nothing_else() {
        let known: BTreeSet<String> = NAMES.iter().map(|(name, _)| (*name).to_owned()).collect();
        assert_eq!(named("packaging/grafana-miner.json"), known);
        assert_eq!(named("docs/reference/metrics.md"), known);
        let rules = named("packaging/prometheus-alerts.yaml");
        assert!(!rules.is_empty() && rules.is_subset(&known), "{:?}", rules.difference(&known));
    }
}
