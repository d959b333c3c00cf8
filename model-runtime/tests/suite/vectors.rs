//! Files of `tests/vectors`.

use std::path::PathBuf;

use serde::de::DeserializeOwned;

pub fn path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/vectors").join(name)
}

pub fn json<T: DeserializeOwned>(name: &str) -> T {
    serde_json::from_str(&std::fs::read_to_string(path(name)).unwrap()).unwrap()
}

/// A model that `scripts/get-model` fetches.
pub fn model(name: &str) -> PathBuf {
    let variable = |name| std::env::var_os(name).map(PathBuf::from);
    let user = || variable("XDG_CACHE_HOME").or_else(|| Some(variable("HOME")?.join(".cache")));
    let cache = variable("SUBNET64_CACHE").or_else(|| Some(user()?.join("subnet64"))).expect("HOME is set");
    let path = cache.join("models").join(name);
    assert!(path.exists(), "{} is missing: run scripts/get-model", path.display());
    path
}
