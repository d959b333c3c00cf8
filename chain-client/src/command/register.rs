//! `register`: a uid for the hotkey, by burning TAO of the coldkey or by working for it.

use std::io::Write;
use std::num::NonZeroUsize;
use std::pin::pin;

use futures::StreamExt;
use protocol::AccountId;
use serde_json::json;

use super::table::pairs;
use super::{CommandError, Site, confirm, pass_over, print_json, print_lines, tell};
use crate::amount::tao;
use crate::cli::Register;
use crate::pow::expected;
use crate::{
    ChainClient, PowConfig, PowError, PowProgress, QueryError, Registration, RegistrationObstacle,
    RegistrationQuote, SubmitError,
};

/// Solutions that may come too late before working is given up.
const WORK_ATTEMPTS_MAX: u32 = 20;

/// Runs `register`.
pub async fn register(
    site: &Site,
    flags: &Register,
    out: &mut (impl Write + Send),
) -> Result<(), CommandError> {
    let hotkey = site.hotkey_account()?;
    let payer = site.coldkey_account()?;
    let client = site.connect_to_submit(flags.waiting).await?;
    let mut quote = quote(&client, site.netuid, &hotkey, &payer).await?;
    if let Some(uid) = quote.uid {
        let registration = Registration::AlreadyRegistered { uid };
        return report(&quote, Some(registration), "already registered", flags, out);
    }
    if flags.pow {
        return Box::pin(work(site, &client, &quote, flags, out)).await;
    }
    let limit = flags.limit_rao();
    // A dry run shows the price also where it cannot be paid.
    if flags.dry_run {
        let obstacle = quote.obstacle(limit);
        let outcome =
            obstacle.map_or("would register".to_owned(), |obstacle| format!("would fail: {obstacle}"));
        return report(&quote, None, &outcome, flags, out);
    }
    let mut patience = Patience::new(flags.wait_blocks, &quote);
    quote = patience.wait_out(&client, quote, limit).await?;
    if quote.uid.is_none() && !flags.yes {
        let price = tao(limit.unwrap_or(quote.burn_rao));
        let at_most = if limit.is_some() { "at most " } else { "" };
        let netuid = site.netuid;
        confirm(&format!("Burn {at_most}{price} of {payer} to register {hotkey} on subnet {netuid}?"))?;
    }
    let coldkey = site.coldkey()?;
    loop {
        let submitted = match limit {
            Some(limit) => Box::pin(client.register_up_to(&coldkey, &hotkey, site.netuid, limit)).await,
            None => Box::pin(client.register_burned(&coldkey, &hotkey, site.netuid)).await,
        };
        match submitted {
            Ok(registration) => return done(&quote, registration, flags, out),
            Err(error) if passes_by_itself(&error) && patience.has_left(&client).await? => {
                tell(&format!("{error}: waiting for the next block"))?;
                quote = patience.next(&client, &quote).await?;
                quote = patience.wait_out(&client, quote, limit).await?;
            }
            Err(error) => return Err(CommandError::Submit(error)),
        }
    }
}

/// How long to wait for what passes by itself.
struct Patience {
    until_block: u32,
}

impl Patience {
    fn new(blocks: u32, quote: &RegistrationQuote) -> Self {
        Self { until_block: quote.block.number.saturating_add(blocks) }
    }

    async fn has_left(&self, client: &ChainClient) -> Result<bool, CommandError> {
        match client.finalized().await {
            Ok(block) => Ok(block.number < self.until_block),
            // What is left is seen at the next block.
            Err(error) => pass_over(error).map(|()| true),
        }
    }

    /// Waits while an obstacle stands in the way that passes, and fails with the one that does not.
    async fn wait_out(
        &mut self,
        client: &ChainClient,
        mut quote: RegistrationQuote,
        limit_rao: Option<u64>,
    ) -> Result<RegistrationQuote, CommandError> {
        while let Some(obstacle) = quote.obstacle(limit_rao).filter(|_| quote.uid.is_none()) {
            if !obstacle.is_passing()
                || quote.block.number >= self.until_block
                || !self.is_in_reach(&obstacle, &quote)
            {
                return Err(CommandError::Obstacle(obstacle));
            }
            tell(&format!(
                "block {}: {obstacle}; waiting until block {} at most",
                quote.block.number, self.until_block
            ))?;
            quote = self.next(client, &quote).await?;
        }
        Ok(quote)
    }

    /// Waiting for what cannot come in time helps nobody.
    fn is_in_reach(&self, obstacle: &RegistrationObstacle, quote: &RegistrationQuote) -> bool {
        match obstacle {
            RegistrationObstacle::Price { blocks: Some(blocks), .. } => {
                quote.block.number.saturating_add(*blocks) <= self.until_block
            }
            _ => true,
        }
    }

    /// The quote at the next finalised block.
    async fn next(
        &self,
        client: &ChainClient,
        quote: &RegistrationQuote,
    ) -> Result<RegistrationQuote, CommandError> {
        let mut blocks = pin!(client.finalized_blocks());
        while let Some(block) = blocks.next().await {
            let block = match block {
                Ok(block) => block,
                Err(error) => {
                    pass_over(error)?;
                    continue;
                }
            };
            if block.number > quote.block.number {
                let RegistrationQuote { netuid, hotkey, coldkey, .. } = quote;
                match client.registration_quote(*netuid, hotkey, coldkey, block).await {
                    Ok(next) => return Ok(next),
                    Err(error) => pass_over(error)?,
                }
            }
        }
        Err(CommandError::Chain(QueryError::UnknownBlock { doing: "waiting for the next block" }))
    }
}

/// Whether the next blocks can make the difference: others were quicker in this one.
fn passes_by_itself(error: &SubmitError) -> bool {
    matches!(
        error,
        SubmitError::Dispatch { error, .. } if matches!(
            error.as_str(),
            "TooManyRegistrationsThisBlock"
                | "TooManyRegistrationsThisInterval"
                | "RegistrationPriceLimitExceeded"
                | "NoNeuronIdAvailable"
        )
    )
}

async fn quote(
    client: &ChainClient,
    netuid: u16,
    hotkey: &AccountId,
    coldkey: &AccountId,
) -> Result<RegistrationQuote, CommandError> {
    let block = client.finalized().await.map_err(CommandError::Chain)?;
    client.registration_quote(netuid, hotkey, coldkey, block).await.map_err(CommandError::Chain)
}

/// Works for the uid, and tells every ten seconds how far it is.
async fn work(
    site: &Site,
    client: &ChainClient,
    quote: &RegistrationQuote,
    flags: &Register,
    out: &mut impl Write,
) -> Result<(), CommandError> {
    if !quote.is_open_to_work {
        return Err(CommandError::Work(PowError::Closed { netuid: site.netuid }));
    }
    client.check_work(quote.block).await.map_err(CommandError::Work)?;
    if flags.dry_run {
        return report(quote, None, "would work for the registration", flags, out);
    }
    let coldkey = site.coldkey()?;
    let processors = std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
    let threads = flags.pow_threads.unwrap_or(processors);
    tell(&format!("working with {threads} threads at difficulty {}; Ctrl-C ends it", quote.difficulty))?;
    let mut told_s = 0;
    let progress = |progress: PowProgress| {
        let elapsed_s = progress.elapsed.as_secs();
        if elapsed_s >= told_s + 10 {
            told_s = elapsed_s;
            let average = expected(progress.difficulty, progress.seals, progress.elapsed);
            let average = average.map_or(String::new(), |time| format!(", {} s on average", time.as_secs()));
            let rate = progress.seals / elapsed_s.max(1);
            // Nobody is left to tell if standard error is gone.
            let _ = tell(&format!(
                "block {}: {rate} seals per second for {elapsed_s} s{average}",
                progress.work_block
            ));
        }
    };
    let config = PowConfig { threads, attempts_max: WORK_ATTEMPTS_MAX };
    let registered = client.register_pow(&coldkey, &quote.hotkey, site.netuid, config, progress).await;
    done(quote, registered.map_err(CommandError::Work)?, flags, out)
}

fn done(
    quote: &RegistrationQuote,
    registration: Registration,
    flags: &Register,
    out: &mut impl Write,
) -> Result<(), CommandError> {
    let outcome = match registration {
        Registration::Registered { .. } => "registered".to_owned(),
        Registration::NotFinal { block, .. } => {
            format!("registered in block {}, not yet final", block.number)
        }
        Registration::AlreadyRegistered { .. } => "already registered".to_owned(),
    };
    report(quote, Some(registration), &outcome, flags, out)
}

fn report(
    quote: &RegistrationQuote,
    registration: Option<Registration>,
    outcome: &str,
    flags: &Register,
    out: &mut impl Write,
) -> Result<(), CommandError> {
    let (count, count_max) = quote.neurons;
    let uid = registration.map(|registration| registration.uid());
    // What the chain counts from: the registration's block, or the next one for a preview.
    let (since, is_final) = match registration {
        Some(Registration::Registered { block, .. }) => (Some(block.number), Some(true)),
        Some(Registration::NotFinal { block, .. }) => (Some(block.number), Some(false)),
        Some(Registration::AlreadyRegistered { .. }) => (None, None),
        None => (Some(quote.block.number.saturating_add(1)), None),
    };
    let immune_until = since.map(|since| u64::from(since) + u64::from(quote.immunity_period));
    let weights_from = since.map(|since| u64::from(since).saturating_add(quote.weights_rate_limit));
    if flags.output.json {
        let amount = |rao: u64| rao.to_string();
        return print_json(
            out,
            &json!({
                "outcome": outcome, "netuid": quote.netuid, "hotkey": quote.hotkey, "coldkey": quote.coldkey, "uid": uid,
                "block": quote.block.number, "burn_rao": amount(quote.burn_rao), "fee_rao": amount(quote.fee_rao),
                "needed_rao": amount(quote.needed_rao()), "balance_rao": amount(quote.balance_rao),
                "limit_rao": flags.limit_rao().map(amount), "neurons": count, "neurons_max": count_max,
                "immune_neurons": quote.immune, "immunity_blocks": quote.immunity_period,
                "immune_until_block": immune_until, "weights_from_block": weights_from, "final": is_final,
                "pow": flags.pow, "dry_run": flags.dry_run,
            }),
        );
    }
    let uid = uid.map_or_else(String::new, |uid| format!(", uid {uid}"));
    let replaces = match quote.immune {
        None => String::new(),
        Some(immune) => format!(
            ": a newcomer replaces the one with the least emission among the {} that are not immune, or if there are \
             none among the immune; the owner's are never replaced",
            count.saturating_sub(immune)
        ),
    };
    let mut lines = vec![format!("{outcome}: hotkey {} on subnet {}{uid}", quote.hotkey, quote.netuid)];
    lines.extend(pairs(&[
        ("price", format!("{} and a fee of {}", tao(quote.burn_rao), tao(quote.fee_rao))),
        ("coldkey", format!("{} has {}", quote.coldkey, tao(quote.balance_rao))),
        ("neurons", format!("{count} of {count_max}{replaces}")),
    ]));
    if let (Some(immune_until), Some(weights_from)) = (immune_until, weights_from) {
        let (immunity, limit) = (quote.immunity_period, quote.weights_rate_limit);
        lines.extend(pairs(&[
            ("immunity", format!("{immunity} blocks: nobody takes this uid until block {immune_until}")),
            ("axon", "can be announced at once".to_owned()),
            (
                "weights",
                format!("a validator's first from block {weights_from} on: their limit of {limit} blocks counts from registering, and they take a permit, which epochs give"),
            ),
        ]));
    }
    print_lines(out, &lines)
}
