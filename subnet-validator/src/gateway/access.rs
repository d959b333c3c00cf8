//! API keys: `Authorization: Bearer sk-...`. Only their SHA-256 is stored, in one file that the command line writes and the
//! gateway reads again whenever it has changed, so that creating or revoking a key needs no restart.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use axum::extract::{Request, State as Handed};
use axum::middleware::Next;
use axum::response::Response;
use http::header::AUTHORIZATION;
use protocol::digest::Digest;
use serde::{Deserialize, Serialize};

use super::State;
use super::error::GatewayError;
use crate::state_dir;

const PREFIX: &str = "sk-";
const KEY_BYTES_MAX: usize = 256;

/// One key, without its secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApiKey {
    /// Names it in listings and logs.
    pub id: String,
    /// What its owner called it.
    pub name: String,
    /// SHA-256 of the secret.
    pub sha256: Digest,
    /// When it was made.
    pub created_at_ms: u64,
    /// When it was revoked, if it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked_at_ms: Option<u64>,
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct KeyFile {
    keys: Vec<ApiKey>,
}

/// The file of keys.
#[derive(Debug)]
pub struct ApiKeys {
    path: PathBuf,
    loaded: Mutex<Loaded>,
}

#[derive(Debug, Default)]
struct Loaded {
    stamp: Option<Stamp>,
    by_hash: HashMap<Digest, ApiKey>,
}

/// Changes whenever the file is replaced.
#[derive(Debug, PartialEq, Eq)]
struct Stamp {
    inode: u64,
    modified_ns: (i64, i64),
    size: u64,
}

/// A key that was just made. The secret is shown once and stored nowhere.
#[derive(Debug, Clone)]
pub struct NewKey {
    /// What is stored.
    pub key: ApiKey,
    /// What the user gets.
    pub secret: String,
}

/// The caller of a request, after its key was checked.
#[derive(Debug, Clone)]
pub(super) struct Caller {
    /// The key's id, or `anonymous` where keys are switched off.
    pub(super) key_id: String,
}

impl ApiKeys {
    /// The keys in this file; it need not exist yet.
    #[must_use]
    pub fn new(path: &Path) -> Self {
        Self { path: path.to_owned(), loaded: Mutex::default() }
    }

    /// Makes a key and stores its hash.
    pub fn create(&self, name: &str, now_ms: u64) -> io::Result<NewKey> {
        let mut bytes = [0u8; 40];
        getrandom::fill(&mut bytes).map_err(io::Error::other)?;
        let (id, secret) = bytes.split_at(8);
        let secret = format!("{PREFIX}{}", hex::encode(secret));
        let key = ApiKey {
            id: format!("key_{}", hex::encode(id)),
            name: name.to_owned(),
            sha256: Digest::of(secret.as_bytes()),
            created_at_ms: now_ms,
            revoked_at_ms: None,
        };
        let mut file = read(&self.path)?;
        file.keys.push(key.clone());
        self.write(&file)?;
        Ok(NewKey { key, secret })
    }

    /// All keys, revoked ones too.
    pub fn list(&self) -> io::Result<Vec<ApiKey>> {
        Ok(read(&self.path)?.keys)
    }

    /// Revokes the key with this id. `false` if there is none that is still valid.
    pub fn revoke(&self, id: &str, now_ms: u64) -> io::Result<bool> {
        let mut file = read(&self.path)?;
        let Some(key) = file.keys.iter_mut().find(|key| key.id == id && key.revoked_at_ms.is_none()) else {
            return Ok(false);
        };
        key.revoked_at_ms = Some(now_ms);
        self.write(&file)?;
        Ok(true)
    }

    /// The valid key with this secret. An unreadable file leaves the keys last read in force.
    pub fn check(&self, secret: &str) -> Option<ApiKey> {
        if !secret.starts_with(PREFIX) || secret.len() > KEY_BYTES_MAX {
            return None;
        }
        let hash = Digest::of(secret.as_bytes());
        let mut loaded = self.loaded.lock().unwrap_or_else(PoisonError::into_inner);
        let stamp = stamp(&self.path);
        if stamp != loaded.stamp {
            match read(&self.path) {
                Ok(file) => {
                    let valid = file.keys.into_iter().filter(|key| key.revoked_at_ms.is_none());
                    *loaded = Loaded { stamp, by_hash: valid.map(|key| (key.sha256, key)).collect() };
                }
                Err(error) => {
                    tracing::error!(
                        error = &error as &dyn std::error::Error,
                        "cannot read the file of API keys"
                    );
                }
            }
        }
        loaded.by_hash.get(&hash).cloned()
    }

    fn write(&self, file: &KeyFile) -> io::Result<()> {
        state_dir::replace(&self.path, &serde_json::to_vec_pretty(file)?)
    }
}

fn read(path: &Path) -> io::Result<KeyFile> {
    match fs::read(path) {
        Ok(bytes) => Ok(serde_json::from_slice(&bytes)?),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(KeyFile::default()),
        Err(error) => Err(error),
    }
}

fn stamp(path: &Path) -> Option<Stamp> {
    let facts = fs::metadata(path).ok()?;
    Some(Stamp { inode: facts.ino(), modified_ns: (facts.mtime(), facts.mtime_nsec()), size: facts.size() })
}

/// Lets a request pass if its key is valid, and notes whose it is.
pub(super) async fn require(
    Handed(state): Handed<Arc<State>>,
    mut request: Request,
    next: Next,
) -> Result<Response, GatewayError> {
    let caller = if state.config.require_api_key {
        let given = request.headers().get(AUTHORIZATION).and_then(|value| value.to_str().ok());
        let secret = given.and_then(bearer).ok_or(GatewayError::NoKey)?;
        Caller { key_id: state.keys.check(secret).ok_or(GatewayError::BadKey)?.id }
    } else {
        Caller { key_id: "anonymous".into() }
    };
    request.extensions_mut().insert(caller);
    Ok(next.run(request).await)
}

fn bearer(value: &str) -> Option<&str> {
    let (scheme, secret) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(secret.trim())
}
