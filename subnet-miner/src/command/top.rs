//! `top`: a running miner in the terminal.

use std::io::Write;

use serde_json::json;

use super::{CommandError, print_json};
use crate::cli::Top;
use crate::config::Config;
use crate::top;

pub(super) async fn run(config: &Config, flags: &Top, out: &mut impl Write) -> Result<(), CommandError> {
    let url = flags.url.clone().unwrap_or_else(|| format!("http://{}", config.operations.bind));
    let url = url.trim_end_matches('/');
    if !flags.json {
        return top::run(url).await.map_err(CommandError::Top);
    }
    // Fails only where another part has chosen already, which is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let status = top::fetch(&reqwest::Client::new(), url).await.map_err(CommandError::Top)?;
    print_json(out, &json!(status))
}
