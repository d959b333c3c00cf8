//! What the `model` field of a request may say: a model's name, a name with a wish (`name:latency`, `name:throughput`), or
//! several of either separated by commas, of which the first that can be served now answers. Resolved here and nowhere else.

use std::fmt;

use bytes::Bytes;
use protocol::catalogue::Catalogue;
use protocol::ticket::ModelId;

use super::picker::Goal;

/// How many models one request may name.
pub const TARGETS_MAX: usize = 8;

/// Names listed in an error.
const NAMES_SHOWN_MAX: usize = 20;

/// The wishes, as they are written.
const GOALS: [(&str, Goal); 2] = [("latency", Goal::Latency), ("throughput", Goal::Throughput)];

/// One model of the catalogue, and what is wanted of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// The model.
    pub model: ModelId,
    /// How its miner is chosen.
    pub goal: Goal,
}

/// At least one target, in the order of preference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Selection {
    first: Target,
    others: Vec<Target>,
    text: String,
}

/// The `model` field selects nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SelectorError {
    /// No such model.
    #[error("the model `{name}` does not exist; there are: {known}")]
    UnknownModel {
        /// What was asked for.
        name: String,
        /// What there is, as far as it fits.
        known: String,
    },
    /// The model exists, the wish does not.
    #[error(
        "`{name}` is no way to choose a miner of `{model}`; there are `:latency`, `:throughput`, and nothing for an even load"
    )]
    UnknownGoal {
        /// The model.
        model: ModelId,
        /// What follows its colon.
        name: String,
    },
    /// Nothing between two commas.
    #[error("the list of models has an empty entry; separate names by single commas")]
    Empty,
    /// Too many.
    #[error("the list names {found} models; it may name {TARGETS_MAX}")]
    TooMany {
        /// How many.
        found: usize,
    },
}

impl Selection {
    /// Reads a `model` field against the catalogue. A model whose own name ends like a wish wins over the wish.
    pub fn resolve(text: &str, catalogue: &Catalogue) -> Result<Self, SelectorError> {
        let found = text.split(',').count();
        if found > TARGETS_MAX {
            return Err(SelectorError::TooMany { found });
        }
        let mut targets = Vec::with_capacity(found);
        for entry in text.split(',').map(str::trim) {
            if entry.is_empty() && found > 1 {
                return Err(SelectorError::Empty);
            }
            targets.push(target(entry, catalogue)?);
        }
        let mut targets = targets.into_iter();
        let first = targets.next().ok_or(SelectorError::Empty)?;
        Ok(Self { first, others: targets.collect(), text: text.to_owned() })
    }

    /// Just this model, with an even load.
    #[must_use]
    pub fn one(model: ModelId) -> Self {
        let text = model.to_string();
        Self { first: Target { model, goal: Goal::Balance }, others: Vec::new(), text }
    }

    /// The preferred model.
    #[must_use]
    pub fn first(&self) -> &Target {
        &self.first
    }

    /// All targets in order.
    pub fn targets(&self) -> impl Iterator<Item = &Target> {
        std::iter::once(&self.first).chain(&self.others)
    }

    /// The request's body as the miner of this model is to get it: unchanged, or with the model's own name where the user
    /// wrote a selector. (A body that is no JSON object is passed on as it is, for the miner to refuse.)
    #[must_use]
    pub fn body_for(&self, model: &ModelId, body: &Bytes) -> Bytes {
        if self.text == model.as_str() {
            return body.clone();
        }
        let Ok(serde_json::Value::Object(mut fields)) = serde_json::from_slice(body) else {
            return body.clone();
        };
        fields.insert("model".to_owned(), model.as_str().into());
        serde_json::to_vec(&fields).map_or_else(|_| body.clone(), Bytes::from)
    }
}

/// Whether this may stand after a model's name and a colon.
#[must_use]
pub fn is_goal(wish: &str) -> bool {
    GOALS.iter().any(|(written, _)| *written == wish)
}

fn target(entry: &str, catalogue: &Catalogue) -> Result<Target, SelectorError> {
    let listed = |name: &str| ModelId::try_from(name).ok().filter(|id| catalogue.get(id).is_some());
    if let Some(model) = listed(entry) {
        return Ok(Target { model, goal: Goal::Balance });
    }
    if let Some((name, wish)) = entry.rsplit_once(':')
        && let Some(model) = listed(name)
    {
        let goal = GOALS.into_iter().find(|(written, _)| *written == wish);
        let unknown = || SelectorError::UnknownGoal { model: model.clone(), name: wish.to_owned() };
        let (_, goal) = goal.ok_or_else(unknown)?;
        return Ok(Target { model, goal });
    }
    let mut known: Vec<&str> =
        catalogue.iter().take(NAMES_SHOWN_MAX).map(|model| model.id.as_str()).collect();
    if catalogue.iter().nth(NAMES_SHOWN_MAX).is_some() {
        known.push("and more at /v1/models");
    }
    // What a user sends comes back only as far as it could have been a name.
    let name = entry.chars().take(protocol::ticket::MODEL_ID_BYTES_MAX).collect();
    Err(SelectorError::UnknownModel { name, known: known.join(", ") })
}

impl fmt::Display for Selection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::{Goal, Selection, SelectorError};
    use bytes::Bytes;
    use protocol::catalogue::{Catalogue, Model};
    use protocol::digest::Digest;

    fn catalogue() -> Catalogue {
        Catalogue::new(["small", "vendor/big", "odd:latency", "odd"].map(|id| Model {
            id: id.parse().unwrap(),
            weights_digest: Digest::ZERO,
            prompt_multiplier: 1,
            completion_multiplier: 1,
            memory_bytes: 1,
        }))
        .unwrap()
    }

    fn targets(text: &str) -> Vec<(String, Goal)> {
        let selection = Selection::resolve(text, &catalogue()).unwrap();
        selection.targets().map(|target| (target.model.to_string(), target.goal)).collect()
    }

    fn refused(text: &str) -> SelectorError {
        Selection::resolve(text, &catalogue()).unwrap_err()
    }

    #[test]
    fn a_list_is_read_in_its_order_with_each_entrys_own_wish() {
        let read = targets("small:latency, vendor/big:throughput,small");
        let expected = [
            ("small".to_owned(), Goal::Latency),
            ("vendor/big".to_owned(), Goal::Throughput),
            ("small".to_owned(), Goal::Balance),
        ];
        assert_eq!(read, expected);
    }

    #[test]
    fn a_models_own_name_wins_over_a_wish() {
        assert_eq!(targets("odd:latency"), [("odd:latency".to_owned(), Goal::Balance)]);
        assert_eq!(targets("odd:throughput"), [("odd".to_owned(), Goal::Throughput)]);
    }

    #[test]
    fn what_does_not_exist_is_answered_with_what_does() {
        let unknown = refused("small,tiny").to_string();
        assert!(
            unknown.contains("`tiny`") && unknown.contains("odd, odd:latency, small, vendor/big"),
            "{unknown}"
        );
        let goal = refused("small:cheap").to_string();
        assert!(goal.contains("`cheap`") && goal.contains(":latency"), "{goal}");
        assert!(matches!(refused("tiny:latency"), SelectorError::UnknownModel { .. }));
        assert!(matches!(refused(""), SelectorError::UnknownModel { .. }));
        assert_eq!(refused("small,,odd"), SelectorError::Empty);
        assert_eq!(refused(&["odd"; 9].join(",")), SelectorError::TooMany { found: 9 });
        assert!(refused(&"x".repeat(100_000)).to_string().len() < 500);
    }

    #[test]
    fn the_miner_gets_the_models_own_name_and_a_plain_request_unchanged() {
        let plain = Bytes::from_static(br#"{ "model": "small", "x": 1.50 }"#);
        let selection = Selection::resolve("small", &catalogue()).unwrap();
        assert_eq!(selection.body_for(&selection.first().model, &plain), plain);

        let listed = Bytes::from_static(br#"{"model":"small:latency,odd","top_p":0.5,"n":1}"#);
        let selection = Selection::resolve("small:latency,odd", &catalogue()).unwrap();
        let bodies: Vec<serde_json::Value> = selection
            .targets()
            .map(|target| serde_json::from_slice(&selection.body_for(&target.model, &listed)).unwrap())
            .collect();
        assert_eq!(bodies[0], serde_json::json!({"model": "small", "top_p": 0.5, "n": 1}));
        assert_eq!(bodies[1], serde_json::json!({"model": "odd", "top_p": 0.5, "n": 1}));
    }
}
