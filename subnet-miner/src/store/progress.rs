//! How far downloads are: bars on a terminal, a log line for every tenth otherwise.

use std::io::IsTerminal;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

/// Shows the downloads of one store.
#[derive(Debug)]
pub(super) struct Progress {
    bars: Option<MultiProgress>,
}

/// One download. The bar goes with it.
#[derive(Debug)]
pub(super) struct Shown {
    name: String,
    bytes: u64,
    tenths: u64,
    bar: Option<ProgressBar>,
}

impl Progress {
    pub fn new() -> Self {
        Self { bars: std::io::stderr().is_terminal().then(MultiProgress::new) }
    }

    /// Begins to show a download of which `done` bytes are there.
    pub fn begin(&self, name: &str, bytes: u64, done: u64) -> Shown {
        let bar = self.bars.as_ref().map(|bars| {
            let style = "{msg:32} [{bar:30}] {bytes}/{total_bytes} {bytes_per_sec} {eta}";
            let style = ProgressStyle::with_template(style).expect("a literal that indicatif knows");
            bars.add(ProgressBar::new(bytes).with_style(style).with_message(name.to_owned()))
        });
        let mut shown = Shown { name: name.to_owned(), bytes, tenths: tenths(done, bytes), bar };
        if shown.bar.is_none() {
            tracing::info!(file = name, bytes, resumed_at = done, "downloading");
        }
        shown.at(done);
        shown
    }
}

impl Shown {
    /// So many bytes are there now.
    pub fn at(&mut self, done: u64) {
        if let Some(bar) = &self.bar {
            return bar.set_position(done);
        }
        let tenths = tenths(done, self.bytes);
        if tenths > self.tenths {
            self.tenths = tenths;
            tracing::info!(file = %self.name, percent = tenths * 10, "downloading");
        }
    }
}

impl Drop for Shown {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

fn tenths(done: u64, bytes: u64) -> u64 {
    (u128::from(done) * 10).checked_div(bytes.into()).and_then(|tenths| tenths.try_into().ok()).unwrap_or(10)
}
