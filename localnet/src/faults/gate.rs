//! The connections, and what can happen to them.

use std::{
    collections::BTreeMap,
    io,
    pin::Pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU8, Ordering},
    },
    task::{Context, Poll, Waker},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    sync::watch,
    time::Instant,
};

/// A connection's number.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct LineId(u64);

/// What becomes of those who connect.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Door {
    /// They are served.
    Open,
    /// They are accepted, and nothing they send is ever read, until then.
    Mute(Instant),
    /// They are refused, until then.
    Closed(Instant),
}

/// Every connection, and the door to new ones.
pub struct Gate {
    lines: Mutex<Lines>,
    door: watch::Sender<Door>,
    /// Whether anything listens.
    listening: watch::Sender<bool>,
    sockets_max: usize,
}

#[derive(Default)]
struct Lines {
    next: u64,
    open: BTreeMap<LineId, Arc<Line>>,
}

impl Gate {
    /// An open door that lets so many in at a time.
    pub(crate) fn new(sockets_max: usize) -> Self {
        Self {
            lines: Mutex::default(),
            door: watch::Sender::new(Door::Open),
            listening: watch::Sender::new(true),
            sockets_max,
        }
    }

    /// Connections there are.
    pub fn connections(&self) -> usize {
        self.lines().open.len()
    }

    /// Resets every connection except one, as a crash of the other side would; answers how many.
    pub fn reset(&self, except: Option<LineId>) -> usize {
        self.put_all(Fate::Reset, except)
    }

    /// Lets every connection except one fall silent for good: nothing is read from it or written to it, and nobody is told.
    /// That is how it looks when a router forgot the connection. Answers how many.
    pub fn silence(&self, except: Option<LineId>) -> usize {
        self.put_all(Fate::Silent, except)
    }

    /// Refuses new connections for some time; returns when nothing listens any more. Those that are open stay.
    pub async fn refuse(&self, duration: Duration) {
        self.door.send_replace(Door::Closed(Instant::now() + duration));
        // The sender lives as long as this gate.
        let _ = self.listening.subscribe().wait_for(|listening| !listening).await;
    }

    /// Accepts new connections and answers nothing on them, for some time. They stay silent after it.
    pub fn mute(&self, duration: Duration) {
        self.door.send_replace(Door::Mute(Instant::now() + duration));
    }

    /// Opens the door, and resets what fell silent.
    pub fn heal(&self) {
        self.door.send_replace(Door::Open);
        for line in self.lines().open.values().filter(|line| line.fate() == Fate::Silent) {
            line.put(Fate::Reset);
        }
    }

    /// Follows the door.
    pub(crate) fn door(&self) -> watch::Receiver<Door> {
        self.door.subscribe()
    }

    /// Opens the door again when its time has come, unless someone moved it meanwhile.
    pub(crate) fn open_after(&self, expired: Door) {
        self.door.send_if_modified(|door| {
            let same = *door == expired;
            if same {
                *door = Door::Open;
            }
            same
        });
    }

    /// Tells whether anything listens.
    pub(crate) fn set_listening(&self, listening: bool) {
        self.listening.send_replace(listening);
    }

    /// Takes a connection in; `None` when there are too many.
    pub(crate) fn admit(self: &Arc<Self>, stream: TcpStream) -> Option<Connection> {
        let mut lines = self.lines();
        if lines.open.len() >= self.sockets_max {
            return None;
        }
        lines.next += 1;
        let id = LineId(lines.next);
        let muted = matches!(*self.door.borrow(), Door::Mute(_));
        let line = Arc::new(Line::new(if muted { Fate::Silent } else { Fate::Served }));
        lines.open.insert(id, line.clone());
        Some(Connection { stream, line, id, gate: self.clone() })
    }

    fn put_all(&self, fate: Fate, except: Option<LineId>) -> usize {
        let lines = self.lines();
        let others = lines.open.iter().filter(|(id, _)| Some(**id) != except);
        others.map(|(_, line)| line.put(fate)).count()
    }

    fn lines(&self) -> MutexGuard<'_, Lines> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What becomes of a connection. It never gets better.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[repr(u8)]
enum Fate {
    Served = 0,
    Silent = 1,
    Reset = 2,
}

/// A connection as the gate sees it.
struct Line {
    fate: AtomicU8,
    /// Who waits to read, and who waits to write.
    wakers: Mutex<[Option<Waker>; 2]>,
}

impl Line {
    fn new(fate: Fate) -> Self {
        Self { fate: AtomicU8::new(fate as u8), wakers: Mutex::default() }
    }

    fn fate(&self) -> Fate {
        match self.fate.load(Ordering::SeqCst) {
            0 => Fate::Served,
            1 => Fate::Silent,
            _ => Fate::Reset,
        }
    }

    fn put(&self, fate: Fate) {
        self.fate.fetch_max(fate as u8, Ordering::SeqCst);
        for waker in self.wakers.lock().unwrap_or_else(PoisonError::into_inner).iter_mut() {
            if let Some(waker) = waker.take() {
                waker.wake();
            }
        }
    }
}

/// An accepted connection, for as long as its fate lets it be served.
pub(crate) struct Connection {
    stream: TcpStream,
    line: Arc<Line>,
    id: LineId,
    gate: Arc<Gate>,
}

const READER: usize = 0;
const WRITER: usize = 1;

impl Connection {
    pub fn id(&self) -> LineId {
        self.id
    }

    /// Whether it was accepted to be never answered.
    pub fn is_silent(&self) -> bool {
        self.line.fate() == Fate::Silent
    }

    /// Whether bytes may pass. Whoever waits is woken when that changes.
    fn may_pass(&self, who: usize, cx: &Context<'_>) -> Poll<io::Result<()>> {
        // First remember who waits, then look, so that no change is missed.
        let mut wakers = self.line.wakers.lock().unwrap_or_else(PoisonError::into_inner);
        match &mut wakers[who] {
            Some(waker) => waker.clone_from(cx.waker()),
            none => *none = Some(cx.waker().clone()),
        }
        drop(wakers);
        match self.line.fate() {
            Fate::Served => Poll::Ready(Ok(())),
            Fate::Silent => Poll::Pending,
            Fate::Reset => {
                // The peer sees a reset and not an orderly end.
                let _ = self.stream.set_zero_linger();
                Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()))
            }
        }
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        std::task::ready!(self.may_pass(READER, cx))?;
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        std::task::ready!(self.may_pass(WRITER, cx))?;
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        std::task::ready!(self.may_pass(WRITER, cx))?;
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        std::task::ready!(self.may_pass(WRITER, cx))?;
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.gate.lines().open.remove(&self.id);
    }
}
