use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// A prompt in tokens, with the vocabulary its answer is written in.
#[derive(Clone, Debug)]
pub struct EncodedPrompt {
    /// At least one token.
    pub tokens: Vec<u32>,
    /// What the tokens show.
    pub vocabulary: Arc<Vocabulary>,
}

/// The bytes of every token, in one buffer, and which tokens end an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vocabulary {
    bytes: Vec<u8>,
    /// Where each token's bytes end.
    ends: Vec<usize>,
    end_tokens: BTreeSet<u32>,
    /// How tokens are written that show nothing.
    control: BTreeMap<u32, Box<str>>,
}

impl Vocabulary {
    /// Token 0 is the first of `pieces`.
    pub fn new(pieces: impl IntoIterator<Item = Vec<u8>>, end_tokens: BTreeSet<u32>) -> Self {
        let mut vocabulary =
            Self { bytes: Vec::new(), ends: Vec::new(), end_tokens, control: BTreeMap::new() };
        for piece in pieces {
            vocabulary.bytes.extend(piece);
            vocabulary.ends.push(vocabulary.bytes.len());
        }
        vocabulary
    }

    /// With the texts of all tokens, in order: those are kept whose tokens show nothing.
    #[must_use]
    pub fn with_texts<'a>(mut self, texts: impl IntoIterator<Item = &'a str>) -> Self {
        let control = (0..).zip(texts).filter(|(token, _)| self.bytes(*token).is_empty());
        self.control = control.map(|(token, text)| (token, text.into())).collect();
        self
    }

    /// The bytes a token shows, or how it is written if it shows none.
    #[must_use]
    pub fn written(&self, token: u32) -> &[u8] {
        match self.bytes(token) {
            [] => self.control.get(&token).map_or(&[], |text| text.as_bytes()),
            bytes => bytes,
        }
    }

    /// Number of tokens.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there is no token.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// The bytes a token shows; none for control tokens and for tokens that do not exist.
    #[must_use]
    pub fn bytes(&self, token: u32) -> &[u8] {
        let index = token as usize;
        let Some(end) = self.ends.get(index) else { return &[] };
        let start = index.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.bytes[start..*end]
    }

    /// Whether the token ends an answer.
    #[must_use]
    pub fn is_end(&self, token: u32) -> bool {
        self.end_tokens.contains(&token)
    }

    /// Tokens that end an answer.
    #[must_use]
    pub fn end_tokens(&self) -> &BTreeSet<u32> {
        &self.end_tokens
    }

    /// Bytes of the longest token.
    #[must_use]
    pub fn token_bytes_max(&self) -> usize {
        let starts = std::iter::once(&0).chain(&self.ends);
        self.ends.iter().zip(starts).map(|(end, start)| end - start).max().unwrap_or(0)
    }
}
