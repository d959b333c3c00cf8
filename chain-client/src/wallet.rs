//! Wallets on disk, in the layout and format of bittensor 11 (and what older releases left behind).
//!
//! ```text
//! <root>/<wallet>/coldkey  coldkeypub.txt  hotkeys/<hotkey>  hotkeys/<hotkey>pub.txt
//! ```
//!
//! Directories are 0700 and files 0600. Key files are one JSON object. Hotkeys are in the clear, which is why a key that
//! others can read, or a folder that others can write to, is refused. Coldkeys are encrypted with a password unless their
//! owner insists; [`unlock`] opens them. A process that answers strangers calls [`refuse_open_coldkey`] first.
//!
//! The encryptions that bittensor gave up years ago (Ansible Vault, Fernet) are opened like today's, and not written.
//!
//! Deliberately absent: ed25519 keys. They are refused by name, for this subnet's nodes sign with sr25519.

use std::path::{Path, PathBuf};

use protocol::AccountId;
use protocol::signing::Keypair;
use zeroize::Zeroizing;

mod create;
mod keyfile;
mod legacy;
pub mod message;
mod nacl;
mod password;
mod phrase;

pub use password::{Password, Passwords};

/// Where a wallet and one of its hotkeys are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WalletPath {
    /// The folder of all wallets, such as `~/.bittensor/wallets`.
    pub root: PathBuf,
    /// The wallet's name.
    pub wallet: String,
    /// The hotkey's name.
    pub hotkey: String,
}

/// Which of a wallet's keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Holds the TAO: registers, stakes, transfers.
    Coldkey,
    /// Runs a miner or validator: serves, sets weights, signs receipts.
    Hotkey,
}

/// Where a new key comes from.
#[derive(Clone)]
pub enum KeySource {
    /// A new phrase of twelve words.
    Generate,
    /// A phrase that somebody has.
    Phrase(Zeroizing<String>),
    /// A 32-byte seed, for keys that have no phrase.
    Seed(Zeroizing<[u8; 32]>),
}

/// A key that was written to disk.
pub struct Created {
    /// Its account.
    pub account: AccountId,
    /// Its phrase, if it has one: to be shown once and kept by its owner.
    pub phrase: Option<Zeroizing<String>>,
}

/// Why a key cannot be read or written. No variant carries any part of a secret.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WalletError {
    /// A name that would leave the wallet's folder.
    #[error("{name:?} cannot be the name of a wallet or hotkey")]
    BadName {
        /// The name.
        name: String,
    },
    /// There is no such file.
    #[error("there is no key file {}", path.display())]
    NotFound {
        /// The file.
        path: PathBuf,
    },
    /// There is a file already; keys are never overwritten.
    #[error("{} exists already", path.display())]
    AlreadyExists {
        /// The file.
        path: PathBuf,
    },
    /// The operating system failed.
    #[error("cannot access {}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// Others than the owner may read or write the file.
    #[error("{} has mode {mode:04o}: others can read it", path.display())]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// Others than the owner may put files into the folder.
    #[error("the folder {} has mode {mode:04o}: others can replace the keys in it", path.display())]
    ExposedFolder {
        /// The folder.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The file is encrypted, and whoever reads it has no password.
    #[error("{} is encrypted ({format})", path.display())]
    Encrypted {
        /// The file.
        path: PathBuf,
        /// The format's name.
        format: &'static str,
    },
    /// No password is given and there is nobody to ask.
    #[error("{} is encrypted and no password is given", path.display())]
    NoPassword {
        /// The file.
        path: PathBuf,
    },
    /// The password does not open the file.
    #[error("the password does not open {}", path.display())]
    WrongPassword {
        /// The file.
        path: PathBuf,
    },
    /// Two passwords typed for one key.
    #[error("the two passwords are not the same")]
    PasswordsDiffer,
    /// An environment variable that is not what the SDK writes.
    #[error("the variable {name} holds no password as the SDK stores one")]
    BadPasswordVariable {
        /// The variable.
        name: String,
    },
    /// The file that should hold a password.
    #[error("cannot read a password from {}", path.display())]
    PasswordFile {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// The terminal cannot be asked.
    #[error("cannot ask for a password on the terminal")]
    Terminal {
        /// What the system says.
        source: std::io::Error,
    },
    /// There is too little memory to turn a password into a key.
    #[error("opening an encrypted key takes 512 MiB of memory, which this machine does not give")]
    NoMemory,
    /// A coldkey that anybody who takes over this process could use.
    #[error("the coldkey {} is readable and not encrypted; a process that answers strangers must not be able to read one", path.display())]
    OpenColdkey {
        /// The file.
        path: PathBuf,
    },
    /// The file is no key file, or has no usable secret.
    #[error("{} is not a usable key file: {reason}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: &'static str,
    },
    /// The secret belongs to another address than the file states.
    #[error("{} states the address {stated}, but its secret gives {derived}", path.display())]
    WrongAddress {
        /// The file.
        path: PathBuf,
        /// The address in the file.
        stated: String,
        /// The address that the secret gives.
        derived: AccountId,
    },
    /// A phrase that is not twelve to twenty-four known words with a valid checksum.
    #[error("the phrase is not a valid BIP-39 phrase")]
    BadPhrase,
    /// The operating system gives no randomness.
    #[error("the system gives no randomness: {reason}")]
    NoRandomness {
        /// What the system says.
        reason: String,
    },
}

/// Reads a hotkey that is not encrypted, as hotkeys of running nodes are.
pub fn load_hotkey(path: &WalletPath) -> Result<Keypair, WalletError> {
    keyfile::load(&path.file(Role::Hotkey)?, None)
}

/// Reads a coldkey that is not encrypted.
pub fn load_coldkey(path: &WalletPath) -> Result<Keypair, WalletError> {
    keyfile::load(&path.file(Role::Coldkey)?, None)
}

/// Reads a key, asking `passwords` for one if it is encrypted. Opening an encrypted key takes seconds and 512 MiB.
pub fn unlock(path: &WalletPath, role: Role, passwords: &Passwords) -> Result<Keypair, WalletError> {
    keyfile::load(&path.file(role)?, Some(passwords))
}

/// Fails if this process can read the wallet's coldkey and needs no password for it. A coldkey that is encrypted, unreadable or not there
/// is fine.
pub fn refuse_open_coldkey(path: &WalletPath) -> Result<(), WalletError> {
    let path = path.file(Role::Coldkey)?;
    match keyfile::is_open(&path) {
        true => Err(WalletError::OpenColdkey { path }),
        false => Ok(()),
    }
}

/// Reads an account from its public file, which is no secret.
pub fn load_public(path: &WalletPath, role: Role) -> Result<AccountId, WalletError> {
    keyfile::load_public(&path.public_file(role)?)
}

/// Writes a new key in the clear, and its public file, as bittensor 11 does. Never overwrites one.
pub fn create(path: &WalletPath, role: Role, source: KeySource) -> Result<Created, WalletError> {
    create::create(&path.file(role)?, &path.public_file(role)?, source, None)
}

/// As [`create`], with the key encrypted under `password`, as the SDK does with coldkeys.
pub fn create_encrypted(
    path: &WalletPath,
    role: Role,
    source: KeySource,
    password: &Password,
) -> Result<Created, WalletError> {
    create::create(&path.file(role)?, &path.public_file(role)?, source, Some(password))
}

impl WalletPath {
    /// The names, under a folder of wallets.
    pub fn new(root: impl Into<PathBuf>, wallet: impl Into<String>, hotkey: impl Into<String>) -> Self {
        Self { root: root.into(), wallet: wallet.into(), hotkey: hotkey.into() }
    }

    /// Where bittensor keeps wallets in a user's home.
    pub fn default_root(home: &Path) -> PathBuf {
        home.join(".bittensor").join("wallets")
    }

    /// The file with the secret.
    pub fn file(&self, role: Role) -> Result<PathBuf, WalletError> {
        let wallet = self.root.join(checked(&self.wallet)?);
        Ok(match role {
            Role::Coldkey => wallet.join("coldkey"),
            Role::Hotkey => wallet.join("hotkeys").join(checked(&self.hotkey)?),
        })
    }

    /// The file with the address.
    pub fn public_file(&self, role: Role) -> Result<PathBuf, WalletError> {
        let mut name = self.file(role)?.into_os_string();
        name.push("pub.txt");
        Ok(name.into())
    }
}

impl WalletError {
    /// What the operator can do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::BadName { .. } => "give a plain name without slashes",
            Self::NotFound { .. } => {
                "check --wallet, --wallet-hotkey and --wallet-path, or make new keys with the `wallet new` subcommand"
            }
            Self::AlreadyExists { .. } => {
                "choose another name, or move the old key away after making sure of its backup"
            }
            Self::Io { .. } => "check that the user who runs this owns the file and its folder",
            Self::Exposed { .. } => "run: chmod 600 on the file (and chmod 700 on its folder)",
            Self::ExposedFolder { .. } => {
                "run: chmod 700 on the folder, then make sure that the keys in it are yours"
            }
            Self::Encrypted { .. } => {
                "a node that runs unattended needs a hotkey without a password; commands that sign with the coldkey ask for one"
            }
            Self::NoPassword { .. } => {
                "set BT_WALLET_PASSWORD, name a file in BT_WALLET_PASSWORD_FILE, or run this on a terminal and type it"
            }
            Self::WrongPassword { .. } => {
                "try again; BT_WALLET_PASSWORD wins over every other source when it is set"
            }
            Self::PasswordsDiffer => "run the command again and type the same password twice",
            Self::BadPasswordVariable { .. } => "set BT_WALLET_PASSWORD to the plain password instead",
            Self::PasswordFile { .. } => "make it one line of text with the password, readable by you alone",
            Self::Terminal { .. } => {
                "give the password in BT_WALLET_PASSWORD or BT_WALLET_PASSWORD_FILE instead"
            }
            Self::NoMemory => "free memory, or sign on a larger machine",
            Self::OpenColdkey { .. } => {
                "move the coldkey to another machine, or encrypt it; for development pass --allow-coldkey-present"
            }
            Self::Malformed { .. } => {
                "restore the file from its backup, or regenerate the key from its phrase with btcli"
            }
            Self::WrongAddress { .. } => {
                "the file was edited or mixed up, or holds an ed25519 key: regenerate it from its phrase as sr25519"
            }
            Self::BadPhrase => "check the words and their order",
            Self::NoRandomness { .. } => "try again when the system has started completely",
        }
    }
}

fn checked(name: &str) -> Result<&str, WalletError> {
    let mut components = Path::new(name).components();
    match (components.next(), components.next()) {
        (Some(std::path::Component::Normal(only)), None) if only == name => Ok(name),
        _ => Err(WalletError::BadName { name: name.to_owned() }),
    }
}

#[cfg(test)]
mod tests;
