//! Amounts of TAO and alpha for people: nine decimals, exact.

/// Rao in one TAO, and in one unit of any subnet's alpha.
pub const RAO_PER_TAO: u64 = 1_000_000_000;

/// An amount with its nine decimals, such as `1.500000000`.
pub fn decimal(rao: u64) -> String {
    format!("{}.{:09}", rao / RAO_PER_TAO, rao % RAO_PER_TAO)
}

/// An amount of TAO with its unit.
pub fn tao(rao: u64) -> String {
    format!("{} TAO", decimal(rao))
}

/// An amount of a subnet's alpha with its unit.
pub fn alpha(rao: u64) -> String {
    format!("{} alpha", decimal(rao))
}

/// Reads an amount with up to nine decimals, exactly, into rao. Zero is no amount.
pub fn parse_tao(text: &str) -> Result<u64, String> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || fraction.len() > 9 || !digits(whole) || !digits(fraction) {
        return Err("write an amount of TAO with up to nine decimals, such as 1.5".into());
    }
    let rao: u64 = format!("{fraction:0<9}").parse().map_err(|_| "not a number")?;
    let amount = whole.parse::<u64>().ok().and_then(|whole| whole.checked_mul(RAO_PER_TAO)?.checked_add(rao));
    amount
        .filter(|rao| *rao > 0)
        .ok_or_else(|| "the amount must be above zero and below 18,446,744,073 TAO".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_read_to_the_rao() {
        assert_eq!(parse_tao("1000"), Ok(1_000_000_000_000));
        assert_eq!(parse_tao("0.000000001"), Ok(1));
        assert_eq!(parse_tao("1.5").map(tao), Ok("1.500000000 TAO".to_owned()));
        assert_eq!(parse_tao("18446744073.709551615"), Ok(u64::MAX));
    }

    #[test]
    fn what_is_no_amount_is_refused() {
        let wrong = ["", ".", "-1", "1e3", "0", "0.0", "1.0000000001", "99999999999", "+1", ".5", "1,5"];
        for text in wrong.into_iter().chain(["18446744073.709551616"]) {
            assert!(parse_tao(text).is_err(), "{text} was accepted");
        }
    }
}
