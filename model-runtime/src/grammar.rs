//! Answers of a given form: JSON, JSON of a schema, what a regular expression matches, or a language that a Lark grammar describes, by
//! llguidance. Before a token is drawn, every token is forbidden that the form does not allow.

use std::sync::Arc;

use llguidance::api::TopLevelGrammar;
use llguidance::toktrie::{ApproximateTokEnv, SimpleVob, TokEnv, TokRxInfo, TokTrie};
use llguidance::{Matcher, ParserFactory};
use thiserror::Error;

use crate::tokenizer::Vocabulary;

/// The form of an answer.
#[derive(Clone, Debug, PartialEq)]
pub enum Grammar {
    /// Any JSON object.
    JsonObject,
    /// JSON that a schema describes.
    JsonSchema(serde_json::Value),
    /// A text that a regular expression matches as a whole; the syntax is the `regex` crate's, without anchors and look-around.
    Regex(String),
    /// One of these texts.
    Choice(Vec<String>),
    /// A text of a language, by llguidance's variant of Lark's grammars; its rule `start` is where it begins.
    Lark(String),
}

/// Bytes of a schema, of a regular expression, or of a grammar.
pub const GRAMMAR_BYTES_MAX: usize = 64 << 10;

/// A form that cannot be kept to.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum GrammarError {
    /// Larger than is read.
    #[error("a schema, a regular expression or a grammar may have {GRAMMAR_BYTES_MAX} bytes, not {0}")]
    TooLarge(usize),
    /// Wrong, or of a kind that is not supported; the text is llguidance's.
    #[error("the answer's form cannot be kept to: {0}")]
    Unsupported(String),
    /// The model has no token that ends an answer.
    #[error("the model has no token that ends an answer, so none can be made to end in time")]
    NoEnd,
}

/// Makes constraints for one vocabulary.
pub(crate) struct Grammars {
    factory: ParserFactory,
}

/// Where an answer stands in its form.
pub(crate) struct Constraint {
    matcher: Matcher,
}

/// Tokens that may come next.
pub(crate) struct Mask(SimpleVob);

impl Grammars {
    /// Sorts the whole vocabulary, which takes a while.
    pub(crate) fn new(vocabulary: &Vocabulary) -> Result<Self, GrammarError> {
        let ends = vocabulary.end_tokens();
        let end = *ends.first().ok_or(GrammarError::NoEnd)?;
        // Tokens that end answers are no text: the library's mark says so.
        let word = |token: u32| match vocabulary.is_end(token) {
            true => [&[TokTrie::SPECIAL_TOKEN_MARKER], format!("<end {token}>").as_bytes()].concat(),
            false => vocabulary.bytes(token).to_vec(),
        };
        let words: Vec<Vec<u8>> = (0..vocabulary.len() as u32).map(word).collect();
        // Every end may end a form, not only the first: a chat ends its turns with another token than a text.
        let trie = TokTrie::from(&TokRxInfo::new(words.len() as u32, end), &words)
            .with_eos_tokens(&ends.iter().copied().collect::<Vec<_>>());
        let environment: TokEnv = Arc::new(ApproximateTokEnv::new(trie));
        let factory = ParserFactory::new_simple(&environment).map_err(unsupported)?;
        Ok(Self { factory })
    }

    pub(crate) fn constraint(&self, grammar: &Grammar) -> Result<Constraint, GrammarError> {
        let size = match grammar {
            Grammar::JsonObject => 0,
            Grammar::JsonSchema(schema) => schema.to_string().len(),
            Grammar::Regex(text) | Grammar::Lark(text) => text.len(),
            Grammar::Choice(texts) => texts.iter().map(String::len).sum(),
        };
        if size > GRAMMAR_BYTES_MAX {
            return Err(GrammarError::TooLarge(size));
        }
        let grammar = match grammar {
            Grammar::JsonObject => TopLevelGrammar::from_json_schema(serde_json::json!({ "type": "object" })),
            Grammar::JsonSchema(schema) => TopLevelGrammar::from_json_schema(schema.clone()),
            Grammar::Regex(expression) => TopLevelGrammar::from_regex(expression),
            Grammar::Choice(texts) => TopLevelGrammar::from_regex(&alternatives(texts)),
            Grammar::Lark(grammar) => TopLevelGrammar::from_lark(grammar.clone()),
        };
        let parser = self.factory.create_parser(grammar).map_err(unsupported)?;
        let mut matcher = Matcher::new(Ok(parser));
        // Some schemas fail only when they are first used.
        matcher.compute_mask().map_err(unsupported)?;
        Ok(Constraint { matcher })
    }
}

/// Marks that mean something else in a regular expression. (Those that mean nothing may not be escaped: `\<` does.)
const MEANINGFUL: &str = r"\.+*?()|[]{}^$#&-~";

/// A regular expression that matches each of the texts, and nothing else.
fn alternatives(texts: &[String]) -> String {
    let mut expression = String::new();
    for text in texts {
        expression.push(if expression.is_empty() { '(' } else { '|' });
        for character in text.chars() {
            if MEANINGFUL.contains(character) {
                expression.push('\\');
            }
            expression.push(character);
        }
    }
    expression.push(')');
    expression
}

impl Constraint {
    pub(crate) fn mask(&mut self) -> Result<Mask, GrammarError> {
        self.matcher.compute_mask_or_eos().map(Mask).map_err(unsupported)
    }

    pub(crate) fn take(&mut self, token: u32) -> Result<(), GrammarError> {
        if self.matcher.is_stopped() {
            return Ok(());
        }
        self.matcher.consume_token(token).map_err(unsupported)
    }
}

impl Mask {
    /// Whether any token is allowed that is not among these.
    pub(crate) fn allows_others_than(&self, tokens: &[u32]) -> bool {
        self.0.num_set() > tokens.iter().filter(|token| self.allows(**token)).count()
    }

    pub(crate) fn allows(&self, token: u32) -> bool {
        (token as usize) < self.0.len() && self.0.is_allowed(token)
    }
}

fn unsupported(error: impl std::fmt::Display) -> GrammarError {
    GrammarError::Unsupported(error.to_string())
}

impl std::fmt::Debug for Grammars {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Grammars")
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::json;

    use super::*;

    /// Token 0 ends; token `b + 1` is byte `b`; a few longer ones follow.
    fn grammars() -> Grammars {
        let bytes = (0..=255_u8).map(|byte| vec![byte]);
        let longer = ["{\"", "\":", "true", "}"].map(|text| text.as_bytes().to_vec());
        let pieces = std::iter::once(Vec::new()).chain(bytes).chain(longer);
        Grammars::new(&Vocabulary::new(pieces, BTreeSet::from([0]))).unwrap()
    }

    /// Whether a text is allowed token by token, and may end there.
    fn allows(grammar: &Grammar, text: &str) -> bool {
        let mut constraint = grammars().constraint(grammar).unwrap();
        for byte in text.bytes() {
            let token = u32::from(byte) + 1;
            if !constraint.mask().unwrap().allows(token) {
                return false;
            }
            constraint.take(token).unwrap();
        }
        constraint.mask().unwrap().allows(0)
    }

    #[test]
    fn a_schema_allows_what_it_describes_and_nothing_else() {
        let schema = json!({
            "type": "object",
            "properties": { "n": { "type": "integer" }, "k": { "enum": ["a", "b"] } },
            "required": ["n", "k"],
            "additionalProperties": false,
        });
        let grammar = Grammar::JsonSchema(schema);
        assert!(allows(&grammar, r#"{"n":12,"k":"b"}"#));
        assert!(!allows(&grammar, r#"{"n":12}"#));
        assert!(!allows(&grammar, r#"{"n":"12","k":"b"}"#));
        assert!(!allows(&grammar, r#"{"n":12,"k":"c"}"#));
    }

    #[test]
    fn an_object_is_any_object() {
        assert!(allows(&Grammar::JsonObject, r#"{"x":[1,null]}"#));
        assert!(!allows(&Grammar::JsonObject, "[1]"));
        assert!(!allows(&Grammar::JsonObject, r#"{"x":"#));
    }

    #[test]
    fn a_regular_expression_allows_what_it_matches_as_a_whole() {
        let grammar = Grammar::Regex(r"(\+\d{1,3}/)?[a-c]+ é".to_owned());
        for text in ["+49/abc é", "a é"] {
            assert!(allows(&grammar, text), "{text}");
        }
        for text in ["+49/abc", "+1234/a é", "d é", "a é "] {
            assert!(!allows(&grammar, text), "{text}");
        }
    }

    #[test]
    fn a_choice_allows_its_texts_and_nothing_else() {
        let texts = ["yes", "y(e|s)?", "a\nb \\ é", "[x]", "{\"n\":1}", "#-/~&!`^$.*+<>='@%,:;_"];
        let grammar = Grammar::Choice(texts.map(str::to_owned).to_vec());
        for text in texts {
            assert!(allows(&grammar, text), "{text}");
        }
        for text in ["", "y", "ye", "yesyes", "x", "anb", "yes|"] {
            assert!(!allows(&grammar, text), "{text}");
        }
    }

    #[test]
    fn a_grammar_allows_its_language_however_deep() {
        let grammar = "start: sum\nsum: term (\"+\" term)*\nterm: NUMBER | \"(\" sum \")\"\nNUMBER: /[0-9]+/";
        let grammar = Grammar::Lark(grammar.to_owned());
        for text in ["1+2", "((1+2)+34)", "7"] {
            assert!(allows(&grammar, text), "{text}");
        }
        for text in ["1+", "((1+2)+3", "1 + 2", ")"] {
            assert!(!allows(&grammar, text), "{text}");
        }
    }

    #[test]
    fn what_cannot_be_kept_to_is_refused_by_name() {
        let refused = |grammar| grammars().constraint(&grammar).err().unwrap();
        let unknown = json!({ "type": "array", "uniqueItems": true });
        assert!(matches!(refused(Grammar::JsonSchema(unknown)), GrammarError::Unsupported(_)));
        for broken in [Grammar::Regex("a(".to_owned()), Grammar::Lark("start: nothing".to_owned())] {
            assert!(matches!(refused(broken), GrammarError::Unsupported(_)));
        }
        assert!(matches!(
            refused(Grammar::Lark(" ".repeat(GRAMMAR_BYTES_MAX + 1))),
            GrammarError::TooLarge(_)
        ));
        let huge = Grammar::JsonSchema(json!({ "enum": ["a".repeat(GRAMMAR_BYTES_MAX)] }));
        assert!(matches!(refused(huge), GrammarError::TooLarge(_)));
        let endless = Vocabulary::new([b"a".to_vec()], BTreeSet::new());
        assert_eq!(Grammars::new(&endless).err(), Some(GrammarError::NoEnd));
    }
}
