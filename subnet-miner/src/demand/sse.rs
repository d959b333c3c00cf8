//! Server-sent events of a demand log, cut out of a byte stream as it arrives. Pure and bounded.

/// One event.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct LogEvent {
    /// The `id:` field.
    pub id: String,
    /// The `event:` field.
    pub name: String,
    /// The `data:` lines, joined by line feeds.
    pub data: String,
}

/// An event that would exceed the limit, or is no text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadEvent {
    /// It does not end before the limit.
    #[error("an event is longer than {bytes_max} bytes")]
    TooLong {
        /// The limit.
        bytes_max: usize,
    },
    /// It is not UTF-8.
    #[error("an event is not UTF-8")]
    NotText,
}

/// Cuts a byte stream into events.
#[derive(Debug)]
pub(super) struct EventReader {
    buffer: Vec<u8>,
    /// How much of `buffer` is known to hold no line feed.
    scanned: usize,
    event: LogEvent,
    bytes_max: usize,
}

impl EventReader {
    pub fn new(bytes_max: usize) -> Self {
        Self { buffer: Vec::new(), scanned: 0, event: LogEvent::default(), bytes_max }
    }

    /// Takes the next piece of the stream.
    pub fn push(&mut self, piece: &[u8]) {
        self.buffer.extend_from_slice(piece);
    }

    /// The next whole event that has data. Comments and empty events are passed over.
    pub fn next(&mut self) -> Result<Option<LogEvent>, BadEvent> {
        let mut taken = 0;
        let found = loop {
            let start = taken.max(self.scanned);
            let rest = self.buffer.get(start..).unwrap_or_default();
            let Some(offset) = rest.iter().position(|byte| *byte == b'\n') else { break None };
            let line = self.buffer.get(taken..start + offset).unwrap_or_default();
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            taken = start + offset + 1;
            if line.is_empty() {
                let event = std::mem::take(&mut self.event);
                if !event.data.is_empty() {
                    break Some(event);
                }
                continue;
            }
            let line = std::str::from_utf8(line).map_err(|_| BadEvent::NotText)?;
            take_line(&mut self.event, line);
            if self.event.data.len() > self.bytes_max {
                return Err(BadEvent::TooLong { bytes_max: self.bytes_max });
            }
        };
        self.buffer.drain(..taken);
        self.scanned = if found.is_some() { 0 } else { self.buffer.len() };
        if self.buffer.len() > self.bytes_max && found.is_none() {
            return Err(BadEvent::TooLong { bytes_max: self.bytes_max });
        }
        Ok(found)
    }
}

fn take_line(event: &mut LogEvent, line: &str) {
    let (field, value) = line.split_once(':').unwrap_or((line, ""));
    let value = value.strip_prefix(' ').unwrap_or(value);
    match field {
        "id" => event.id = value.to_owned(),
        "event" => event.name = value.to_owned(),
        "data" => {
            if !event.data.is_empty() {
                event.data.push('\n');
            }
            event.data.push_str(value);
        }
        // A comment (an empty field), or a field we have no use for.
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_do_not_depend_on_how_the_stream_was_cut() {
        let stream = b": ping\n\nid: a-1\nevent: state\ndata: {}\n\n:x\nid: a-2\r\nevent: change\r\ndata: 1\r\ndata: 2\r\n\r\nevent: none\n\n";
        for cut in 1..stream.len() {
            let mut reader = EventReader::new(100);
            let mut seen = Vec::new();
            for piece in stream.chunks(cut) {
                reader.push(piece);
                while let Some(event) = reader.next().unwrap() {
                    seen.push((event.id, event.name, event.data));
                }
            }
            let text = |text: &str| text.to_owned();
            let expected =
                [(text("a-1"), text("state"), text("{}")), (text("a-2"), text("change"), text("1\n2"))];
            assert_eq!(seen, expected, "cut into {cut}");
        }
    }

    #[test]
    fn an_event_without_end_is_refused_at_the_limit() {
        let mut reader = EventReader::new(20);
        reader.push(&[b'x'; 21]);
        assert_eq!(reader.next(), Err(BadEvent::TooLong { bytes_max: 20 }));
        let mut reader = EventReader::new(20);
        reader.push(b"data: 0123456789\ndata: 0123456789\n");
        assert_eq!(reader.next(), Err(BadEvent::TooLong { bytes_max: 20 }));
    }
}
