//! Reading key files: version 11's JSON in any key order, and the variants that older releases wrote.

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use protocol::AccountId;
use protocol::signing::Keypair;
use serde::{Deserialize, Deserializer};
use zeroize::Zeroizing;

use super::{Passwords, WalletError, legacy, nacl, phrase};

const FILE_BYTES_MAX: u64 = 64 * 1024;
const OTHERS: u32 = 0o077;
const OTHERS_WRITE: u32 = 0o022;
const STICKY: u32 = 0o1000;

/// What a key file may hold. Old files have some of it, and one generation wrote a blank before `ss58Address`.
#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct KeyFile {
    secret_phrase: Option<Secret>,
    secret_seed: Option<Secret>,
    private_key: Option<Secret>,
    #[serde(alias = " ss58Address")]
    ss58_address: Option<String>,
    account_id: Option<String>,
    public_key: Option<String>,
    crypto_type: Option<CryptoType>,
}

/// A text that is wiped when dropped.
struct Secret(Zeroizing<String>);

/// 1 is sr25519 and 0 is ed25519; some files have it as a text.
#[derive(Deserialize, PartialEq)]
#[serde(untagged)]
enum CryptoType {
    Number(u64),
    Text(String),
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self(Zeroizing::new(String::deserialize(deserializer)?)))
    }
}

impl CryptoType {
    fn is_sr25519(&self) -> bool {
        match self {
            Self::Number(number) => *number == 1,
            Self::Text(text) => matches!(text.trim().to_ascii_lowercase().as_str(), "1" | "sr25519"),
        }
    }
}

pub(super) fn load(path: &Path, passwords: Option<&Passwords>) -> Result<Keypair, WalletError> {
    check_folder(path)?;
    let mut content = read(path, true)?;
    if let Some(sealing) = sealing(&content) {
        let Some(passwords) = passwords else {
            return Err(WalletError::Encrypted { path: path.to_owned(), format: sealing.name() });
        };
        let password = passwords.find(path)?;
        let opened = match sealing {
            Sealing::Nacl => {
                let key = nacl::derive(password.expose()).ok_or(WalletError::NoMemory)?;
                nacl::open(&key, &content)
            }
            Sealing::AnsibleVault => legacy::open_vault(password.expose(), &content),
            Sealing::Fernet => legacy::open_fernet(password.expose(), &content),
        };
        content = opened.ok_or_else(|| WalletError::WrongPassword { path: path.to_owned() })?;
    }
    let malformed = |reason| WalletError::Malformed { path: path.to_owned(), reason };
    let text = std::str::from_utf8(&content).map_err(|_| malformed("it is not text"))?.trim();
    let file = if text.starts_with('{') {
        serde_json::from_str(text).map_err(|_| malformed("it is not the JSON of a key file"))?
    } else {
        bare(text)
    };
    file.keypair(path)
}

pub(super) fn load_public(path: &Path) -> Result<AccountId, WalletError> {
    let content = read(path, false)?;
    let malformed = |reason| WalletError::Malformed { path: path.to_owned(), reason };
    let file: KeyFile =
        serde_json::from_slice(&content).map_err(|_| malformed("it is not the JSON of a key file"))?;
    file.stated_account().ok_or(malformed("it has no valid address"))
}

/// Whether this process can read a secret there without a password.
pub(super) fn is_open(path: &Path) -> bool {
    let mut start = Vec::with_capacity(16);
    let read = File::open(path).and_then(|file| file.take(16).read_to_end(&mut start));
    read.is_ok_and(|length| length > 0) && sealing(&start).is_none()
}

/// Very old files are nothing but a seed in hexadecimal, or a phrase.
fn bare(text: &str) -> KeyFile {
    let secret = Some(Secret(Zeroizing::new(text.trim_matches('"').to_owned())));
    if hex_bytes::<32>(text.trim_matches('"')).is_some() {
        KeyFile { secret_seed: secret, ..KeyFile::default() }
    } else {
        KeyFile { secret_phrase: secret, ..KeyFile::default() }
    }
}

impl KeyFile {
    /// The first secret that gives the stated address, in the order phrase, seed, private key; without a stated address the
    /// first usable one.
    fn keypair(&self, path: &Path) -> Result<Keypair, WalletError> {
        let malformed = |reason| WalletError::Malformed { path: path.to_owned(), reason };
        if self.crypto_type.as_ref().is_some_and(|crypto| !crypto.is_sr25519()) {
            return Err(malformed("it holds an ed25519 key, and this subnet signs with sr25519"));
        }
        let candidates = self.candidates();
        let stated = self.stated_account();
        if stated.is_none() && (self.ss58_address.is_some() || self.public_key.is_some()) {
            return Err(malformed("its address is not a valid address"));
        }
        let fits = |keypair: &&Keypair| stated.is_none_or(|stated| keypair.public() == stated);
        match (candidates.iter().find(fits), candidates.first(), stated) {
            (Some(keypair), _, _) => Ok(keypair.clone()),
            (None, Some(first), Some(stated)) => Err(WalletError::WrongAddress {
                path: path.to_owned(),
                stated: stated.to_ss58(),
                derived: first.public(),
            }),
            _ => Err(malformed("it has no valid phrase, seed or private key")),
        }
    }

    fn candidates(&self) -> Vec<Keypair> {
        let mut keypairs = Vec::new();
        if let Some(Secret(text)) = &self.secret_phrase
            && let Ok(seed) = phrase::seed(text)
        {
            keypairs.push(Keypair::from_seed(&seed));
        }
        if let Some(Secret(text)) = &self.secret_seed
            && let Some(seed) = hex_bytes::<32>(text)
        {
            keypairs.push(Keypair::from_seed(&seed));
        }
        if let Some(Secret(text)) = &self.private_key
            && let Some(secret) = hex_bytes::<64>(text)
        {
            // The bittensor form first; the polkadot.js form has the scalar multiplied by the cofactor already.
            let forms = [phrase::times_cofactor(&secret), Some(secret)];
            keypairs.extend(forms.into_iter().flatten().filter_map(|form| Keypair::from_secret(&form).ok()));
        }
        keypairs
    }

    fn stated_account(&self) -> Option<AccountId> {
        if let Some(address) = &self.ss58_address {
            return AccountId::from_ss58(address.trim()).ok();
        }
        let hex = self.public_key.as_ref().or(self.account_id.as_ref())?;
        hex_bytes::<32>(hex).map(|bytes| AccountId(*bytes))
    }
}

/// Who may write to the folder can replace the key by one of theirs.
fn check_folder(path: &Path) -> Result<(), WalletError> {
    let Some(folder) = path.parent() else { return Ok(()) };
    let Ok(metadata) = folder.metadata() else { return Ok(()) };
    let mode = metadata.mode() & 0o7777;
    if mode & OTHERS_WRITE != 0 && mode & STICKY == 0 {
        return Err(WalletError::ExposedFolder { path: folder.to_owned(), mode });
    }
    Ok(())
}

/// Reads a whole file, refusing one that others can read if it is `secret`. The open file is asked, not the path, so that
/// nothing can be swapped in between.
fn read(path: &Path, secret: bool) -> Result<Zeroizing<Vec<u8>>, WalletError> {
    let io = |source| WalletError::Io { path: path.to_owned(), source };
    let file = File::open(path).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => WalletError::NotFound { path: path.to_owned() },
        _ => io(error),
    })?;
    let metadata = file.metadata().map_err(io)?;
    let malformed = |reason| WalletError::Malformed { path: path.to_owned(), reason };
    if !metadata.is_file() {
        return Err(malformed("it is not a file"));
    }
    let mode = metadata.mode() & 0o7777;
    if secret && mode & OTHERS != 0 {
        return Err(WalletError::Exposed { path: path.to_owned(), mode });
    }
    if metadata.len() > FILE_BYTES_MAX {
        return Err(malformed("it is too large"));
    }
    let mut content = Zeroizing::new(Vec::with_capacity(FILE_BYTES_MAX as usize));
    file.take(FILE_BYTES_MAX).read_to_end(&mut content).map_err(io)?;
    Ok(content)
}

/// How a file is encrypted.
#[derive(Clone, Copy)]
enum Sealing {
    Nacl,
    AnsibleVault,
    Fernet,
}

impl Sealing {
    fn name(self) -> &'static str {
        match self {
            Self::Nacl => "NaCl",
            Self::AnsibleVault => "Ansible Vault",
            Self::Fernet => "Fernet",
        }
    }
}

/// Each form has its beginning.
fn sealing(content: &[u8]) -> Option<Sealing> {
    const STARTS: [(&[u8], Sealing); 3] = [
        (nacl::START, Sealing::Nacl),
        (b"$ANSIBLE_VAULT", Sealing::AnsibleVault),
        (b"gAAAAA", Sealing::Fernet),
    ];
    STARTS.iter().find(|(start, _)| content.starts_with(start)).map(|(_, sealing)| *sealing)
}

fn hex_bytes<const N: usize>(text: &str) -> Option<Zeroizing<[u8; N]>> {
    let text = text.trim();
    let mut bytes = Zeroizing::new([0; N]);
    hex::decode_to_slice(text.strip_prefix("0x").unwrap_or(text), bytes.as_mut()).ok()?;
    Some(bytes)
}
