//! Countersigned records on their way back to the miner, so that it can prove what belongs into its validator's log.

use parity_scale_codec::{Decode, DecodeAll, Encode, Error, Input};

use crate::account::AccountId;
use crate::bounded::decode_list;
use crate::receipt::{COUNTERSIGNED_BYTES_MAX, Countersigned, ReceiptError, UncheckedCountersigned};

/// Records in one list.
pub const COPIES_MAX: usize = 256;

/// More than the longest list has, in bytes.
pub const BYTES_MAX: usize = COPIES_MAX * (COUNTERSIGNED_BYTES_MAX + 4) + 4;

/// Records as they travel: nothing has been checked.
#[derive(Debug, Clone, PartialEq, Eq, Encode)]
pub struct CopyList(Vec<Vec<u8>>);

/// Why a list is refused as a whole.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CopyError {
    /// Not one whole list within its limits.
    #[error("the list of countersigned receipts does not decode")]
    Decode,
    /// A record is not whole.
    #[error("countersigned receipt {index} of the list does not verify")]
    Record {
        /// Its place in the list.
        index: usize,
        /// Why.
        #[source]
        source: ReceiptError,
    },
    /// A record of another validator's or another miner's call.
    #[error("countersigned receipt {index} of the list is not of a call between the two")]
    Stranger {
        /// Its place in the list.
        index: usize,
    },
}

impl CopyList {
    /// The list of these calls, of which the first [`COPIES_MAX`] are taken.
    pub fn of<'a>(calls: impl IntoIterator<Item = &'a Countersigned>) -> Self {
        Self(calls.into_iter().take(COPIES_MAX).map(Countersigned::encode).collect())
    }

    /// Reads one whole list; trailing bytes are refused.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, CopyError> {
        if bytes.len() > BYTES_MAX {
            return Err(CopyError::Decode);
        }
        Self::decode_all(&mut &*bytes).map_err(|_| CopyError::Decode)
    }

    /// Checks every signature, and that each call is between these two.
    pub fn verify(&self, validator: &AccountId, miner: &AccountId) -> Result<Vec<Countersigned>, CopyError> {
        let wrong = |index| move |source| CopyError::Record { index, source };
        let mut records = Vec::with_capacity(self.0.len());
        for (index, bytes) in self.0.iter().enumerate() {
            records.push(UncheckedCountersigned::from_bytes(bytes).map_err(wrong(index))?);
        }
        let calls = UncheckedCountersigned::verify_all(records)
            .map_err(|(index, source)| CopyError::Record { index, source })?;
        let stranger = calls
            .iter()
            .position(|call| (call.ticket().validator, call.ticket().miner) != (*validator, *miner));
        stranger.map_or(Ok(calls), |index| Err(CopyError::Stranger { index }))
    }
}

impl Decode for CopyList {
    fn decode<I: Input>(input: &mut I) -> Result<Self, Error> {
        let records: Vec<Record> = decode_list(input, COPIES_MAX)?;
        Ok(Self(records.into_iter().map(|record| record.0).collect()))
    }
}

struct Record(Vec<u8>);

impl Decode for Record {
    fn decode<I: Input>(input: &mut I) -> Result<Self, Error> {
        decode_list(input, COUNTERSIGNED_BYTES_MAX).map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::{Call, account};

    #[test]
    fn a_list_of_calls_between_the_two_comes_back_checked() {
        let calls: Vec<Countersigned> =
            (0..3).map(|number| Call::to("Bob", number).countersigned()).collect();
        let bytes = CopyList::of(&calls).encode();
        let list = CopyList::from_bytes(&bytes).unwrap();
        assert_eq!(list.verify(&account("Alice"), &account("Bob")), Ok(calls));
        assert!(CopyList::from_bytes(&[&bytes[..], &[0]].concat()).is_err());
        let stranger = list.verify(&account("Alice"), &account("Charlie"));
        assert_eq!(stranger, Err(CopyError::Stranger { index: 0 }));
    }

    #[test]
    fn one_altered_record_spoils_the_list_by_name() {
        let good = Call::to("Bob", 1).countersigned();
        let mut altered = Call::to("Bob", 2).countersigned().encode();
        *altered.last_mut().unwrap() ^= 1;
        let list = CopyList(vec![good.encode(), altered]);
        let refused = list.verify(&account("Alice"), &account("Bob"));
        assert!(matches!(refused, Err(CopyError::Record { index: 1, .. })), "{refused:?}");
        assert_eq!(
            CopyList::from_bytes(&CopyList(vec![Vec::new(); COPIES_MAX + 1]).encode()),
            Err(CopyError::Decode)
        );
    }
}
