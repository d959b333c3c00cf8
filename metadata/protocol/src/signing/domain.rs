//! What a signature is for. A signature made for one purpose must verify for no other.

/// The purpose of a signature. Each purpose of ours has a prefix of the shape `SN_<NAME>_V<n>\0`, put before
/// the signed bytes; changing what is signed needs a new version.
///
/// [`Domain::Extrinsic`], [`Domain::Btauth`] and [`Domain::Message`] have no prefix, because other software fixes
/// their bytes. The first two cannot be taken for ours, nor for each other:
/// - A btauth payload begins with `btauth/1` and a line feed, so it differs from `SN_` in its first byte.
/// - An extrinsic's payload begins with the pallet's and the call's index. `SN` would be pallet 83, call 78,
///   and `bt` pallet 98, call 116; the runtime has neither pallet. Payloads over 256 bytes are signed as
///   their 32-byte BLAKE2b hash: no payload of ours has 32 bytes (the shortest prefix and one digest are
///   already longer).
///
/// A text that a person signs can be anything, so whoever signs one must first refuse what could belong to
/// another domain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Domain {
    /// A chain transaction's signer payload.
    Extrinsic,
    /// A signed HTTP request, `btauth/1`.
    Btauth,
    /// A text that the key's owner signs for other people.
    Message,
    /// A validator's order to one miner.
    Ticket,
    /// A miner's statement of what it delivered.
    Receipt,
    /// A validator's statement of what it observed.
    Countersignature,
    /// A user's statement that the answer arrived.
    Acknowledgement,
    /// A miner's statement of what it serves.
    Inventory,
    /// The head of a validator's receipt log.
    TreeHead,
    /// The head of a validator's logs, where it has several.
    TreeHeadOfShards,
    /// The head of one shard's log, signed by the gateway that keeps it.
    ShardHead,
    /// What a gateway answers to the head gateway of its validator.
    ShardAnswer,
    /// An audit bundle's manifest.
    Manifest,
    /// The same where there are several logs.
    ManifestOfShards,
    /// The rules a validator scores by.
    PolicyDocument,
    /// A validator's evidence against a miner.
    Evidence,
    /// The models a validator pays for, and where their weights are.
    Catalogue,
    /// The same where some file has the root of its tree beside its digest.
    CatalogueWithRoots,
    /// What a validator asks a miner to prove.
    Challenge,
    /// What the miner shows.
    ChallengeAnswer,
}

impl Domain {
    /// The bytes put before the message.
    pub const fn prefix(self) -> &'static [u8] {
        match self {
            Self::Extrinsic | Self::Btauth | Self::Message => b"",
            Self::Ticket => b"SN_TICKET_V1\0",
            Self::Receipt => b"SN_RECEIPT_V1\0",
            Self::Countersignature => b"SN_COUNTERSIGNATURE_V1\0",
            Self::Acknowledgement => b"SN_ACKNOWLEDGEMENT_V1\0",
            Self::Inventory => b"SN_INVENTORY_V1\0",
            Self::TreeHead => b"SN_TREE_HEAD_V1\0",
            Self::TreeHeadOfShards => b"SN_TREE_HEAD_V2\0",
            Self::ShardHead => b"SN_SHARD_HEAD_V1\0",
            Self::ShardAnswer => b"SN_SHARD_ANSWER_V1\0",
            Self::Manifest => b"SN_MANIFEST_V2\0",
            Self::ManifestOfShards => b"SN_MANIFEST_V3\0",
            Self::PolicyDocument => b"SN_POLICY_DOCUMENT_V1\0",
            Self::Evidence => b"SN_EVIDENCE_V1\0",
            Self::Catalogue => b"SN_CATALOGUE_V1\0",
            Self::CatalogueWithRoots => b"SN_CATALOGUE_V2\0",
            Self::Challenge => b"SN_CHALLENGE_V1\0",
            Self::ChallengeAnswer => b"SN_CHALLENGE_ANSWER_V1\0",
        }
    }

    pub(super) fn wrap(self, message: &[u8]) -> Vec<u8> {
        [self.prefix(), message].concat()
    }
}
