//! The rules that a validator scores by, as one signed document: how the terms are weighed, and what each model is
//! worth.
//!
//! Tree heads name its hash, so the rules of any past tempo are known, and a validator that scores by rules of its
//! own is seen to.

use parity_scale_codec::{Decode, DecodeAll, Encode, Error, Input};
use serde::{Deserialize, Serialize};

use crate::account::AccountId;
use crate::bounded::decode_list;
use crate::catalogue::{self, Catalogue, CatalogueError, Model};
use crate::digest::Digest;
use crate::scoring::Policy;
use crate::signing::{self, BadSignature, Domain, Keypair, Signature};

/// How long an encoded document may be: room for a catalogue of the largest size.
pub const BYTES_MAX: usize = 32 << 20;

/// The rules.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Serialize, Deserialize)]
pub struct PolicyDocument {
    /// The subnet.
    pub netuid: u16,
    /// How receipts become points.
    pub policy: Policy,
    /// What is paid for, in the order of names.
    pub models: Vec<Model>,
}

/// A document as it travels: nothing has been checked.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
pub struct SignedPolicyDocument {
    /// The rules.
    pub document: PolicyDocument,
    /// Who publishes them.
    pub validator: AccountId,
    /// Its signature, unchecked.
    pub signature: Signature,
}

/// Why a document is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PolicyDocumentError {
    /// Not one whole document.
    #[error("the policy document does not decode")]
    Decode,
    /// Not signed by the validator named.
    #[error("the policy document is not signed by the validator that it names")]
    Signature(#[source] BadSignature),
    /// The list of models is no catalogue.
    #[error("the policy document's models are no catalogue")]
    Models(#[source] CatalogueError),
}

impl PolicyDocument {
    /// The rules of a subnet with this catalogue.
    pub fn new(netuid: u16, policy: Policy, catalogue: &Catalogue) -> Self {
        Self { netuid, policy, models: catalogue.iter().cloned().collect() }
    }

    /// Names the document in tree heads.
    pub fn hash(&self) -> Digest {
        Digest::of_prefixed(Domain::PolicyDocument.prefix(), &self.encode())
    }

    /// The models by name.
    pub fn catalogue(&self) -> Result<Catalogue, CatalogueError> {
        Catalogue::new(self.models.iter().cloned())
    }

    /// Signs as a validator.
    pub fn sign(self, validator: &Keypair) -> SignedPolicyDocument {
        let signature = validator.sign(Domain::PolicyDocument, &self.encode());
        SignedPolicyDocument { document: self, validator: validator.public(), signature }
    }
}

impl SignedPolicyDocument {
    /// Reads one whole document; trailing bytes are refused.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, PolicyDocumentError> {
        if bytes.len() > BYTES_MAX {
            return Err(PolicyDocumentError::Decode);
        }
        Self::decode_all(&mut &*bytes).map_err(|_| PolicyDocumentError::Decode)
    }

    /// Checks the signature and that the models are a catalogue.
    pub fn verify(self) -> Result<PolicyDocument, PolicyDocumentError> {
        let Self { document, validator, signature } = self;
        signing::verify(Domain::PolicyDocument, &validator, &document.encode(), &signature)
            .map_err(PolicyDocumentError::Signature)?;
        document.catalogue().map_err(PolicyDocumentError::Models)?;
        Ok(document)
    }
}

impl Decode for PolicyDocument {
    fn decode<I: Input>(input: &mut I) -> Result<Self, Error> {
        Ok(Self {
            netuid: u16::decode(input)?,
            policy: Policy::decode(input)?,
            models: decode_list(input, catalogue::MODELS_MAX)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::{catalogue, key};

    #[test]
    fn a_document_round_trips_and_names_its_rules() {
        let document = PolicyDocument::new(64, Policy::default(), &catalogue());
        let bytes = document.clone().sign(&key("Alice")).encode();
        assert_eq!(SignedPolicyDocument::from_bytes(&bytes).unwrap().verify(), Ok(document.clone()));
        assert_eq!(document.catalogue().unwrap(), catalogue());
        let other =
            PolicyDocument { policy: Policy { ramp_hours: 5, ..document.policy }, ..document.clone() };
        assert_ne!(other.hash(), document.hash());
    }

    #[test]
    fn an_altered_document_is_refused() {
        let bytes = PolicyDocument::new(64, Policy::default(), &catalogue()).sign(&key("Alice")).encode();
        for at in 0..bytes.len() {
            let mut altered = bytes.clone();
            altered[at] ^= 1;
            let verified = SignedPolicyDocument::from_bytes(&altered).and_then(SignedPolicyDocument::verify);
            assert!(verified.is_err(), "byte {at}");
        }
        let longer = [bytes.as_slice(), &[0]].concat();
        assert_eq!(SignedPolicyDocument::from_bytes(&longer), Err(PolicyDocumentError::Decode));
    }

    #[test]
    fn a_list_that_is_no_catalogue_is_refused() {
        let mut document = PolicyDocument::new(64, Policy::default(), &catalogue());
        document.models.push(document.models[0].clone());
        let refused = document.sign(&key("Alice")).verify();
        assert!(matches!(refused, Err(PolicyDocumentError::Models(CatalogueError::Twice(_)))), "{refused:?}");
    }
}
