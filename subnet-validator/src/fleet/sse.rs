//! Server-sent events as miners send them, cut out of a byte stream as it arrives. Pure and bounded.

use bytes::{Bytes, BytesMut};

/// One event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SseEvent {
    /// The `event:` field; empty for an ordinary chunk.
    pub name: String,
    /// The `data:` field, its bytes untouched.
    pub data: Bytes,
}

/// The event would exceed the limit before it ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an event is longer than {event_bytes_max} bytes")]
pub struct EventTooLong {
    /// The limit.
    pub event_bytes_max: usize,
}

/// Cuts a byte stream into events.
#[derive(Debug)]
pub struct SseParser {
    buffer: BytesMut,
    scanned: usize,
    name: String,
    data: Option<BytesMut>,
    data_first: Option<Bytes>,
    event_bytes: usize,
    event_bytes_max: usize,
}

impl SseParser {
    /// A parser that refuses events longer than this.
    #[must_use]
    pub fn new(event_bytes_max: usize) -> Self {
        Self {
            buffer: BytesMut::new(),
            scanned: 0,
            name: String::new(),
            data: None,
            data_first: None,
            event_bytes: 0,
            event_bytes_max,
        }
    }

    /// Takes the next piece of the stream.
    pub fn push(&mut self, piece: &[u8]) {
        self.buffer.extend_from_slice(piece);
    }

    /// The next whole event, if one has arrived.
    pub fn next_event(&mut self) -> Result<Option<SseEvent>, EventTooLong> {
        loop {
            let rest = self.buffer.get(self.scanned..).unwrap_or_default();
            let Some(offset) = rest.iter().position(|byte| *byte == b'\n') else {
                self.scanned = self.buffer.len();
                self.check_length(self.buffer.len())?;
                return Ok(None);
            };
            let line_end = self.scanned + offset;
            self.check_length(line_end)?;
            let mut line = self.buffer.split_to(line_end + 1).freeze();
            self.scanned = 0;
            self.event_bytes += line.len();
            line.truncate(line_end);
            if line.last() == Some(&b'\r') {
                line.truncate(line_end - 1);
            }
            if line.is_empty() {
                if let Some(event) = self.take_event() {
                    return Ok(Some(event));
                }
            } else {
                self.take_line(line);
            }
        }
    }

    /// Whether bytes of an unfinished event are waiting: a stream that ends now was cut off.
    #[must_use]
    pub fn is_inside_event(&self) -> bool {
        !self.buffer.is_empty() || self.data_first.is_some() || !self.name.is_empty()
    }

    fn check_length(&self, more: usize) -> Result<(), EventTooLong> {
        if self.event_bytes.saturating_add(more) > self.event_bytes_max {
            return Err(EventTooLong { event_bytes_max: self.event_bytes_max });
        }
        Ok(())
    }

    fn take_line(&mut self, line: Bytes) {
        let colon = line.iter().position(|byte| *byte == b':').unwrap_or(line.len());
        let field = line.slice(..colon);
        let mut value = line.slice(line.len().min(colon + 1)..);
        if value.first() == Some(&b' ') {
            value = value.slice(1..);
        }
        match field.as_ref() {
            b"event" => self.name = String::from_utf8_lossy(&value).into_owned(),
            b"data" => self.take_data(value),
            // Comments (an empty field) and fields we have no use for.
            _ => {}
        }
    }

    fn take_data(&mut self, value: Bytes) {
        // Nearly every event has one data line; that one is handed on without a copy.
        let Some(first) = &self.data_first else {
            self.data_first = Some(value);
            return;
        };
        let data = self.data.get_or_insert_with(|| BytesMut::from(first.as_ref()));
        data.extend_from_slice(b"\n");
        data.extend_from_slice(&value);
    }

    fn take_event(&mut self) -> Option<SseEvent> {
        self.event_bytes = 0;
        let name = std::mem::take(&mut self.name);
        let first = self.data_first.take();
        let data = self.data.take().map(BytesMut::freeze).or(first)?;
        Some(SseEvent { name, data })
    }
}

#[cfg(test)]
mod tests {
    use super::{EventTooLong, SseEvent, SseParser};
    use proptest::prelude::*;

    fn event(name: &str, data: &'static str) -> SseEvent {
        SseEvent { name: name.into(), data: data.into() }
    }

    fn drain(parser: &mut SseParser) -> Vec<SseEvent> {
        std::iter::from_fn(|| parser.next_event().unwrap()).collect()
    }

    #[test]
    fn chunks_comments_and_named_events_are_told_apart() {
        let mut parser = SseParser::new(1_000);
        parser.push(b": ping\n\ndata: {\"a\":1}\n\nevent: receipt\ndata: 0x00\n\n");
        assert_eq!(drain(&mut parser), [event("", "{\"a\":1}"), event("receipt", "0x00")]);
        assert!(!parser.is_inside_event());
    }

    #[test]
    fn carriage_returns_and_missing_spaces_are_accepted() {
        let mut parser = SseParser::new(1_000);
        parser.push(b"event:receipt\r\ndata:x\r\ndata: y\r\n\r\n");
        assert_eq!(drain(&mut parser), [event("receipt", "x\ny")]);
    }

    #[test]
    fn a_cut_off_event_is_noticed() {
        let mut parser = SseParser::new(1_000);
        parser.push(b"data: {\"a\"");
        assert_eq!(parser.next_event(), Ok(None));
        assert!(parser.is_inside_event());
        parser.push(b":1}\n");
        assert_eq!(parser.next_event(), Ok(None));
        assert!(parser.is_inside_event());
    }

    #[test]
    fn an_event_without_end_is_refused_at_the_limit() {
        let mut parser = SseParser::new(100);
        for _ in 0..10 {
            parser.push(b"data: 45678\n");
        }
        assert_eq!(parser.next_event(), Err(EventTooLong { event_bytes_max: 100 }));
        let mut parser = SseParser::new(100);
        parser.push(&[b'x'; 101]);
        assert_eq!(parser.next_event(), Err(EventTooLong { event_bytes_max: 100 }));
    }

    proptest! {
        #[test]
        fn events_do_not_depend_on_how_the_stream_was_cut(
            chunks in prop::collection::vec("[ -~]{0,40}", 0..12),
            cut in 1usize..17,
        ) {
            let stream: String = chunks.iter().map(|chunk| format!("data: {chunk}\n\n")).collect();
            let mut parser = SseParser::new(10_000);
            let mut seen = Vec::new();
            for piece in stream.as_bytes().chunks(cut) {
                parser.push(piece);
                seen.extend(drain(&mut parser));
            }
            let seen: Vec<Vec<u8>> = seen.into_iter().map(|event| event.data.to_vec()).collect();
            let sent: Vec<Vec<u8>> = chunks.into_iter().map(String::into_bytes).collect();
            prop_assert_eq!(seen, sent);
        }
    }
}
