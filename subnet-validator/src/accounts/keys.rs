//! The file of accounts: API keys (`Authorization: Bearer sk-...`) and hotkeys that sign their requests (btauth/1).
//!
//! Of an API key only the SHA-256 is stored. The command line writes the file; the gateway reads it again whenever it has
//! changed, so that creating or revoking a key needs no restart.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use protocol::account::AccountId;
use protocol::digest::Digest;
use serde::{Deserialize, Serialize};

use super::rights::{Limits, Scopes};
use crate::state_dir;

const PREFIX: &str = "sk-";
const KEY_BYTES_MAX: usize = 256;

/// One account, without its secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApiKey {
    /// Names it in listings and logs; its salted hash is the payer in tickets.
    pub id: String,
    /// What its owner called it.
    pub name: String,
    /// SHA-256 of the secret; absent for an account that signs with a hotkey.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<Digest>,
    /// The hotkey that signs its requests; absent for one with a secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hotkey: Option<AccountId>,
    /// When it was made.
    pub created_at_ms: u64,
    /// When it stops being valid, if it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at_ms: Option<u64>,
    /// When it was revoked, if it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked_at_ms: Option<u64>,
    /// What it may use.
    #[serde(default, skip_serializing_if = "is_default")]
    pub scopes: Scopes,
    /// How much it may use.
    #[serde(default, skip_serializing_if = "is_default")]
    pub limits: Limits,
}

/// What a new account is made from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NewAccount {
    /// What to call it.
    pub name: String,
    /// When it stops being valid, if it does.
    pub expires_at_ms: Option<u64>,
    /// What it may use.
    pub scopes: Scopes,
    /// How much it may use.
    pub limits: Limits,
}

/// A key that was just made. The secret is shown once and stored nowhere.
#[derive(Debug, Clone)]
pub struct NewKey {
    /// What is stored.
    pub key: ApiKey,
    /// What the user gets.
    pub secret: String,
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct KeyFile {
    keys: Vec<ApiKey>,
}

/// The file of accounts.
#[derive(Debug)]
pub struct ApiKeys {
    path: PathBuf,
    loaded: Mutex<Loaded>,
}

#[derive(Debug, Default)]
struct Loaded {
    stamp: Option<Stamp>,
    by_hash: HashMap<Digest, Arc<ApiKey>>,
    by_hotkey: HashMap<AccountId, Arc<ApiKey>>,
}

/// Changes whenever the file is replaced.
#[derive(Debug, PartialEq, Eq)]
struct Stamp {
    inode: u64,
    modified_ns: (i64, i64),
    size: u64,
}

impl ApiKey {
    /// Whether it may be used at this time.
    #[must_use]
    pub fn is_valid(&self, now_ms: u64) -> bool {
        self.revoked_at_ms.is_none() && self.expires_at_ms.is_none_or(|expires| now_ms < expires)
    }
}

impl ApiKeys {
    /// The accounts in this file; it need not exist yet.
    #[must_use]
    pub fn new(path: &Path) -> Self {
        Self { path: path.to_owned(), loaded: Mutex::default() }
    }

    /// Makes a key without restrictions and stores its hash.
    pub fn create(&self, name: &str, now_ms: u64) -> io::Result<NewKey> {
        self.create_key(NewAccount { name: name.to_owned(), ..NewAccount::default() }, now_ms)
    }

    /// Makes a key and stores its hash.
    pub fn create_key(&self, account: NewAccount, now_ms: u64) -> io::Result<NewKey> {
        let mut bytes = [0u8; 32];
        getrandom::fill(&mut bytes).map_err(io::Error::other)?;
        let secret = format!("{PREFIX}{}", hex::encode(bytes));
        let key = self.add(account, Some(Digest::of(secret.as_bytes())), None, now_ms)?;
        Ok(NewKey { key, secret })
    }

    /// Makes an account for a hotkey that signs its requests.
    ///
    /// # Errors
    /// [`io::ErrorKind::AlreadyExists`] if it has a valid one.
    pub fn create_for_hotkey(
        &self,
        hotkey: AccountId,
        account: NewAccount,
        now_ms: u64,
    ) -> io::Result<ApiKey> {
        self.add(account, None, Some(hotkey), now_ms)
    }

    fn add(
        &self,
        account: NewAccount,
        sha256: Option<Digest>,
        hotkey: Option<AccountId>,
        now_ms: u64,
    ) -> io::Result<ApiKey> {
        let NewAccount { name, expires_at_ms, scopes, limits } = account;
        let mut bytes = [0u8; 8];
        getrandom::fill(&mut bytes).map_err(io::Error::other)?;
        let id = format!("key_{}", hex::encode(bytes));
        let (created_at_ms, revoked_at_ms) = (now_ms, None);
        let key =
            ApiKey { id, name, sha256, hotkey, created_at_ms, expires_at_ms, revoked_at_ms, scopes, limits };
        self.change(|file| {
            let twice = |other: &ApiKey| {
                other.is_valid(now_ms) && other.hotkey.is_some() && other.hotkey == key.hotkey
            };
            if let Some(other) = file.keys.iter().find(|other| twice(other)) {
                let text = format!("this hotkey has the account {} already", other.id);
                return Err(io::Error::new(io::ErrorKind::AlreadyExists, text));
            }
            file.keys.push(key.clone());
            Ok(true)
        })?;
        Ok(key)
    }

    /// All accounts, revoked ones too.
    pub fn list(&self) -> io::Result<Vec<ApiKey>> {
        Ok(read(&self.path)?.keys)
    }

    /// Revokes the account with this id. `false` if there is none that is not revoked yet.
    pub fn revoke(&self, id: &str, now_ms: u64) -> io::Result<bool> {
        self.change(|file| {
            let mut keys = file.keys.iter_mut();
            let Some(key) = keys.find(|key| key.id == id && key.revoked_at_ms.is_none()) else {
                return Ok(false);
            };
            key.revoked_at_ms = Some(now_ms);
            Ok(true)
        })
    }

    /// The valid account with this secret. An unreadable file leaves the accounts last read in force.
    pub fn check(&self, secret: &str, now_ms: u64) -> Option<Arc<ApiKey>> {
        if !secret.starts_with(PREFIX) || secret.len() > KEY_BYTES_MAX {
            return None;
        }
        let hash = Digest::of(secret.as_bytes());
        self.find(now_ms, |loaded| loaded.by_hash.get(&hash))
    }

    /// The valid account of this hotkey.
    pub fn of_hotkey(&self, hotkey: &AccountId, now_ms: u64) -> Option<Arc<ApiKey>> {
        self.find(now_ms, |loaded| loaded.by_hotkey.get(hotkey))
    }

    /// Reads the file again, changed or not.
    pub fn reload(&self) -> io::Result<usize> {
        let mut loaded = self.loaded.lock().unwrap_or_else(PoisonError::into_inner);
        *loaded = Loaded::of(stamp(&self.path), read(&self.path)?);
        Ok(loaded.by_hash.len() + loaded.by_hotkey.len())
    }

    fn find(&self, now_ms: u64, find: impl FnOnce(&Loaded) -> Option<&Arc<ApiKey>>) -> Option<Arc<ApiKey>> {
        let mut loaded = self.loaded.lock().unwrap_or_else(PoisonError::into_inner);
        let stamp = stamp(&self.path);
        if stamp != loaded.stamp {
            match read(&self.path) {
                Ok(file) => *loaded = Loaded::of(stamp, file),
                Err(error) => {
                    let error = &error as &dyn std::error::Error;
                    tracing::error!(error, "cannot read the file of API keys");
                }
            }
        }
        find(&loaded).filter(|key| key.is_valid(now_ms)).cloned()
    }

    /// Reads, changes and replaces the file, alone among the processes that do. Writes nothing if `change` says `false`.
    fn change(&self, change: impl FnOnce(&mut KeyFile) -> io::Result<bool>) -> io::Result<bool> {
        let lock = File::create(self.path.with_extension("lock"))?;
        lock.lock()?;
        let mut file = read(&self.path)?;
        let changed = change(&mut file)?;
        if changed {
            state_dir::replace(&self.path, &serde_json::to_vec_pretty(&file)?)?;
        }
        Ok(changed)
    }
}

impl Loaded {
    fn of(stamp: Option<Stamp>, file: KeyFile) -> Self {
        let mut loaded = Self { stamp, ..Self::default() };
        for key in file.keys.into_iter().filter(|key| key.revoked_at_ms.is_none()).map(Arc::new) {
            if let Some(hash) = key.sha256 {
                loaded.by_hash.insert(hash, Arc::clone(&key));
            }
            // The later one counts, should an expired one stand before it.
            if let Some(hotkey) = key.hotkey {
                loaded.by_hotkey.insert(hotkey, key);
            }
        }
        loaded
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

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

#[cfg(test)]
mod tests {
    use super::{ApiKeys, NewAccount};
    use protocol::account::AccountId;
    use std::io;

    #[test]
    fn a_key_is_valid_until_it_expires() {
        let folder = tempfile::tempdir().unwrap();
        let keys = ApiKeys::new(&folder.path().join("keys.json"));
        let account = NewAccount { expires_at_ms: Some(100), ..NewAccount::default() };
        let new = keys.create_key(account, 1).unwrap();
        assert_eq!(keys.check(&new.secret, 99).unwrap().id, new.key.id);
        assert!(keys.check(&new.secret, 100).is_none());
    }

    #[test]
    fn a_hotkey_has_one_valid_account_at_a_time() {
        let folder = tempfile::tempdir().unwrap();
        let keys = ApiKeys::new(&folder.path().join("keys.json"));
        let hotkey = AccountId([7; 32]);
        let first = keys.create_for_hotkey(hotkey, NewAccount::default(), 1).unwrap();
        let again = keys.create_for_hotkey(hotkey, NewAccount::default(), 2).unwrap_err();
        assert_eq!(again.kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(keys.of_hotkey(&hotkey, 3).unwrap().id, first.id);
        assert!(keys.revoke(&first.id, 4).unwrap());
        assert!(keys.of_hotkey(&hotkey, 5).is_none());
        let second = keys.create_for_hotkey(hotkey, NewAccount::default(), 6).unwrap();
        assert_eq!(keys.of_hotkey(&hotkey, 7).unwrap().id, second.id);
    }

    #[test]
    fn keys_made_at_the_same_time_are_all_kept() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys.json");
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| ApiKeys::new(&path).create("one of many", 1).unwrap());
            }
        });
        assert_eq!(ApiKeys::new(&path).list().unwrap().len(), 8);
    }

    #[test]
    fn a_file_from_before_there_were_scopes_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys.json");
        let hash = protocol::digest::Digest::of(b"sk-old");
        let text =
            format!(r#"{{"keys":[{{"id":"key_1","name":"old","sha256":"{hash}","created_at_ms":1}}]}}"#);
        std::fs::write(&path, text).unwrap();
        assert_eq!(ApiKeys::new(&path).check("sk-old", 2).unwrap().id, "key_1");
    }
}
