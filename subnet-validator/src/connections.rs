//! What every listener of a validator has in common: clients counted by address, and connections that end when nobody reads.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, Ipv6Addr};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep};

/// A client: its address, of which IPv6 counts by the network of 64 bits that one household gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Client(IpAddr);

impl From<IpAddr> for Client {
    fn from(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V6(address) => {
                let network = u128::from(address) >> 64 << 64;
                Self(IpAddr::V6(Ipv6Addr::from(network)))
            }
            address => Self(address),
        }
    }
}

/// Open connections by client.
#[derive(Clone, Default)]
pub(crate) struct Connections(Arc<Mutex<HashMap<Client, u32>>>);

/// One open connection; it counts until this is dropped.
pub(crate) struct Open {
    connections: Connections,
    client: Client,
}

impl Connections {
    /// Counts one more of this client, unless it has as many as it may.
    pub(crate) fn open(&self, client: Client, max: u32) -> Option<Open> {
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = open.entry(client).or_default();
        if *count >= max {
            return None;
        }
        *count += 1;
        Some(Open { connections: self.clone(), client })
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        let mut open = self.connections.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = open.get_mut(&self.client) {
            *count -= 1;
            if *count == 0 {
                open.remove(&self.client);
            }
        }
    }
}

/// A connection whose writes fail when its client takes no byte for too long. Without that a client which stops reading holds its
/// connection, and whatever writes to it, for as long as TCP keeps both alive.
pub(crate) struct Unread<S> {
    stream: S,
    patience: Duration,
    /// Runs while bytes wait for the client.
    waits: Option<Pin<Box<Sleep>>>,
}

impl<S> Unread<S> {
    pub(crate) fn new(stream: S, patience: Duration) -> Self {
        Self { stream, patience, waits: None }
    }

    /// Passes a write's outcome on, and ends a wait that took too long.
    fn within<T>(&mut self, context: &mut Context<'_>, written: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.waits = None;
            return written;
        }
        let end = || Box::pin(tokio::time::sleep_until(Instant::now() + self.patience));
        match self.waits.get_or_insert_with(end).as_mut().poll(context) {
            Poll::Ready(()) => {
                Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the client does not read")))
            }
            Poll::Pending => Poll::Pending,
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Unread<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Unread<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.within(context, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, bytes);
        self.within(context, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.stream).poll_flush(context);
        self.within(context, flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let shut = Pin::new(&mut self.stream).poll_shutdown(context);
        self.within(context, shut)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    #[test]
    fn a_client_may_hold_only_so_many_connections() {
        let connections = Connections::default();
        let [one, other] =
            [[192, 0, 2, 1], [192, 0, 2, 2]].map(|address| Client::from(IpAddr::from(address)));
        let first = connections.open(one, 1);
        assert!(first.is_some() && connections.open(one, 1).is_none());
        assert!(connections.open(other, 1).is_some());
        drop(first);
        assert!(connections.open(one, 1).is_some());
        assert!(connections.0.lock().unwrap().is_empty());
    }

    #[test]
    fn one_ipv6_network_is_one_client() {
        let of = |text: &str| Client::from(text.parse::<IpAddr>().unwrap());
        assert_eq!(of("2001:db8:0:1::1"), of("2001:db8:0:1:ffff::2"));
        assert_ne!(of("2001:db8:0:1::1"), of("2001:db8:0:2::1"));
        assert_eq!(of("::ffff:192.0.2.1"), of("192.0.2.1"));
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_takes_no_byte_for_too_long_is_given_up() {
        let (ours, mut theirs) = tokio::io::duplex(8);
        let mut ours = Unread::new(ours, Duration::from_secs(30));
        // One that reads now and then is waited for, however long all of it takes.
        let reads = async {
            let mut byte = [0; 8];
            for _ in 0..4 {
                tokio::time::advance(Duration::from_secs(20)).await;
                theirs.read_exact(&mut byte).await.unwrap();
            }
            theirs
        };
        let (written, _theirs) = tokio::join!(ours.write_all(&[7; 32]), reads);
        written.unwrap();
        let begun = Instant::now();
        ours.write_all(&[7; 16]).await.unwrap_err();
        assert_eq!(begun.elapsed().as_secs(), 30);
    }
}
