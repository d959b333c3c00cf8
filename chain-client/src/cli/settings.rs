//! Settings from environment variables, and what differs between two configurations.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde::de::DeserializeOwned;
use toml::{Table, Value};

/// A variable does not set what it names.
#[derive(Debug, thiserror::Error)]
pub enum BadVariable {
    /// It names a setting inside of something that is no table.
    #[error("the environment variable {variable} names nothing that can be set")]
    Name {
        /// The variable.
        variable: String,
    },
    /// The settings do not hold together with it.
    #[error("the environment variables {variables} do not set what they name")]
    Value {
        /// All variables of this program that are set.
        variables: String,
        /// What is wrong.
        #[source]
        source: Box<toml::de::Error>,
    },
    /// The configuration cannot be written as TOML.
    #[error("the configuration cannot be written as TOML")]
    Write(#[source] toml::ser::Error),
}

/// `config` under the variables that begin with `prefix` and two underscores: `SUBNET_MINER__AXON__BIND` sets `axon.bind`. Text
/// stands as it is; everything else is written as in TOML. Names are compared in lower case.
pub fn under_environment<C: Serialize + DeserializeOwned>(
    config: C,
    prefix: &str,
    variables: impl IntoIterator<Item = (String, String)>,
) -> Result<C, BadVariable> {
    let prefix = format!("{prefix}__");
    let given: BTreeMap<String, String> =
        variables.into_iter().filter(|(name, _)| name.starts_with(&prefix)).collect();
    if given.is_empty() {
        return Ok(config);
    }
    let mut table = Table::try_from(&config).map_err(BadVariable::Write)?;
    for (variable, text) in &given {
        let path = variable.strip_prefix(&prefix).unwrap_or_default().to_lowercase();
        let parts: Vec<&str> = path.split("__").collect();
        set(&mut table, &parts, text).ok_or_else(|| BadVariable::Name { variable: variable.clone() })?;
    }
    let variables = given.into_keys().collect::<Vec<_>>().join(", ");
    table.try_into().map_err(|source| BadVariable::Value { variables, source: Box::new(source) })
}

/// This process's environment, without what is not text.
pub fn environment() -> impl Iterator<Item = (String, String)> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
}

/// The settings that differ, by name, without those in `reloaded` and what is below them.
pub fn differing<C: Serialize>(old: &C, new: &C, reloaded: &[&str]) -> Vec<String> {
    let (old, new) = (flat(old), flat(new));
    let names: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    let is_reloaded = |name: &str| {
        let below = |known: &&str| {
            name.strip_prefix(*known).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        };
        reloaded.iter().any(below)
    };
    let differ = names.into_iter().filter(|name| old.get(*name) != new.get(*name) && !is_reloaded(name));
    differ.cloned().collect()
}

/// Every setting by its dotted name.
pub fn flat<C: Serialize>(config: &C) -> BTreeMap<String, Value> {
    let mut found = BTreeMap::new();
    if let Ok(value) = Value::try_from(config) {
        flatten("", &value, &mut found);
    }
    found
}

fn flatten(prefix: &str, value: &Value, into: &mut BTreeMap<String, Value>) {
    match value.as_table() {
        Some(table) => {
            let dot = if prefix.is_empty() { "" } else { "." };
            table.iter().for_each(|(name, value)| flatten(&format!("{prefix}{dot}{name}"), value, into));
        }
        None => {
            into.insert(prefix.to_owned(), value.clone());
        }
    }
}

fn set(table: &mut Table, path: &[&str], text: &str) -> Option<()> {
    let (name, rest) = path.split_first()?;
    if rest.is_empty() {
        let is_text = matches!(table.get(*name), Some(Value::String(_)));
        let parsed = || format!("value = {text}").parse::<Table>().ok()?.remove("value");
        let value = if is_text { None } else { parsed() };
        table.insert((*name).to_owned(), value.unwrap_or_else(|| Value::String(text.to_owned())));
        return Some(());
    }
    let inner = table.entry((*name).to_owned()).or_insert_with(|| Value::Table(Table::new()));
    set(inner.as_table_mut()?, rest, text)
}

#[cfg(test)]
mod tests {
    use super::{BadVariable, differing, under_environment};
    use serde::{Deserialize, Serialize};

    #[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
    #[serde(deny_unknown_fields, default)]
    struct Outer {
        name: String,
        inner: Inner,
    }

    #[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
    #[serde(deny_unknown_fields, default)]
    struct Inner {
        count: u32,
        list: Vec<String>,
        #[serde(skip_serializing_if = "Option::is_none")]
        place: Option<String>,
    }

    fn under(variables: &[(&str, &str)]) -> Result<Outer, BadVariable> {
        let owned = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        under_environment(Outer::default(), "DOER", owned)
    }

    #[test]
    fn a_variable_sets_what_it_names_and_nothing_else() {
        let found = under(&[
            ("DOER__NAME", "12"),
            ("DOER__INNER__COUNT", "7"),
            ("DOER__INNER__LIST", r#"["a", "b"]"#),
            ("DOER__INNER__PLACE", "here, there"),
            ("DOERS__NAME", "no"),
            ("DOER_NAME", "no"),
        ]);
        let inner = Inner { count: 7, list: vec!["a".into(), "b".into()], place: Some("here, there".into()) };
        assert_eq!(found.unwrap(), Outer { name: "12".into(), inner });
    }

    #[test]
    fn a_variable_that_names_nothing_or_has_the_wrong_form_is_refused_by_name() {
        for (name, value) in [("DOER__NAEM", "x"), ("DOER__INNER__COUNT", "many"), ("DOER__NAME__X", "y")] {
            let error = under(&[(name, value)]).unwrap_err();
            assert!(error.to_string().contains(name), "{error}");
        }
    }

    #[test]
    fn settings_below_a_reloaded_name_do_not_differ() {
        let mut new = Outer { name: "x".into(), ..Outer::default() };
        new.inner.count = 3;
        assert_eq!(differing(&Outer::default(), &new, &[]), ["inner.count", "name"]);
        assert_eq!(differing(&Outer::default(), &new, &["inner", "nam"]), ["name"]);
    }
}
