//! Asking before anything that costs.

use std::io::{BufRead, IsTerminal, Write};

use super::CommandError;

/// Asks on the terminal. Standard output stays free for the result.
pub fn confirm(question: &str) -> Result<(), CommandError> {
    let stdin = std::io::stdin();
    if !stdin.is_terminal() {
        return Err(CommandError::NotConfirmed { reason: "there is no terminal to ask on" });
    }
    let mut err = std::io::stderr();
    write!(err, "{question} [y/N] ").and_then(|()| err.flush()).map_err(CommandError::Output)?;
    let mut answer = String::new();
    stdin.lock().read_line(&mut answer).map_err(CommandError::Output)?;
    match answer.trim() {
        "y" | "Y" | "yes" => Ok(()),
        _ => Err(CommandError::NotConfirmed { reason: "the answer was no" }),
    }
}
