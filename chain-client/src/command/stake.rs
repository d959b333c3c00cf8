//! `chain stake`: the subnet's market, what its validators pay, and what a coldkey holds. Only reads.

use std::io::Write;

use serde_json::{Value, json};

use super::table::{pairs, table};
use super::{CommandError, Site, print_json, print_lines};
use crate::amount::{alpha, decimal, tao};
use crate::cli::StakeView;
use crate::{StakePosition, SubnetEconomy, SwapQuote, YieldInputs};

/// Everything the command shows.
struct View {
    economy: SubnetEconomy,
    positions: Vec<StakePosition>,
    yields: Option<YieldInputs>,
    quote: Option<SwapQuote>,
}

pub(super) async fn run(site: &Site, flags: &StakeView, out: &mut impl Write) -> Result<(), CommandError> {
    let client = site.connect().await?;
    let netuid = site.netuid;
    let block = client.finalized().await.map_err(CommandError::Chain)?;
    let coldkey = flags.coldkey.or_else(|| site.coldkey_account().ok());
    let hotkey = site.hotkey_account().ok();
    let economy = client.economy(netuid, block).await.map_err(CommandError::Chain)?;
    let positions = match &coldkey {
        Some(coldkey) => client.stake_positions(coldkey, block).await.map_err(CommandError::Chain)?,
        None => Vec::new(),
    };
    let yields = match &hotkey {
        Some(hotkey) => Some(client.yield_inputs(netuid, hotkey, block).await.map_err(CommandError::Chain)?),
        None => None,
    };
    let quote = match flags.amount_rao {
        Some(rao) => Some(client.quote_stake(netuid, rao, block).await.map_err(CommandError::Chain)?),
        None => None,
    };
    let view = View { economy, positions, yields, quote };
    if flags.output.json {
        let mut value = to_json(&view);
        value["coldkey"] = json!(coldkey);
        value["hotkey"] = json!(hotkey);
        return print_json(out, &value);
    }
    print_lines(out, &to_lines(&view))
}

fn to_json(view: &View) -> Value {
    let amount = |rao: u64| rao.to_string();
    let View { economy, positions, yields, quote } = view;
    let positions = positions.iter().map(|position| {
        json!({
            "hotkey": position.hotkey, "netuid": position.netuid, "stake_rao": amount(position.stake_rao),
            "locked_rao": amount(position.locked_rao), "emission_rao": amount(position.emission_rao),
            "is_registered": position.is_registered,
        })
    });
    json!({
        "netuid": economy.netuid, "block": economy.block.number, "symbol": economy.symbol,
        "price_rao": amount(economy.price_rao), "moving_price_rao": amount(economy.moving_price_rao),
        "pool": { "tao_rao": amount(economy.pool_tao_rao), "alpha_rao": amount(economy.pool_alpha_rao) },
        "alpha_out_rao": amount(economy.alpha_out_rao), "volume_rao": economy.volume_rao.to_string(),
        "emission": {
            "tao_rao_per_block": amount(economy.tao_emission_rao), "share_ppm": economy.emission_share_ppm(),
            "alpha_in_rao_per_block": amount(economy.alpha_in_emission_rao),
            "alpha_out_rao_per_block": amount(economy.alpha_out_emission_rao),
        },
        "yield": yields.map(|inputs| json!({
            "dividends_rao": amount(inputs.dividends_rao), "stake_rao": amount(inputs.stake_rao), "take": inputs.take,
            "tempo": inputs.tempo, "block_time_ms": inputs.block_time_ms, "percent_per_year": inputs.percent_per_year(),
        })),
        "quote": quote.map(|quote| json!({
            "tao_rao": amount(quote.tao_rao), "alpha_rao": amount(quote.alpha_rao),
            "tao_fee_rao": amount(quote.tao_fee_rao), "alpha_fee_rao": amount(quote.alpha_fee_rao),
            "tao_slippage_rao": amount(quote.tao_slippage_rao), "alpha_slippage_rao": amount(quote.alpha_slippage_rao),
        })),
        "positions": positions.collect::<Vec<_>>(),
    })
}

fn to_lines(view: &View) -> Vec<String> {
    let View { economy, positions, yields, quote } = view;
    let share = economy.emission_share_ppm() as f64 / 10_000.0;
    let mut rows = vec![
        ("subnet", format!("{} ({}) at block {}", economy.netuid, economy.symbol, economy.block.number)),
        (
            "price",
            format!(
                "{} for one alpha, {} on slow average",
                tao(economy.price_rao),
                decimal(economy.moving_price_rao)
            ),
        ),
        ("pool", format!("{} and {}", tao(economy.pool_tao_rao), alpha(economy.pool_alpha_rao))),
        ("staked", alpha(economy.alpha_out_rao)),
        ("emission", format!("{} per block ({share:.4} % of the chain's)", tao(economy.tao_emission_rao))),
    ];
    if let Some(inputs) = yields {
        let year = inputs.percent_per_year().map(|percent| format!(", {percent:.2} % a year if it stays so"));
        let (paid, staked) = (alpha(inputs.dividends_rao), alpha(inputs.stake_rao));
        rows.push(("dividends", format!("{paid} on {staked} in the last epoch{}", year.unwrap_or_default())));
    }
    if let Some(quote) = quote {
        let slippage = quote.tao_slippage_rao.max(quote.alpha_slippage_rao);
        rows.push((
            "quote",
            format!(
                "{} would buy {}, slippage {}",
                tao(quote.tao_rao),
                alpha(quote.alpha_rao),
                decimal(slippage)
            ),
        ));
    }
    let mut lines = pairs(&rows);
    if !positions.is_empty() {
        let rows: Vec<_> = positions
            .iter()
            .map(|position| {
                vec![
                    position.netuid.to_string(),
                    position.hotkey.to_string(),
                    decimal(position.stake_rao),
                    (if position.is_registered { "yes" } else { "no" }).to_owned(),
                ]
            })
            .collect();
        lines.extend(table(&["netuid", "hotkey", "stake", "registered"], &rows));
    }
    lines
}
