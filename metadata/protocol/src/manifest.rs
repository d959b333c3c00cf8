//! What an audit bundle consists of, signed: no file of it can be altered, cut off or left out unseen.

use std::collections::BTreeSet;

use parity_scale_codec::Encode;
use serde::{Deserialize, Serialize};

use crate::account::AccountId;
use crate::digest::Digest;
use crate::signing::{self, BadSignature, Domain, Keypair, Signature};

/// How many files a bundle may have.
pub const FILES_MAX: usize = 65_536;

/// How long a file's name may be.
pub const NAME_BYTES_MAX: usize = 128;

/// A bundle's list of files.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Manifest {
    /// The subnet.
    pub netuid: u16,
    /// Whose log it is of.
    pub validator: AccountId,
    /// The tempo.
    pub epoch_index: u64,
    /// Digest of the tempo's head.
    pub head: Digest,
    /// Every file but the manifest.
    pub files: Vec<FileEntry>,
}

/// One file.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Serialize, Deserialize)]
pub struct FileEntry {
    /// Its name in the bundle's folder: letters, digits, dots and dashes.
    pub name: String,
    /// Its length.
    pub bytes: u64,
    /// SHA-256 of its content.
    pub sha256: Digest,
}

/// A manifest as it travels, as JSON. The signature covers the SCALE bytes of the manifest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignedManifest {
    /// What is claimed.
    pub manifest: Manifest,
    /// The validator's signature, unchecked.
    pub signature: Signature,
}

/// Why a manifest is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ManifestError {
    /// Not signed by its validator.
    #[error("the manifest is not signed by the validator that it names")]
    Signature(#[source] BadSignature),
    /// A name that could lead out of the folder, or is doubled.
    #[error("the manifest lists {0:?}, which is listed twice or no plain file name")]
    Name(String),
    /// Too many files.
    #[error("the manifest lists more than {FILES_MAX} files")]
    TooMany,
}

impl Manifest {
    /// Signs. With a key that is not `self.validator`'s the result will not verify.
    pub fn sign(self, validator: &Keypair) -> SignedManifest {
        let signature = validator.sign(Domain::Manifest, &self.encode());
        SignedManifest { manifest: self, signature }
    }
}

impl SignedManifest {
    /// Checks the signature and the names.
    pub fn verify(self) -> Result<Manifest, ManifestError> {
        let Self { manifest, signature } = self;
        if manifest.files.len() > FILES_MAX {
            return Err(ManifestError::TooMany);
        }
        signing::verify(Domain::Manifest, &manifest.validator, &manifest.encode(), &signature)
            .map_err(ManifestError::Signature)?;
        let mut names = BTreeSet::new();
        for FileEntry { name, .. } in &manifest.files {
            let plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-'));
            let fits = !name.is_empty() && name.len() <= NAME_BYTES_MAX && !name.starts_with('.');
            if !plain || !fits || !names.insert(name) {
                return Err(ManifestError::Name(name.clone()));
            }
        }
        Ok(manifest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::{account, key};

    fn manifest(names: &[&str]) -> Manifest {
        let file = |name: &&str| FileEntry { name: (*name).to_owned(), bytes: 3, sha256: Digest::of(b"abc") };
        Manifest {
            netuid: 64,
            validator: account("Alice"),
            epoch_index: 7,
            head: Digest([1; 32]),
            files: names.iter().map(file).collect(),
        }
    }

    #[test]
    fn a_manifest_round_trips_through_json() {
        let signed = manifest(&["heads.scale", "leaves-00000.parquet"]).sign(&key("Alice"));
        let again: SignedManifest = serde_json::from_str(&serde_json::to_string(&signed).unwrap()).unwrap();
        assert_eq!(again.verify().unwrap(), signed.manifest);
    }

    #[test]
    fn an_altered_manifest_is_refused() {
        let signed = manifest(&["heads.scale"]).sign(&key("Alice"));
        let mut altered = signed.clone();
        altered.manifest.files[0].bytes += 1;
        assert!(matches!(altered.verify(), Err(ManifestError::Signature(_))));
        let mut shorter = signed;
        shorter.manifest.files.pop();
        assert!(matches!(shorter.verify(), Err(ManifestError::Signature(_))));
    }

    #[test]
    fn a_name_that_leads_elsewhere_is_refused() {
        for name in ["", ".", "..", "../x", "a/b", "/etc/passwd", ".hidden", "a b", "a\0", &"a".repeat(129)] {
            let refused = manifest(&[name]).sign(&key("Alice")).verify();
            assert_eq!(refused, Err(ManifestError::Name(name.to_owned())));
        }
        let doubled = manifest(&["a", "a"]).sign(&key("Alice")).verify();
        assert_eq!(doubled, Err(ManifestError::Name("a".to_owned())));
    }
}
