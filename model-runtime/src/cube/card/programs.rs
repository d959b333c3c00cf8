//! From a kernel to what a card runs: cubecl writes CUDA C++, NVRTC compiles that to the card's own code, and a folder keeps it.
//!
//! NVRTC takes a tenth of a second and more for each kernel, so a first start with a model takes seconds longer than those after it. What is
//! kept is named by the digest of everything it came from, written whole or not at all, and checked by a digest of its own when it is read.
//! Whoever can write to the folder decides what the card runs: it is made for its owner only.
#![expect(unsafe_code, reason = "NVRTC takes addresses")]

use std::ffi::{CStr, CString, c_char};
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use cubecl::{Compiler as _, CubeKernel};
use cubecl_cpp::shared::{CompilationOptions, CppCompiler, CppSupportedFeatures};
use cubecl_cpp::target::Cuda;
use cudarc::nvrtc::result as nvrtc;
use cudarc::nvrtc::sys;
use sha2::{Digest as _, Sha256};

use super::super::order;
use crate::device::cuda_headers;

/// Changes when the way from source to code does.
const VERSION: &str = "1";

/// Bytes of a digest.
const DIGEST: usize = 32;

/// Files that are kept; with more, those not used for longest go.
const KEPT_MAX: usize = 2_048;

/// A kernel's code and how it is started.
pub(super) struct Program {
    pub(super) code: Vec<u8>,
    pub(super) name: String,
    pub(super) shared_bytes: usize,
}

/// Compiles for one kind of card.
pub(super) struct Compiler {
    capability: u32,
    folder: Option<PathBuf>,
    /// NVRTC's, asked for when it is first needed.
    version: Option<(i32, i32)>,
}

impl Compiler {
    /// Keeps what it compiles in `folder`, if that can be written.
    pub(super) fn new(capability: u32, folder: Option<PathBuf>) -> Self {
        let folder = folder.filter(|folder| {
            let made = own_folder(folder);
            if let Err(error) = &made {
                let folder = folder.display();
                tracing::warn!(%folder, %error, "compiled kernels are not kept: every start compiles them again");
            }
            made.is_ok()
        });
        if let Some(folder) = &folder {
            prune(folder, KEPT_MAX);
        }
        Self { capability, folder, version: None }
    }

    /// What a card runs of a kernel, with registers for `together` cubes at once.
    ///
    /// # Errors
    /// In the compilers' words.
    pub(super) fn program(&mut self, kernel: &impl CubeKernel, together: usize) -> Result<Program, String> {
        let features = CppSupportedFeatures {
            grid_constants: true,
            fast_math: true,
            dp4a: true,
            clusters: self.capability >= 90,
            elect_sync: self.capability >= 90,
            ..CppSupportedFeatures::default()
        };
        let options = CompilationOptions { supports_features: features, ..CompilationOptions::default() };
        let definition = kernel.define();
        let name = definition.settings.kernel_name.clone();
        let compiled = CppCompiler::<Cuda>::default()
            .compile(definition, &options)
            .map_err(|error| format!("kernel {name} cannot be written as CUDA C++: {error:?}"))?;
        let source = order::for_card(&compiled.source, self.capability, together);
        Ok(Program { code: self.code(&source)?, name, shared_bytes: compiled.shared_memory_size })
    }

    fn code(&mut self, source: &str) -> Result<Vec<u8>, String> {
        let version = match self.version {
            Some(version) => version,
            None => *self.version.insert(nvrtc_version()?),
        };
        // "a": with what only this generation has.
        let suffix = if self.capability >= 90 { "a" } else { "" };
        let target = format!("--gpu-architecture=sm_{}{suffix}", self.capability);
        let Some(folder) = &self.folder else { return compile(source, &target) };
        let mut digest = Sha256::new();
        for part in [VERSION, &format!("{version:?}"), &target, source] {
            digest.update((part.len() as u64).to_le_bytes());
            digest.update(part);
        }
        let file = folder.join(format!("{}.cubin", hex::encode(digest.finalize())));
        if let Some(code) = kept(&file) {
            return Ok(code);
        }
        let code = compile(source, &target)?;
        if let Err(error) = keep(&file, &code) {
            let file = file.display();
            tracing::warn!(%file, %error, "a compiled kernel was not kept: the next start compiles it again");
        }
        Ok(code)
    }
}

/// Makes the folder, unless it is there; one that others may write to is not taken.
fn own_folder(folder: &Path) -> std::io::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    if fs::metadata(folder)?.permissions().mode() & 0o022 != 0 {
        let words = "others may write to it, and so decide what the card runs: chmod go-w";
        return Err(std::io::Error::new(std::io::ErrorKind::PermissionDenied, words));
    }
    Ok(())
}

/// The code in a file, if it is as it was written.
fn kept(file: &Path) -> Option<Vec<u8>> {
    let mut found = fs::read(file).ok()?;
    let code = found.split_off(found.len().min(DIGEST));
    let whole = found.as_slice() == Sha256::digest(&code).as_slice();
    if whole {
        // So that it is not the one unused for longest.
        let _ = fs::File::options()
            .append(true)
            .open(file)
            .and_then(|file| file.set_modified(std::time::SystemTime::now()));
    }
    whole.then_some(code)
}

/// Another process or thread may write the same file: each writes its own and renames it.
fn keep(file: &Path, code: &[u8]) -> std::io::Result<()> {
    static WRITTEN: AtomicU64 = AtomicU64::new(0);
    let number = WRITTEN.fetch_add(1, Ordering::Relaxed);
    let own = file.with_extension(format!("{}-{number}.new", std::process::id()));
    let mut to = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&own)?;
    to.write_all(&Sha256::digest(code))?;
    to.write_all(code)?;
    drop(to);
    fs::rename(&own, file)
}

/// Removes the files unused for longest, down to `most`.
fn prune(folder: &Path, most: usize) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    let mut files: Vec<(std::time::SystemTime, PathBuf)> = entries
        .flatten()
        .filter_map(|entry| Some((entry.metadata().ok()?.modified().ok()?, entry.path())))
        .filter(|(_, path)| {
            path.extension().is_some_and(|extension| extension == "cubin" || extension == "new")
        })
        .collect();
    files.sort();
    let excess = files.len().saturating_sub(most);
    for (_, path) in files.into_iter().take(excess) {
        let _ = fs::remove_file(path);
    }
}

/// Where compiled kernels are kept unless told otherwise: a folder of the user's cache, or the one that a service manager gives.
#[must_use]
pub fn usual_folder(variable: impl Fn(&str) -> Option<std::ffi::OsString>) -> Option<PathBuf> {
    let set = |name: &str| variable(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let of_user = || set("XDG_CACHE_HOME").or_else(|| set("HOME").map(|home| home.join(".cache")));
    set("SUBNET64_CACHE")
        .or_else(|| set("CACHE_DIRECTORY"))
        .or_else(|| of_user().map(|cache| cache.join("subnet64")))
        .map(|cache| cache.join("kernels"))
}

fn nvrtc_version() -> Result<(i32, i32), String> {
    // SAFETY: looks whether the library can be opened; without it the first call would panic.
    if !unsafe { sys::is_culib_present() } {
        return Err("NVRTC (libnvrtc) is not here: install CUDA's run-time compiler".to_owned());
    }
    let (mut major, mut minor) = (0, 0);
    // SAFETY: writes two numbers.
    unsafe { sys::nvrtcVersion(&raw mut major, &raw mut minor) }
        .result()
        .map_err(|error| format!("NVRTC: {error:?}"))?;
    Ok((major, minor))
}

/// A card's code, from CUDA C++.
fn compile(source: &str, target: &str) -> Result<Vec<u8>, String> {
    let headers = cuda_headers()
        .ok_or("CUDA's headers are not here: set CUDA_PATH to the folder that has their `include`")?;
    let mut options = vec![target.to_owned(), format!("--include-path={}", headers.display())];
    // From CUDA 13 on a part of them lies deeper.
    let deeper = headers.join("cccl");
    if deeper.is_dir() {
        options.push(format!("--include-path={}", deeper.display()));
    }
    let source = CString::new(source).map_err(|_| "a kernel's source has a zero in it".to_owned())?;
    let program = nvrtc::create_program(&source, None).map_err(|error| format!("NVRTC: {error:?}"))?;
    // SAFETY: the program was just made, is asked for no more than it has, and destroyed once.
    unsafe {
        let made = nvrtc::compile_program(program, &options)
            .map_err(|_| {
                let log = nvrtc::get_program_log(program).unwrap_or_default();
                let ended = log.contains(&0);
                let text = if ended {
                    CStr::from_ptr(log.as_ptr()).to_string_lossy().into_owned()
                } else {
                    String::new()
                };
                format!("NVRTC refuses a kernel: {text}")
            })
            .and_then(|()| {
                let said = |error| format!("NVRTC gives no code: {error:?}");
                let mut size = 0;
                sys::nvrtcGetCUBINSize(program, &raw mut size).result().map_err(said)?;
                let mut code = vec![0u8; size];
                sys::nvrtcGetCUBIN(program, code.as_mut_ptr().cast::<c_char>()).result().map_err(said)?;
                Ok(code)
            });
        let _ = nvrtc::destroy_program(program);
        made
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kept_kernel_is_read_back_and_a_damaged_or_cut_one_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.cubin");
        assert_eq!(kept(&file), None);
        keep(&file, b"code").unwrap();
        assert_eq!(kept(&file).as_deref(), Some(&b"code"[..]));
        let mut bytes = fs::read(&file).unwrap();
        bytes[DIGEST] ^= 1;
        fs::write(&file, &bytes).unwrap();
        assert_eq!(kept(&file), None);
        for length in 0..DIGEST {
            fs::write(&file, &bytes[..length]).unwrap();
            assert_eq!(kept(&file), None, "{length} bytes");
        }
    }

    #[test]
    fn a_folder_that_others_may_write_to_is_not_taken() {
        let folder = tempfile::tempdir().unwrap();
        let own = folder.path().join("a/kernels");
        own_folder(&own).unwrap();
        assert_eq!(fs::metadata(&own).unwrap().permissions().mode() & 0o777, 0o700);
        fs::set_permissions(&own, fs::Permissions::from_mode(0o777)).unwrap();
        assert!(own_folder(&own).unwrap_err().to_string().contains("chmod go-w"));
    }

    #[test]
    fn what_was_not_used_for_longest_goes_first() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str| folder.path().join(name);
        for (age, name) in ["d.cubin", "c.cubin", "b.cubin", "a.cubin"].into_iter().enumerate() {
            keep(&file(name), name.as_bytes()).unwrap();
            let then = std::time::SystemTime::now() - std::time::Duration::from_secs(1 + age as u64);
            fs::File::options().append(true).open(file(name)).unwrap().set_modified(then).unwrap();
        }
        fs::write(file("notes.txt"), "not ours").unwrap();
        kept(&file("a.cubin")).unwrap();
        prune(folder.path(), 2);
        let left = ["a.cubin", "b.cubin", "c.cubin", "d.cubin", "notes.txt"].map(|name| file(name).exists());
        assert_eq!(left, [true, false, false, true, true]);
    }

    #[test]
    fn kernels_are_kept_below_the_first_cache_that_is_named() {
        let folder = |set: &[(&str, &str)]| {
            let found =
                |name: &str| set.iter().find(|(other, _)| *other == name).map(|(_, value)| value.into());
            usual_folder(found).map(|path| path.display().to_string())
        };
        assert_eq!(folder(&[]), None);
        assert_eq!(folder(&[("HOME", "/h")]).as_deref(), Some("/h/.cache/subnet64/kernels"));
        assert_eq!(
            folder(&[("HOME", "/h"), ("XDG_CACHE_HOME", "/x")]).as_deref(),
            Some("/x/subnet64/kernels")
        );
        assert_eq!(
            folder(&[("HOME", "/h"), ("CACHE_DIRECTORY", "/var/cache/m")]).as_deref(),
            Some("/var/cache/m/kernels")
        );
        assert_eq!(
            folder(&[("SUBNET64_CACHE", "/s"), ("CACHE_DIRECTORY", "/c")]).as_deref(),
            Some("/s/kernels")
        );
    }
}
