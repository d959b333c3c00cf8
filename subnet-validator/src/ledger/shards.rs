//! What a ledger keeps of shards: its own heads, if it is another than shard 0; in shard 0's, what the others last said.

use parity_scale_codec::{Decode, DecodeAll, Encode, Error, Input};
use protocol::head::shards::SignedShardHead;
use protocol::merkle::Frontier;
use protocol::scoring::Sums;
use rocksdb::Direction;

use super::reader::Reader;
use super::schema;
use super::store::{Store, decode_head};
use super::{AppendError, HeadStored, Ledger, ReadError};
use crate::ledger::ingress::Message;

/// The head of this shard for one tempo.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct ShardRecord {
    /// The head.
    pub head: SignedShardHead,
    /// The Merkle frontier over its leaves.
    pub frontier: Frontier,
}

/// What another shard said last.
#[derive(Debug, Clone, PartialEq, Eq, Encode)]
pub struct ShardSums {
    /// Its head.
    pub head: SignedShardHead,
    /// The sums of that head's window.
    pub sums: Sums,
}

impl Decode for ShardSums {
    fn decode<I: Input>(input: &mut I) -> Result<Self, Error> {
        Ok(Self { head: Decode::decode(input)?, sums: Decode::decode(input)? })
    }
}

impl Ledger {
    /// Keeps the head of this shard for a tempo; returns once it is synced to disk. There is one for a tempo.
    pub async fn put_shard_head(&self, record: ShardRecord) -> Result<HeadStored, AppendError> {
        self.ask(|reply| Message::PutShardHead { record: Box::new(record), reply }).await
    }

    /// Keeps what another shard said, in place of what it said before; returns once it is synced to disk.
    pub async fn put_sums(&self, sums: ShardSums) -> Result<(), AppendError> {
        self.ask(|reply| Message::PutSums { sums: Box::new(sums), reply }).await
    }
}

impl Reader {
    /// The newest head of this shard.
    pub fn latest_shard_head(&self) -> Result<Option<ShardRecord>, ReadError> {
        self.volume.store()?.latest_shard_head()
    }

    /// The head of this shard for a tempo.
    pub fn shard_head(&self, epoch_index: u64) -> Result<Option<ShardRecord>, ReadError> {
        let bytes = self.volume.store()?.value(schema::SHARD_HEADS, &schema::heads(epoch_index))?;
        bytes.as_deref().map(decode_shard_head).transpose()
    }

    /// What the other shards said last, by number.
    pub fn sums(&self) -> Result<Vec<ShardSums>, ReadError> {
        let store = self.volume.store()?;
        let entries = store.scan(schema::SUMS, &schema::sums(0), Direction::Forward)?;
        entries
            .map(|entry| {
                ShardSums::decode_all(&mut &*entry?.1)
                    .map_err(|_| ReadError::damaged("a shard's sums are unreadable"))
            })
            .collect()
    }
}

impl Store {
    pub(super) fn latest_shard_head(&self) -> Result<Option<ShardRecord>, ReadError> {
        let newest = self
            .scan(schema::SHARD_HEADS, &schema::heads(u64::MAX), Direction::Reverse)?
            .next()
            .transpose()?;
        newest.map(|(_, bytes)| decode_shard_head(&bytes)).transpose()
    }

    /// The frontiers under this ledger's heads, the newest first: those of tree heads, or of its shard's heads.
    pub(super) fn head_frontiers(
        &self,
    ) -> Result<impl Iterator<Item = Result<Frontier, ReadError>> + '_, ReadError> {
        let newest = schema::heads(u64::MAX);
        let heads = self.scan(schema::HEADS, &newest, Direction::Reverse)?;
        let of_shard = self.scan(schema::SHARD_HEADS, &newest, Direction::Reverse)?;
        let heads = heads.map(|entry| Ok(decode_head(&entry?.1)?.frontier));
        Ok(heads.chain(of_shard.map(|entry| Ok(decode_shard_head(&entry?.1)?.frontier))))
    }
}

fn decode_shard_head(bytes: &[u8]) -> Result<ShardRecord, ReadError> {
    ShardRecord::decode_all(&mut &*bytes).map_err(|_| ReadError::damaged("a shard's head is unreadable"))
}
