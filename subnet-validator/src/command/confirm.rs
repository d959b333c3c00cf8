//! Asking before TAO moves, and showing how much.

use std::io::{BufRead, IsTerminal, Write};

use super::CommandError;

/// Rao in one TAO.
const TAO: u64 = 1_000_000_000;

/// Asks on the terminal. Standard output stays free for the result.
pub(super) fn confirm(question: &str) -> Result<(), CommandError> {
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

/// An amount for people.
pub(super) fn tao(rao: u64) -> String {
    format!("{}.{:09} TAO", rao / TAO, rao % TAO)
}

/// Reads an amount of TAO with up to nine decimals, exactly.
pub(crate) fn parse_tao(text: &str) -> Result<u64, String> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || fraction.len() > 9 || !digits(whole) || !digits(fraction) {
        return Err("write an amount of TAO with up to nine decimals, such as 1.5".into());
    }
    let rao: u64 = format!("{fraction:0<9}").parse().map_err(|_| "not a number")?;
    let amount = whole.parse::<u64>().ok().and_then(|whole| whole.checked_mul(TAO)?.checked_add(rao));
    amount
        .filter(|rao| *rao > 0)
        .ok_or_else(|| "the amount must be above zero and below 18,446,744,073 TAO".into())
}

#[cfg(test)]
mod tests {
    use super::{parse_tao, tao};

    #[test]
    fn amounts_are_read_to_the_rao() {
        assert_eq!(parse_tao("1000"), Ok(1_000_000_000_000));
        assert_eq!(parse_tao("0.000000001"), Ok(1));
        assert_eq!(parse_tao("1.5").map(tao), Ok("1.500000000 TAO".to_owned()));
    }

    #[test]
    fn what_is_no_amount_is_refused() {
        for text in ["", ".", "-1", "1e3", "0", "0.0", "1.0000000001", "99999999999", "+1", ".5", "1,5"] {
            assert!(parse_tao(text).is_err(), "{text} was accepted");
        }
    }
}
