//! Writing key files as bittensor 11 writes them.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

use protocol::AccountId;
use protocol::signing::Keypair;
use serde::Serialize;
use zeroize::Zeroizing;

use super::{Created, KeySource, Password, WalletError, nacl, phrase};

const DIRECTORY_MODE: u32 = 0o700;
const FILE_MODE: u32 = 0o600;
const SR25519: u8 = 1;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SecretFile<'a> {
    account_id: &'a str,
    public_key: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    secret_phrase: Option<&'a str>,
    secret_seed: &'a str,
    private_key: &'a str,
    ss58_address: &'a str,
    crypto_type: u8,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct PublicFile<'a> {
    account_id: &'a str,
    public_key: &'a str,
    ss58_address: &'a str,
    crypto_type: u8,
}

pub(super) fn create(
    file: &Path,
    public_file: &Path,
    source: KeySource,
    password: Option<&Password>,
) -> Result<Created, WalletError> {
    if file.exists() {
        return Err(WalletError::AlreadyExists { path: file.to_owned() });
    }
    let (words, seed) = match source {
        KeySource::Generate => {
            let words = phrase::generate()?;
            let seed = phrase::seed(&words)?;
            (Some(words), seed)
        }
        KeySource::Phrase(words) => {
            let seed = phrase::seed(&words)?;
            (Some(words), seed)
        }
        KeySource::Seed(seed) => (None, seed),
    };
    let account = Keypair::from_seed(&seed).public();
    let secret = secret_json(&account, words.as_ref().map(|words| words.as_str()), &seed);
    match password {
        Some(password) => write_new(file, &sealed(password, secret.as_bytes())?)?,
        None => write_new(file, secret.as_bytes())?,
    }
    write_public(public_file, &account)?;
    Ok(Created { account, phrase: words })
}

fn sealed(password: &Password, secret: &[u8]) -> Result<Vec<u8>, WalletError> {
    let mut nonce = [0; 24];
    getrandom::fill(&mut nonce).map_err(|error| WalletError::NoRandomness { reason: error.to_string() })?;
    let key = nacl::derive(password.expose()).ok_or(WalletError::NoMemory)?;
    Ok(nacl::seal(&key, nonce, secret))
}

fn secret_json(account: &AccountId, words: Option<&str>, seed: &[u8; 32]) -> Zeroizing<String> {
    let public_key = prefixed_hex(&account.0);
    let json = SecretFile {
        account_id: &public_key,
        public_key: &public_key,
        secret_phrase: words,
        secret_seed: &prefixed_hex(seed),
        private_key: &prefixed_hex(phrase::expand(seed).as_ref()),
        ss58_address: &account.to_ss58(),
        crypto_type: SR25519,
    };
    Zeroizing::new(serde_json::to_string(&json).expect("texts and a number are always JSON"))
}

/// The public file is no secret and can be rebuilt, so one that is there already is replaced.
fn write_public(path: &Path, account: &AccountId) -> Result<(), WalletError> {
    let public_key = prefixed_hex(&account.0);
    let json = PublicFile {
        account_id: &public_key,
        public_key: &public_key,
        ss58_address: &account.to_ss58(),
        crypto_type: SR25519,
    };
    let json = serde_json::to_string(&json).expect("texts and a number are always JSON");
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(WalletError::Io { path: path.to_owned(), source: error })
        }
        _ => write_new(path, json.as_bytes()),
    }
}

/// Writes a file that does not exist yet, whole or not at all: it gets its name only when its content is on disk.
fn write_new(path: &Path, content: &[u8]) -> Result<(), WalletError> {
    let io = |source: std::io::Error| match source.kind() {
        ErrorKind::AlreadyExists => WalletError::AlreadyExists { path: path.to_owned() },
        _ => WalletError::Io { path: path.to_owned(), source },
    };
    if let Some(directory) = path.parent() {
        DirBuilder::new().recursive(true).mode(DIRECTORY_MODE).create(directory).map_err(io)?;
    }
    let mut draft = path.as_os_str().to_owned();
    draft.push(format!(".{}.tmp", std::process::id()));
    let draft = Path::new(&draft);
    let written = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(FILE_MODE)
        .open(draft)
        .and_then(|mut file| {
            file.write_all(content)?;
            file.sync_all()
        })
        .and_then(|()| fs::hard_link(draft, path));
    let removed = fs::remove_file(draft);
    written.map_err(io)?;
    removed.map_err(io)
}

fn prefixed_hex(bytes: &[u8]) -> Zeroizing<String> {
    Zeroizing::new(format!("0x{}", hex::encode(bytes)))
}
