//! How source files look: names, sizes, nothing unfinished, nothing dead.

use std::fs;
use std::path::{Path, PathBuf};

use crate::repository::{files, files_with_extension, root, text};

/// A file longer than this holds more than one thing.
const LINES_MAX: usize = 650;

/// Words that must not stand in code that is called done.
const UNFINISHED: [&str; 5] = ["todo!(", "unimplemented!(", "dbg!(", "FIXME", "XXX"];

fn rust_files() -> Vec<PathBuf> {
    files_with_extension("rs")
}

fn is_this_folder(path: &Path) -> bool {
    path.starts_with("tests/tidy")
}

#[test]
fn no_file_is_called_mod_rs_or_after_nothing() {
    const BANNED: [&str; 6] = ["mod.rs", "utils.rs", "util.rs", "helpers.rs", "common.rs", "misc.rs"];
    for path in rust_files() {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        assert!(
            !BANNED.contains(&name),
            "{}: name the file after what it holds (foo.rs beside foo/)",
            path.display()
        );
    }
}

#[test]
fn files_stay_small_enough_to_read() {
    for path in rust_files() {
        let lines = text(&path).lines().count();
        assert!(
            lines <= LINES_MAX,
            "{} has {lines} lines (limit {LINES_MAX}): split it by what its parts do",
            path.display()
        );
    }
}

#[test]
fn nothing_unfinished_is_left_in_the_code() {
    for path in rust_files().into_iter().filter(|path| !is_this_folder(path)) {
        let source = text(&path);
        for word in UNFINISHED {
            assert!(!source.contains(word), "{} contains `{word}`", path.display());
        }
    }
}

#[test]
fn what_is_no_text_is_a_picture_metadata_or_weights() {
    let strange: Vec<_> = files()
        .into_iter()
        .filter(|path| std::str::from_utf8(&fs::read(root().join(path)).unwrap_or_default()).is_err())
        .filter(|path| !path.extension().is_some_and(|e| e == "png" || e == "scale" || e == "safetensors"))
        .collect();
    assert!(strange.is_empty(), "a download, left here by mistake? {strange:?}");
}

#[test]
fn no_test_is_ignored() {
    for path in rust_files().into_iter().filter(|path| !is_this_folder(path)) {
        assert!(
            !text(&path).contains("#[ignore"),
            "{}: a test that does not run proves nothing",
            path.display()
        );
    }
}

#[test]
fn tests_await_conditions_instead_of_sleeping() {
    for path in rust_files().into_iter().filter(|path| !is_this_folder(path)) {
        let in_tests =
            path.components().any(|part| part.as_os_str() == "tests") || path.ends_with("tests.rs");
        // The harness polls with a deadline; it is the one place that may wait.
        if !in_tests || path == Path::new("tests/harness/wait.rs") {
            continue;
        }
        let source = text(&path);
        for call in ["thread::sleep(", "time::sleep("] {
            assert!(
                !source.contains(call),
                "{}: await a condition with a deadline instead of `{call}`",
                path.display()
            );
        }
    }
}

/// Crate roots: lib, main, integration tests, examples, benches and bins are named by cargo or a manifest.
fn is_root(path: &Path) -> bool {
    let named = path.file_stem().is_some_and(|stem| stem == "lib" || stem == "main");
    let folder = path.parent().unwrap_or(Path::new(""));
    named || ["tests", "examples", "benches", "bin"].iter().any(|kind| folder.ends_with(kind))
}

#[test]
fn every_rust_file_is_reached_by_a_module_declaration() {
    let all = rust_files();
    let sources: Vec<(PathBuf, String)> = all.iter().map(|path| (path.clone(), text(path))).collect();
    for path in all.iter().filter(|path| !is_root(path)) {
        let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
        let folder = path.parent().unwrap_or(Path::new(""));
        let (module, attribute) = (format!("mod {stem};"), format!("{stem}.rs\""));
        let declared = sources.iter().any(|(other, source)| {
            // `a/b.rs` is declared in `a.rs`, or in a root beside it; `#[path]` may stand in any file beside it.
            let beside = other.parent() == Some(folder);
            let above = other.with_extension("") == folder || beside && is_root(other);
            (above || beside)
                && source.lines().any(|line| above && line.ends_with(&module) || line.contains(&attribute))
        });
        assert!(declared, "{} is not part of any crate: declare it or delete it", path.display());
    }
}

#[test]
fn nothing_names_a_package_registry_or_a_developers_machine() {
    // Split so that this file does not contain what it forbids.
    let forbidden: Vec<String> = [
        ["pypi", ".org"],
        ["npmjs", ".org"],
        ["npmjs", ".com"],
        ["deb.debian", ".org"],
        ["/work", "/"],
        ["/root", "/"],
    ]
    .iter()
    .map(|parts| parts.concat())
    .collect();
    for path in files() {
        if path.ends_with("Cargo.lock") || path.ends_with("package-lock.json") {
            continue;
        }
        let source = text(&path);
        for word in &forbidden {
            assert!(!source.contains(word.as_str()), "{} names {word}", path.display());
        }
    }
}
