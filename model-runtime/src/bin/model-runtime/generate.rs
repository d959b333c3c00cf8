//! `model-runtime generate`: one prompt, one answer.

use anyhow::bail;
use futures::StreamExt as _;
use model_runtime::{Event, Finished, GenerateRequest, Message, Prompt, RuntimeConfig, Sampling};
use serde::Serialize;

use crate::output;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    compute: output::ComputeArgs,
    /// What to answer.
    #[arg(long, value_name = "TEXT")]
    prompt: String,
    /// What the model should be like.
    #[arg(long, value_name = "TEXT", conflicts_with = "raw")]
    system: Option<String>,
    /// Continue the prompt as it is, without the chat template.
    #[arg(long)]
    raw: bool,
    /// Tokens of the answer at most.
    #[arg(long, value_name = "N", default_value_t = 256)]
    max_tokens: u32,
    /// 0 takes the likeliest token always.
    #[arg(long, value_name = "X", default_value_t = 0.0)]
    temperature: f32,
    /// Keep the likeliest tokens whose probabilities reach this sum.
    #[arg(long, value_name = "P", default_value_t = 1.0)]
    top_p: f32,
    /// Keep so many of the likeliest tokens.
    #[arg(long, value_name = "K")]
    top_k: Option<u32>,
    /// Makes a draw repeatable.
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Tokens to guess ahead from what the text had before.
    #[arg(long, value_name = "N", default_value_t = 0)]
    draft_tokens: u32,
    /// End the answer before this text; may be given several times.
    #[arg(long, value_name = "TEXT")]
    stop: Vec<String>,
    /// Print one JSON object instead of the text.
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Answer {
    text: String,
    token_ids: Vec<u32>,
    /// Natural logarithm of each token's probability.
    logprobs: Vec<f32>,
    finish_reason: model_runtime::FinishReason,
    timings: Finished,
    decode_tokens_per_second: f64,
}

pub(crate) async fn run(args: Args) -> anyhow::Result<()> {
    let output::ComputeArgs { threads, device, .. } = args.compute;
    let config = RuntimeConfig { threads, device, ..RuntimeConfig::default() };
    let model = output::load(&args.compute.model, config).await?;
    let json = args.json;
    let mut generation = model.generate(request(args)).await?;
    let (mut text, mut token_ids, mut logprobs) = (String::new(), Vec::new(), Vec::new());
    while let Some(event) = generation.next().await {
        match event {
            Event::Token { text: more, id, logprobs: told } => {
                if !json {
                    output::piece(&more)?;
                }
                text += &more;
                token_ids.push(id);
                logprobs.extend(told.map(|told| told.drawn));
            }
            Event::Failed(error) => bail!(error),
            Event::Finished(finished) => {
                return report(json, Answered { text, token_ids, logprobs, finished });
            }
        }
    }
    bail!("the answer broke off")
}

fn request(args: Args) -> GenerateRequest {
    let message = |role: &str, content: String| Message { role: role.to_owned(), content };
    let prompt = if args.raw {
        Prompt::Text(args.prompt)
    } else {
        let system = args.system.map(|content| message("system", content));
        Prompt::Chat(system.into_iter().chain([message("user", args.prompt)]).collect())
    };
    let Args { temperature, top_p, top_k, seed, .. } = args;
    let sampling =
        Sampling { temperature, top_p, top_k, seed, logprobs: args.json.then_some(0), ..Sampling::greedy() };
    let plain = GenerateRequest::greedy(prompt, args.max_tokens);
    GenerateRequest { sampling, stop: args.stop, draft_tokens_max: args.draft_tokens, ..plain }
}

struct Answered {
    text: String,
    token_ids: Vec<u32>,
    logprobs: Vec<f32>,
    finished: Finished,
}

fn report(json: bool, answered: Answered) -> anyhow::Result<()> {
    let Answered { text, token_ids, logprobs, finished } = answered;
    let decode_ms = finished.total_ms - finished.first_token_ms;
    let decoded = token_ids.len().saturating_sub(1);
    let decode_tokens_per_second =
        if decode_ms == 0 { 0.0 } else { decoded as f64 * 1000.0 / decode_ms as f64 };
    eprintln!(
        "\n{} prompt tokens, first token after {} ms, {} tokens in all, {decode_tokens_per_second:.1} tokens/s",
        finished.prompt_tokens, finished.first_token_ms, finished.completion_tokens
    );
    if !json {
        return output::line("");
    }
    output::json(&Answer {
        text,
        token_ids,
        logprobs,
        finish_reason: finished.reason,
        timings: finished,
        decode_tokens_per_second,
    })
}
