//! Reads at one block: runtime calls, and storage in one request however many keys it takes.

use std::marker::PhantomData;
use std::sync::Arc;

use subxt::ext::frame_decode::storage::StorageTypeInfo;
use subxt::ext::scale_decode::DecodeAsType;
use subxt::storage::PrefixOf;
use subxt::{runtime_apis, storage};

use super::{AtBlock, ChainClient, Session};
use crate::blocks::BlockRef;
use crate::error::Fault;

/// What public nodes allow at most.
const KEYS_PER_PAGE: u32 = 1000;

/// One block's state, seen over one connection. Storage keys are gathered with [`Reader::want`] and fetched together.
pub(crate) struct Reader {
    session: Arc<Session>,
    at: AtBlock,
    keys: Vec<Vec<u8>>,
}

/// A storage value that will have been fetched.
pub(crate) struct Slot<Value> {
    key: usize,
    value_type: u32,
    default: Option<Vec<u8>>,
    marker: PhantomData<Value>,
}

/// The fetched values, in the order wanted.
pub(crate) struct Values<'a> {
    reader: &'a Reader,
    bytes: Vec<Option<Vec<u8>>>,
}

impl ChainClient {
    /// A reader at `block`. Call within [`ChainClient::bounded`].
    pub(crate) async fn reader(&self, block: BlockRef) -> Result<Reader, Fault> {
        let session = self.session().await?;
        let at = self.at(&session, block).await?;
        Ok(Reader { session, at, keys: Vec::new() })
    }
}

impl Reader {
    /// Calls a runtime API, after checking that the live runtime still has it in the shape we know.
    pub(crate) async fn call<P: runtime_apis::Payload>(&self, payload: P) -> Result<P::ReturnType, Fault> {
        let item = format!("{}.{}", payload.trait_name(), payload.method_name());
        self.at.runtime_apis().call(payload).await.map_err(|error| self.shape(item, error.into()))
    }

    /// A constant of the live runtime.
    pub(crate) fn constant<A: subxt::constants::Address>(&self, address: A) -> Result<A::Target, Fault> {
        let item = format!("{}.{}", address.pallet_name(), address.constant_name());
        self.at.constants().entry(address).map_err(|error| self.shape(item, error.into()))
    }

    /// Adds a storage value to what [`Reader::fetch`] will get.
    pub(crate) fn want<A: storage::Address>(
        &mut self,
        address: A,
        key: A::KeyParts,
    ) -> Result<Slot<A::Value>, Fault> {
        let (pallet, entry) = (address.pallet_name().to_owned(), address.entry_name().to_owned());
        let key = self.at.storage().entry(address).and_then(|entry| entry.fetch_key(key));
        let key = key.map_err(|error| self.shape(format!("{pallet}.{entry}"), error.into()))?;
        let info = self.at.metadata_ref().storage_info(&pallet, &entry);
        let info = info.map_err(|error| subxt::error::StorageError::StorageInfoError(error.into_owned()))?;
        let default = info.default_value.as_ref().map(|bytes| bytes.to_vec());
        let value_type = info.value_id;
        self.keys.push(key);
        Ok(Slot { key: self.keys.len() - 1, value_type, default, marker: PhantomData })
    }

    /// The keys of a map's entries under the first parts of the key, in pages of [`KEYS_PER_PAGE`].
    pub(crate) async fn keys_under<A: storage::Address, Parts: PrefixOf<A::KeyParts>>(
        &self,
        address: A,
        parts: Parts,
    ) -> Result<Vec<Vec<u8>>, Fault> {
        let item = format!("{}.{}", address.pallet_name(), address.entry_name());
        let prefix = self.at.storage().entry(address).and_then(|entry| entry.iter_key(parts));
        let prefix = prefix.map_err(|error| self.shape(item, error.into()))?;
        let (rpc, at) = (self.session.rpc(), Some(self.at.block_hash()));
        let mut keys: Vec<Vec<u8>> = Vec::new();
        loop {
            let last = keys.last().map(Vec::as_slice);
            let page = rpc.state_get_keys_paged(&prefix, KEYS_PER_PAGE, last, at).await?;
            let is_last = page.len() < KEYS_PER_PAGE as usize;
            keys.extend(page);
            if is_last {
                return Ok(keys);
            }
        }
    }

    /// Fetches everything wanted in one request.
    pub(crate) async fn fetch(&self) -> Result<Values<'_>, Fault> {
        let keys = self.keys.iter().map(Vec::as_slice);
        let sets = self.session.rpc().state_query_storage_at(keys, Some(self.at.block_hash())).await?;
        let mut bytes = vec![None; self.keys.len()];
        for (key, value) in sets.into_iter().flat_map(|set| set.changes) {
            // Equal keys may have been wanted twice; each slot gets its copy.
            for (slot, _) in self.keys.iter().enumerate().filter(|(_, wanted)| **wanted == key.0) {
                bytes[slot] = value.as_ref().map(|value| value.0.clone());
            }
        }
        Ok(Values { reader: self, bytes })
    }

    /// The version of the runtime that made the block.
    pub(crate) fn spec_version(&self) -> u32 {
        self.at.spec_version()
    }

    fn shape(&self, item: String, error: subxt::Error) -> Fault {
        Fault::of_item(item, self.at.spec_version(), error)
    }
}

impl Values<'_> {
    /// The value's SCALE bytes, if the chain stores one: for the few types whose bindings are no use.
    pub(crate) fn bytes<Value>(&self, slot: &Slot<Value>) -> Option<&[u8]> {
        self.bytes[slot.key].as_deref()
    }

    /// The value, or the chain's default for the entry, or `None` where it has none.
    pub(crate) fn get<Value: DecodeAsType>(&self, slot: &Slot<Value>) -> Result<Option<Value>, Fault> {
        let Some(bytes) = self.bytes[slot.key].as_ref().or(slot.default.as_ref()) else {
            return Ok(None);
        };
        let types = self.reader.at.metadata_ref().types();
        Ok(Some(Value::decode_as_type(&mut bytes.as_slice(), slot.value_type, types)?))
    }

    /// The value of an entry that has a default.
    pub(crate) fn value<Value: DecodeAsType>(&self, slot: &Slot<Value>) -> Result<Value, Fault> {
        self.get(slot)?.ok_or(Fault::MissingValue)
    }
}
