//! What Python gives to templates and minijinja does not: dictionaries that keep the order of their keys, and `tojson` as transformers has
//! it, which is `json.dumps` without escapes of what is not ASCII.
//!
//! A prompt has to have the bytes that the model was trained on, tools included.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

use minijinja::value::{Enumerator, Kwargs, Object, ValueKind};
use minijinja::{Error, ErrorKind, Value};

/// A map whose keys come in the order they were given in.
#[derive(Debug)]
pub(super) struct Dictionary {
    keys: Vec<Value>,
    values: BTreeMap<Box<str>, Value>,
}

impl Dictionary {
    /// Keys differ from each other.
    pub(super) fn new<'a>(pairs: impl Iterator<Item = (&'a str, Value)> + Clone) -> Self {
        let keys = pairs.clone().map(|(key, _)| Value::from(key)).collect();
        Self { keys, values: pairs.map(|(key, value)| (key.into(), value)).collect() }
    }
}

impl Object for Dictionary {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.values.get(key.as_str()?).cloned()
    }

    fn get_value_by_str(self: &Arc<Self>, key: &str) -> Option<Value> {
        self.values.get(key).cloned()
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Values(self.keys.clone())
    }

    fn enumerator_len(self: &Arc<Self>) -> Option<usize> {
        Some(self.keys.len())
    }
}

/// Values inside of each other, at most: a template may nest them without end.
const DEPTH_MAX: usize = 256;

/// `value | tojson(ensure_ascii=False, indent=None, separators=None, sort_keys=False)`.
pub(super) fn to_json(value: &Value, options: Kwargs) -> Result<String, Error> {
    let indent = options.get::<Option<usize>>("indent")?;
    let separators = options.get::<Option<Vec<String>>>("separators")?;
    let (item, key) = match separators.as_deref() {
        Some([item, key]) => (item.clone(), key.clone()),
        Some(_) => return Err(invalid("tojson's separators are two texts")),
        // As json.dumps: lines end without a space.
        None => (if indent.is_some() { "," } else { ", " }.to_owned(), ": ".to_owned()),
    };
    let writer = Writer {
        indent,
        item,
        key,
        ascii: options.get::<Option<bool>>("ensure_ascii")?.unwrap_or(false),
        sorted: options.get::<Option<bool>>("sort_keys")?.unwrap_or(false),
    };
    options.assert_all_used()?;
    let mut out = String::new();
    writer.value(value, 0, &mut out)?;
    Ok(out)
}

fn invalid(text: &'static str) -> Error {
    Error::new(ErrorKind::InvalidOperation, text)
}

struct Writer {
    indent: Option<usize>,
    item: String,
    key: String,
    ascii: bool,
    sorted: bool,
}

impl Writer {
    fn value(&self, value: &Value, depth: usize, out: &mut String) -> Result<(), Error> {
        if depth > DEPTH_MAX {
            return Err(invalid("values are nested too deeply for tojson"));
        }
        match value.kind() {
            ValueKind::None => out.push_str("null"),
            ValueKind::Bool => out.push_str(if value.is_true() { "true" } else { "false" }),
            ValueKind::Number => number(value, out),
            ValueKind::String => self.text(value.as_str().unwrap_or_default(), out),
            ValueKind::Seq | ValueKind::Iterable => {
                let items: Vec<Value> = value.try_iter()?.collect();
                self.list(['[', ']'], &items, depth, out, |item, out| self.value(item, depth + 1, out))?;
            }
            ValueKind::Map => {
                let mut keys: Vec<Value> = value.try_iter()?.collect();
                if self.sorted {
                    keys.sort();
                }
                self.list(['{', '}'], &keys, depth, out, |key, out| {
                    match key.as_str() {
                        Some(key) => self.text(key, out),
                        // json.dumps turns numbers, booleans and None into texts.
                        None => {
                            let mut text = String::new();
                            self.value(key, depth + 1, &mut text)?;
                            self.text(&text, out);
                        }
                    }
                    out.push_str(&self.key);
                    self.value(&value.get_item(key)?, depth + 1, out)
                })?;
            }
            _ => return Err(invalid("tojson takes what JSON can say, and got something else")),
        }
        Ok(())
    }

    fn list(
        &self,
        [open, close]: [char; 2],
        items: &[Value],
        depth: usize,
        out: &mut String,
        mut write: impl FnMut(&Value, &mut String) -> Result<(), Error>,
    ) -> Result<(), Error> {
        out.push(open);
        for (index, item) in items.iter().enumerate() {
            if index > 0 {
                out.push_str(&self.item);
            }
            self.line(depth + 1, out);
            write(item, out)?;
        }
        if !items.is_empty() {
            self.line(depth, out);
        }
        out.push(close);
        Ok(())
    }

    fn line(&self, depth: usize, out: &mut String) {
        if let Some(indent) = self.indent {
            out.push('\n');
            out.extend(std::iter::repeat_n(' ', indent.saturating_mul(depth).min(DEPTH_MAX)));
        }
    }

    fn text(&self, text: &str, out: &mut String) {
        out.push('"');
        for character in text.chars() {
            match character {
                '"' => out.push_str("\\\""),
                '\\' => out.push_str("\\\\"),
                '\n' => out.push_str("\\n"),
                '\r' => out.push_str("\\r"),
                '\t' => out.push_str("\\t"),
                '\u{8}' => out.push_str("\\b"),
                '\u{c}' => out.push_str("\\f"),
                _ if character < ' ' || (self.ascii && !(' '..='~').contains(&character)) => {
                    for unit in character.encode_utf16(&mut [0; 2]) {
                        write!(out, "\\u{unit:04x}").expect("a text takes all that is written to it");
                    }
                }
                _ => out.push(character),
            }
        }
        out.push('"');
    }
}

fn number(value: &Value, out: &mut String) {
    match f64::try_from(value.clone()) {
        Ok(number) if !value.is_integer() => out.push_str(&float(number)),
        _ => write!(out, "{value}").expect("a text takes all that is written to it"),
    }
}

/// As Python's `repr` writes it: the fewest digits that say the number, with an exponent below -4 and from 16 on.
fn float(number: f64) -> String {
    if number.is_nan() {
        return "NaN".to_owned();
    }
    if number.is_infinite() {
        return if number > 0.0 { "Infinity" } else { "-Infinity" }.to_owned();
    }
    let scientific = format!("{number:e}");
    let (digits, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if number != 0.0 && !(-4..16).contains(&exponent) {
        let sign = if exponent < 0 { '-' } else { '+' };
        return format!("{digits}e{sign}{:02}", exponent.abs());
    }
    let plain = number.to_string();
    if plain.contains('.') { plain } else { plain + ".0" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floats_are_written_as_python_writes_them() {
        let cases = [
            (0.0, "0.0"),
            (-0.0, "-0.0"),
            (1.0, "1.0"),
            (0.1, "0.1"),
            (1e15, "1000000000000000.0"),
            (1e16, "1e+16"),
            (1.5e300, "1.5e+300"),
            (0.0001, "0.0001"),
            (0.00001, "1e-05"),
            (-2.5e-7, "-2.5e-07"),
            (123_456.789, "123456.789"),
            (f64::NAN, "NaN"),
            (f64::NEG_INFINITY, "-Infinity"),
        ];
        for (number, text) in cases {
            assert_eq!(float(number), text);
        }
    }

    fn dumped(value: &Value, options: &[(&str, Value)]) -> Result<String, Error> {
        to_json(value, options.iter().map(|(key, value)| (*key, value.clone())).collect())
    }

    #[test]
    fn options_are_those_of_json_dumps() {
        let pairs = [("b", Value::from("ä\u{1}🙂")), ("a", Value::from(vec![1, 2]))];
        let value =
            Value::from_object(Dictionary::new(pairs.iter().map(|(key, value)| (*key, value.clone()))));
        assert_eq!(dumped(&value, &[]).unwrap(), "{\"b\": \"ä\\u0001🙂\", \"a\": [1, 2]}");
        let ascii = [("ensure_ascii", Value::from(true)), ("sort_keys", Value::from(true))];
        assert_eq!(
            dumped(&value, &ascii).unwrap(),
            "{\"a\": [1, 2], \"b\": \"\\u00e4\\u0001\\ud83d\\ude42\"}"
        );
        let tight = [("separators", Value::from(vec![",", ":"]))];
        assert_eq!(dumped(&value, &tight).unwrap(), "{\"b\":\"ä\\u0001🙂\",\"a\":[1,2]}");
        assert_eq!(dumped(&Value::from(vec![1, 2]), &[("indent", Value::from(1))]).unwrap(), "[\n 1,\n 2\n]");
        assert!(dumped(&value, &[("colour", Value::from(1))]).is_err());
        assert!(dumped(&Value::UNDEFINED, &[]).is_err());
    }

    #[test]
    fn values_without_end_are_refused() {
        let mut value = Value::from(1);
        for _ in 0..2 * DEPTH_MAX {
            value = Value::from(vec![value]);
        }
        assert!(dumped(&value, &[]).is_err());
    }
}
