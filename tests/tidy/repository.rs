//! Reads the checkout: where it is, which files it holds.

use std::fs;
use std::path::{Path, PathBuf};

/// The repository's root folder.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/ lies in the root").to_path_buf()
}

/// Every file below the root that is ours to keep tidy, as paths relative to the root.
pub fn files() -> Vec<PathBuf> {
    let mut found = Vec::new();
    walk(&root(), &mut found);
    found.sort();
    assert!(found.len() > 50, "the walk found only {} files: it looks in the wrong place", found.len());
    found
}

/// The files with the given extension.
pub fn files_with_extension(extension: &str) -> Vec<PathBuf> {
    files().into_iter().filter(|path| path.extension().is_some_and(|e| e == extension)).collect()
}

/// A file's text; empty for one that is not UTF-8.
pub fn text(relative: &Path) -> String {
    String::from_utf8(fs::read(root().join(relative)).expect("a listed file can be read")).unwrap_or_default()
}

fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
    const SKIPPED: [&str; 5] = [".git", "target", "node_modules", "__pycache__", ".cargo"];
    for entry in fs::read_dir(folder).expect("a folder of the checkout can be listed").flatten() {
        let path = entry.path();
        let name = entry.file_name();
        if SKIPPED.iter().any(|skipped| name == *skipped) {
            continue;
        }
        if path.is_dir() {
            walk(&path, found);
        } else {
            found.push(path.strip_prefix(root()).expect("walked from the root").to_path_buf());
        }
    }
}
