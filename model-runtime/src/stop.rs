//! Stop strings, found across token borders.

use thiserror::Error;

/// Stop strings a request may have.
pub const STOPS_MAX: usize = 16;
/// Bytes a stop string may have.
pub const STOP_BYTES_MAX: usize = 512;

/// Stop strings that are refused.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[expect(missing_docs, reason = "the texts say it")]
pub enum StopError {
    #[error("at most {STOPS_MAX} stop strings are allowed, not {0}")]
    TooMany(usize),
    #[error("a stop string must have 1 to {STOP_BYTES_MAX} bytes, not {0}")]
    Length(usize),
}

/// Looks for stop strings in text that arrives in pieces. Text that may still become a stop string is held back.
#[derive(Clone, Debug)]
pub struct StopScanner {
    stops: Vec<String>,
    held: String,
}

/// What may be shown after a piece of text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scan {
    /// Text no stop string can begin in.
    Go(String),
    /// A stop string was found; this is the text before it.
    Stop(String),
}

impl StopScanner {
    /// # Errors
    /// When there are too many strings, or one is empty or too long.
    pub fn new(stops: Vec<String>) -> Result<Self, StopError> {
        if stops.len() > STOPS_MAX {
            return Err(StopError::TooMany(stops.len()));
        }
        if let Some(stop) = stops.iter().find(|stop| !(1..=STOP_BYTES_MAX).contains(&stop.len())) {
            return Err(StopError::Length(stop.len()));
        }
        Ok(Self { stops, held: String::new() })
    }

    /// Takes the next piece of text.
    pub fn push(&mut self, text: &str) -> Scan {
        self.held.push_str(text);
        if let Some(found) = self.stops.iter().filter_map(|stop| self.held.find(stop.as_str())).min() {
            self.held.truncate(found);
            return Scan::Stop(std::mem::take(&mut self.held));
        }
        let undecided = self.held.split_off(self.decided());
        Scan::Go(std::mem::replace(&mut self.held, undecided))
    }

    /// The text that was held back, once no more will come.
    pub fn finish(&mut self) -> String {
        std::mem::take(&mut self.held)
    }

    /// Where the longest ending begins that is the beginning of a stop string.
    fn decided(&self) -> usize {
        let begins_stop =
            |tail: &str| self.stops.iter().any(|stop| stop.len() > tail.len() && stop.starts_with(tail));
        self.held
            .char_indices()
            .map(|(at, _)| at)
            .find(|at| begins_stop(&self.held[*at..]))
            .unwrap_or(self.held.len())
    }
}

#[cfg(test)]
mod tests;
