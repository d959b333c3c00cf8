use super::{CALL_BYTES_MAX, Piece, add, call};

/// Finds calls that are the whole answer: JSON objects, divided by semicolons or white space.
#[derive(Clone, Debug, Default)]
pub(super) struct JsonCalls {
    state: State,
    /// White space and semicolons before an object, then the object.
    held: String,
    /// Where in `held` the object begins.
    begun: usize,
    depth: usize,
    in_text: bool,
    escaped: bool,
    /// Whether there was a call.
    called: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    /// Before the first object, or between two.
    #[default]
    Between,
    Object,
    /// The answer is text from here on.
    Text,
}

impl JsonCalls {
    pub(super) fn push(&mut self, text: &str, pieces: &mut Vec<Piece>) {
        for (at, character) in text.char_indices() {
            if self.state == State::Text {
                return add(pieces, Piece::Text, &text[at..]);
            }
            self.take(character, pieces);
        }
    }

    pub(super) fn finish(&mut self, pieces: &mut Vec<Piece>) {
        // What follows the last call is no text; an unfinished object is.
        if self.state == State::Object || !self.called {
            self.give_up(pieces);
        }
        self.state = State::Text;
    }

    fn take(&mut self, character: char, pieces: &mut Vec<Piece>) {
        self.held.push(character);
        match self.state {
            State::Between if character.is_whitespace() || character == ';' => {}
            State::Between if character == '{' => {
                self.state = State::Object;
                self.begun = self.held.len() - 1;
                self.depth = 1;
            }
            State::Between => self.give_up(pieces),
            State::Object => self.within_object(character, pieces),
            State::Text => {}
        }
        if self.held.len() > CALL_BYTES_MAX {
            self.give_up(pieces);
        }
    }

    fn within_object(&mut self, character: char, pieces: &mut Vec<Piece>) {
        match character {
            _ if self.escaped => self.escaped = false,
            '\\' if self.in_text => self.escaped = true,
            '"' => self.in_text = !self.in_text,
            '{' if !self.in_text => self.depth += 1,
            '}' if !self.in_text => self.depth -= 1,
            _ => {}
        }
        if self.depth > 0 {
            return;
        }
        let object = &self.held[self.begun..];
        match call(object).filter(|_| has_arguments(object)) {
            Some(call) => {
                pieces.push(Piece::Call(call));
                self.held.clear();
                self.called = true;
                self.state = State::Between;
            }
            None => self.give_up(pieces),
        }
    }

    fn give_up(&mut self, pieces: &mut Vec<Piece>) {
        self.state = State::Text;
        add(pieces, Piece::Text, &std::mem::take(&mut self.held));
    }
}

/// Whether the object says what it is called with. One that merely has a name, such as a person's, is an answer and no call.
fn has_arguments(object: &str) -> bool {
    let fields = serde_json::from_str::<serde_json::Value>(object).unwrap_or_default();
    ["arguments", "parameters"].iter().any(|name| fields.get(name).is_some())
}
