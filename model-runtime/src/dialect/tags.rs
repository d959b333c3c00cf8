use super::{CALL_BYTES_MAX, Calls, Dialect, Piece, add, call};

const THINK: &str = "<think>";
const END_THINK: &str = "</think>";
const CALL: &str = "<tool_call>";
const END_CALL: &str = "</tool_call>";

/// Finds reasoning and calls that stand between tags. White space around a tag is dropped.
#[derive(Clone, Debug)]
pub(super) struct Tags {
    dialect: Dialect,
    state: State,
    held: String,
    /// White space is being dropped: a tag was the last thing seen.
    after_tag: bool,
    /// Reasoning may only come first.
    may_reason: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Text,
    Reasoning,
    Call,
}

impl Tags {
    pub(super) fn new(dialect: Dialect, in_reasoning: bool) -> Self {
        let state = if in_reasoning { State::Reasoning } else { State::Text };
        Self {
            dialect,
            state,
            held: String::new(),
            after_tag: in_reasoning,
            may_reason: dialect.reasons && !in_reasoning,
        }
    }

    /// Tags that mean something here.
    fn tags(&self) -> &'static [&'static str] {
        let calls = self.dialect.calls == Calls::Tagged;
        match self.state {
            State::Reasoning => &[END_THINK],
            State::Call => &[END_CALL],
            State::Text if self.may_reason && calls => &[THINK, CALL],
            State::Text if self.may_reason => &[THINK],
            State::Text if calls => &[CALL],
            State::Text => &[],
        }
    }

    pub(super) fn push(&mut self, text: &str, pieces: &mut Vec<Piece>) {
        self.held.push_str(text);
        loop {
            let found = self.tags().iter().filter_map(|tag| Some((self.held.find(tag)?, *tag))).min();
            let Some((at, tag)) = found else { break };
            if tag == THINK && !self.held[..at].trim().is_empty() {
                self.may_reason = false;
                continue;
            }
            let before: String = self.held.drain(..at + tag.len()).collect();
            self.enter(tag, &before[..at], pieces);
        }
        if self.state == State::Call {
            if self.held.len() > CALL_BYTES_MAX {
                self.give_up_call(pieces);
            }
            return;
        }
        let certain = self.certain();
        let now: String = self.held.drain(..certain).collect();
        self.emit(&now, pieces);
    }

    pub(super) fn finish(&mut self, pieces: &mut Vec<Piece>) {
        if self.state == State::Call {
            // Some models end their answer where the closing tag would be.
            match call(&self.held) {
                Some(call) => {
                    pieces.push(Piece::Call(call));
                    self.held.clear();
                }
                None => self.give_up_call(pieces),
            }
        }
        let rest = std::mem::take(&mut self.held);
        self.emit(&rest, pieces);
    }

    /// Ends what stood before a tag, and begins what it begins.
    fn enter(&mut self, tag: &str, before: &str, pieces: &mut Vec<Piece>) {
        match tag {
            END_CALL => match call(before) {
                Some(call) => pieces.push(Piece::Call(call)),
                None => {
                    let whole = [CALL, before, END_CALL].concat();
                    add(pieces, Piece::Text, &whole);
                    self.state = State::Text;
                    self.after_tag = false;
                    return;
                }
            },
            _ => self.emit(before.trim_end(), pieces),
        }
        self.may_reason = false;
        self.after_tag = true;
        self.state = match tag {
            THINK => State::Reasoning,
            CALL => State::Call,
            _ => State::Text,
        };
    }

    /// What began like a call is text after all.
    fn give_up_call(&mut self, pieces: &mut Vec<Piece>) {
        self.state = State::Text;
        self.after_tag = false;
        add(pieces, Piece::Text, CALL);
        let rest = std::mem::take(&mut self.held);
        add(pieces, Piece::Text, &rest);
    }

    fn emit(&mut self, text: &str, pieces: &mut Vec<Piece>) {
        let text = if self.after_tag { text.trim_start() } else { text };
        if text.is_empty() {
            return;
        }
        self.after_tag = false;
        self.may_reason &= text.trim().is_empty();
        let kind = if self.state == State::Reasoning { Piece::Reasoning } else { Piece::Text };
        add(pieces, kind, text);
    }

    /// How much is certain: all but what may become a tag, and the white space before that.
    fn certain(&self) -> usize {
        let tags = self.tags();
        if tags.is_empty() {
            return self.held.len();
        }
        let begins_tag = |tail: &str| tags.iter().any(|tag| tag.starts_with(tail));
        let tail = self.held.char_indices().map(|(at, _)| at).find(|at| begins_tag(&self.held[*at..]));
        self.held[..tail.unwrap_or(self.held.len())].trim_end().len()
    }
}
