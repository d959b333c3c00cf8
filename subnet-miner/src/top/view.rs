//! What `top` draws: who and where, earnings, models, validators, the strategist's reasons.

use std::collections::BTreeMap;

use protocol::ticket::ModelId;
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Modifier, Style};
use ratatui::text::Line;
use ratatui::widgets::{Block, Paragraph, Row, Table};

use crate::operations::MinerStatus;

/// Tokens a second, by model, between two statuses.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rates {
    /// In tenths.
    tokens: BTreeMap<ModelId, u64>,
}

impl Rates {
    /// What happened between two statuses of one miner.
    #[must_use]
    pub fn between(before: &MinerStatus, now: &MinerStatus) -> Self {
        let passed_ms = now.at_ms.saturating_sub(before.at_ms).max(1);
        let tokens = now.counts.iter().map(|(id, counts)| {
            let earlier = before.counts.get(id).map_or(0, |counts| counts.completion_tokens);
            let new = counts.completion_tokens.saturating_sub(earlier);
            (id.clone(), new.saturating_mul(10_000) / passed_ms)
        });
        Self { tokens: tokens.collect() }
    }
}

/// Draws a status.
pub fn draw(frame: &mut Frame<'_>, status: &MinerStatus, rates: &Rates) {
    let models = status.models.len().max(1) as u16;
    let validators = status.validators.len().clamp(1, 6) as u16;
    let rows = Layout::vertical([
        Constraint::Length(6),
        Constraint::Length(models + 3),
        Constraint::Length(validators + 3),
        Constraint::Min(4),
        Constraint::Length(1),
    ]);
    let [head, hot, heard, why, keys] = rows.areas(frame.area());
    draw_head(frame, head, status);
    draw_models(frame, hot, status, rates);
    draw_validators(frame, heard, status);
    draw_strategist(frame, why, status);
    frame.render_widget(Line::from(" q quit").style(Style::new().add_modifier(Modifier::DIM)), keys);
}

fn draw_head(frame: &mut Frame<'_>, area: Rect, status: &MinerStatus) {
    let chain = &status.chain;
    let uid = chain.uid.map_or_else(|| "NOT REGISTERED".to_owned(), |uid| format!("uid {uid}"));
    let up = status.uptime_s;
    let lines = vec![
        Line::from(format!("{}  subnet {}, {uid}, axon {}", status.hotkey, status.netuid, status.axon)),
        Line::from(format!("{}  up {}:{:02}:{:02}", status.device, up / 3_600, up / 60 % 60, up % 60)),
        Line::from(format!(
            "earns about {} alpha a day  incentive {} %  block {} ({} s ago)",
            thousandths(chain.emission_rao_day / 1_000_000),
            hundredths(u64::from(chain.incentive) * 10_000 / 65_535),
            chain.block,
            chain.age_ms / 1_000
        )),
        Line::from(format!(
            "score terms since the start: {} compute units, {} calls, {} models, {} bounties",
            status.compute / 1_000,
            status.counts.values().map(|counts| counts.finished).sum::<u64>(),
            status.counts.values().filter(|counts| counts.finished > 0).count(),
            status.counts.values().map(|counts| counts.bounties).sum::<u64>()
        )),
    ];
    let title = format!(" subnet-miner {} ", status.version);
    frame.render_widget(Paragraph::new(lines).block(Block::bordered().title(title)), area);
}

fn draw_models(frame: &mut Frame<'_>, area: Rect, status: &MinerStatus, rates: &Rates) {
    let rows = status.models.iter().map(|(id, model)| {
        let counts = status.counts.get(id).copied().unwrap_or_default();
        let waiting = model.in_flight.saturating_sub(model.slots);
        let rate = rates.tokens.get(id).copied().unwrap_or(0);
        let by = if status.residency.held.contains_key(id) { "strategist" } else { "operator" };
        Row::new([
            id.to_string(),
            by.to_owned(),
            format!("{}/{}", model.in_flight.min(model.slots), model.slots),
            waiting.to_string(),
            format!("{}.{}", rate / 10, rate % 10),
            counts.finished.to_string(),
            counts.cut.to_string(),
            mebibytes(model.weights_bytes),
        ])
    });
    let widths = [
        Constraint::Min(24),
        Constraint::Length(10),
        Constraint::Length(7),
        Constraint::Length(7),
        Constraint::Length(8),
        Constraint::Length(8),
        Constraint::Length(5),
        Constraint::Length(9),
    ];
    let header =
        Row::new(["model", "held by", "running", "waiting", "tokens/s", "receipts", "cut", "weights"]);
    let table = Table::new(rows, widths).header(header.style(Style::new().add_modifier(Modifier::BOLD)));
    let used = format!(
        " models hot: {}, memory {} of {} ",
        status.models.len(),
        mebibytes(status.residency.memory_bytes),
        mebibytes(status.residency.memory_bytes_max)
    );
    frame.render_widget(table.block(Block::bordered().title(used)), area);
}

fn draw_validators(frame: &mut Frame<'_>, area: Rect, status: &MinerStatus) {
    let rows = status.validators.iter().map(|(validator, heard)| {
        Row::new([
            validator.to_string(),
            if heard.connected { "connected" } else { "away" }.to_owned(),
            thousandths(heard.stake_rao / 1_000_000),
            heard.models.to_string(),
            heard.bounties.to_string(),
        ])
    });
    let widths = [
        Constraint::Min(48),
        Constraint::Length(9),
        Constraint::Length(14),
        Constraint::Length(6),
        Constraint::Length(8),
    ];
    let header = Row::new(["validator", "demand", "stake in alpha", "models", "bounties"]);
    let table = Table::new(rows, widths).header(header.style(Style::new().add_modifier(Modifier::BOLD)));
    let title = format!(" validators: {} may call ", status.chain.validators);
    frame.render_widget(table.block(Block::bordered().title(title)), area);
}

fn draw_strategist(frame: &mut Frame<'_>, area: Rect, status: &MinerStatus) {
    let residency = &status.residency;
    let mut lines = Vec::new();
    if let Some(doing) = &residency.doing {
        let seconds = status.at_ms.saturating_sub(doing.since_ms) / 1_000;
        lines.push(Line::from(format!("{} {} for {seconds} s", doing.what, doing.model)));
    }
    lines.extend(residency.reasons.iter().map(|reason| Line::from(reason.as_str())));
    lines.extend(residency.failures.iter().map(|(id, reason)| Line::from(format!("{id}: {reason}"))));
    let title = format!(
        " strategist {:?}: {} models on offer, {} units an hour expected, {} on disk ",
        residency.mode,
        residency.offers,
        residency.hourly / 1_000,
        mebibytes(residency.disk_bytes)
    );
    frame.render_widget(Paragraph::new(lines).block(Block::bordered().title(title)), area);
}

fn mebibytes(bytes: u64) -> String {
    if bytes > u64::MAX >> 2 { "no limit".to_owned() } else { format!("{} MiB", bytes >> 20) }
}

fn hundredths(value: u64) -> String {
    format!("{}.{:02}", value / 100, value % 100)
}

fn thousandths(value: u64) -> String {
    format!("{}.{:03}", value / 1_000, value % 1_000)
}

#[cfg(test)]
pub(crate) mod tests {
    use model_runtime::Durations;
    use protocol::account::AccountId;
    use ratatui::Terminal;
    use ratatui::backend::TestBackend;

    use super::*;
    use crate::operations::{ChainStatus, ModelStatus, ValidatorStatus};
    use crate::receipts::ModelCounts;
    use crate::residency::{Doing, HeldModel, ResidencyStatus};
    use crate::strategist::Mode;

    /// A miner in the middle of its day.
    pub(crate) fn example() -> MinerStatus {
        let id = |name: &str| ModelId::try_from(name).unwrap();
        let (smol, gemma) = (id("SmolLM2-135M-Instruct"), id("gemma-3-270m"));
        let model = |in_flight, weights_bytes| ModelStatus {
            slots: 4,
            in_flight,
            running: in_flight.into(),
            waiting: 1,
            passes: 700,
            sequences_in_passes: 2_100,
            tokens_computed: 5_100,
            prompt_tokens_cached: 96,
            first_token: Durations::default(),
            next_token: Durations::default(),
            weights_bytes,
            context_tokens: 8_192,
        };
        let counts = ModelCounts {
            finished: 42,
            cut: 1,
            bounties: 2,
            prompt_tokens: 9_000,
            completion_tokens: 4_200,
            first_token_ms: 4_200,
        };
        MinerStatus {
            version: "0.1.0".to_owned(),
            netuid: 64,
            hotkey: AccountId([1; 32]),
            axon: "203.0.113.7:8091".to_owned(),
            at_ms: 1_000_000,
            uptime_s: 3_723,
            device: "cpu: Fast CPU, 2 threads".to_owned(),
            models: [(smol.clone(), model(6, 98 << 20)), (gemma.clone(), model(0, 253 << 20))].into(),
            counts: [(smol.clone(), counts)].into(),
            chain: ChainStatus {
                block: 4_711,
                age_ms: 3_000,
                uid: Some(7),
                incentive: 32_768,
                emission_rao: 1_000_000,
                emission_rao_day: 12_500_000_000,
                validators: 3,
            },
            validators: [(
                AccountId([2; 32]),
                ValidatorStatus { connected: true, stake_rao: 1_500_000_000_000, models: 5, bounties: 1 },
            )]
            .into(),
            residency: ResidencyStatus {
                mode: Mode::On,
                memory_bytes_max: 2 << 30,
                memory_bytes: 400 << 20,
                disk_bytes: 351 << 20,
                offers: 9,
                held: [(gemma.clone(), HeldModel { memory_bytes: 300 << 20, since_ms: 5 })].into(),
                doing: Some(Doing { model: id("big"), what: "fetching".to_owned(), since_ms: 990_000 }),
                reasons: vec!["big is worth 12 in the next 60 min".to_owned()],
                failures: [(id("broken"), "it could not be loaded".to_owned())].into(),
                hourly: 7_500,
                prices: [(smol, (250, 1_000))].into(),
            },
            compute: 6_450_000,
        }
    }

    fn screen(status: &MinerStatus, rates: &Rates) -> Vec<String> {
        let mut terminal = Terminal::new(TestBackend::new(110, 24)).unwrap();
        terminal.draw(|frame| draw(frame, status, rates)).unwrap();
        let buffer = terminal.backend().buffer().clone();
        let row = |y| (0..buffer.area.width).map(|x| buffer[(x, y)].symbol()).collect::<String>();
        (0..buffer.area.height).map(|y| row(y).trim_end().to_owned()).collect()
    }

    #[test]
    fn the_screen_shows_what_an_operator_looks_for() {
        let before = MinerStatus { at_ms: 998_000, counts: BTreeMap::new(), ..example() };
        let rows = screen(&example(), &Rates::between(&before, &example()));
        let shows = |words: &[&str]| {
            assert!(
                rows.iter().any(|row| words.iter().all(|word| row.contains(word))),
                "{words:?} are in no row of\n{}",
                rows.join("\n")
            );
        };
        shows(&["subnet-miner 0.1.0"]);
        shows(&["subnet 64, uid 7, axon 203.0.113.7:8091"]);
        shows(&["up 1:02:03"]);
        shows(&["about 12.500 alpha a day", "incentive 50.00 %", "block 4711 (3 s ago)"]);
        shows(&["6450 compute units", "42 calls", "1 models", "2 bounties"]);
        shows(&["models hot: 2, memory 400 MiB of 2048 MiB"]);
        // Six requests on four slots, and 4,200 tokens in two seconds.
        shows(&["SmolLM2-135M-Instruct", "operator", "4/4", "2", "2100.0", "42", "98 MiB"]);
        shows(&["gemma-3-270m", "strategist", "0/4", "253 MiB"]);
        shows(&["connected", "1500.000", "5"]);
        shows(&["strategist On: 9 models on offer, 7 units an hour expected, 351 MiB on disk"]);
        shows(&["fetching big for 10 s"]);
        shows(&["big is worth 12"]);
        shows(&["broken: it could not be loaded"]);
    }

    #[test]
    fn a_small_terminal_and_a_fresh_miner_are_drawn_too() {
        let fresh = MinerStatus {
            models: BTreeMap::new(),
            counts: BTreeMap::new(),
            validators: BTreeMap::new(),
            chain: ChainStatus::default(),
            residency: ResidencyStatus::default(),
            ..example()
        };
        assert!(screen(&fresh, &Rates::default()).iter().any(|row| row.contains("NOT REGISTERED")));
        let mut small = Terminal::new(TestBackend::new(20, 5)).unwrap();
        small.draw(|frame| draw(frame, &example(), &Rates::default())).unwrap();
    }
}
