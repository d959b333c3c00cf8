//! `top`: a running miner in the terminal, read from its operator's side once a second.

mod view;

use std::io;
use std::time::Duration;

use ratatui::crossterm::event::{self, Event, KeyCode, KeyModifiers};

pub use self::view::{Rates, draw};
use crate::operations::MinerStatus;

/// Time for one status, in milliseconds.
const STATUS_MS_MAX: u64 = 2_000;
/// Pause between two.
const PAUSE: Duration = Duration::from_millis(1_000);

/// Why there is nothing to show.
#[derive(Debug, thiserror::Error)]
pub enum TopError {
    /// Nobody listens there.
    #[error("no miner answers at {url}")]
    Fetch {
        /// Where it was looked for.
        url: String,
        /// Why.
        #[source]
        source: reqwest::Error,
    },
    /// The terminal.
    #[error("cannot use this terminal")]
    Terminal(#[source] io::Error),
}

/// A running miner's status.
pub async fn fetch(http: &reqwest::Client, url: &str) -> Result<MinerStatus, TopError> {
    let request = http.get(format!("{url}/status")).timeout(Duration::from_millis(STATUS_MS_MAX));
    let failed = |source| TopError::Fetch { url: url.to_owned(), source };
    let response = request.send().await.and_then(reqwest::Response::error_for_status).map_err(failed)?;
    response.json().await.map_err(failed)
}

/// Shows the miner at `url` until the operator has seen enough: q, Escape or Ctrl-C.
pub async fn run(url: &str) -> Result<(), TopError> {
    // Fails only where another part has chosen already, which is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let http = reqwest::Client::new();
    // Before the screen is taken: an error must be readable.
    let mut status = fetch(&http, url).await?;
    let mut terminal = ratatui::try_init().map_err(TopError::Terminal)?;
    let mut rates = Rates::default();
    let ended = loop {
        if let Err(error) = terminal.draw(|frame| draw(frame, &status, &rates)) {
            break Err(TopError::Terminal(error));
        }
        match tokio::task::spawn_blocking(wants_to_leave).await {
            Ok(Ok(true)) => break Ok(()),
            Ok(Ok(false)) => {}
            Ok(Err(error)) => break Err(TopError::Terminal(error)),
            Err(error) => break Err(TopError::Terminal(io::Error::other(error))),
        }
        match fetch(&http, url).await {
            Ok(new) => {
                rates = Rates::between(&status, &new);
                status = new;
            }
            Err(error) => break Err(error),
        }
    };
    ratatui::restore();
    ended
}

/// Waits for the time of the next status, or for a key.
fn wants_to_leave() -> io::Result<bool> {
    if !event::poll(PAUSE)? {
        return Ok(false);
    }
    let Event::Key(key) = event::read()? else { return Ok(false) };
    let interrupted = key.code == KeyCode::Char('c') && key.modifiers.contains(KeyModifiers::CONTROL);
    Ok(interrupted || matches!(key.code, KeyCode::Char('q') | KeyCode::Esc))
}

#[cfg(test)]
pub(crate) use self::view::tests::example;
