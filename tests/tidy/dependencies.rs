//! Who may import whom: the table of ARCHITECTURE.md, checked against the manifests.

use std::collections::BTreeSet;
use std::path::Path;

use crate::repository;

struct Rule {
    folder: &'static str,
    /// Our own crates it may depend on.
    may: &'static [&'static str],
    /// Third-party crates it must never name.
    never: &'static [&'static str],
}

const OURS: [&str; 8] = [
    "chain-metadata",
    "protocol",
    "chain-client",
    "model-runtime",
    "localnet",
    "subnet-miner",
    "subnet-validator",
    "subnet-tests",
];

const RULES: [Rule; 8] = [
    Rule {
        folder: "metadata/protocol",
        may: &[],
        never: &[
            "tokio",
            "subxt",
            "axum",
            "hyper",
            "reqwest",
            "rocksdb",
            "burn",
            "futures",
            "getrandom",
            "rand",
        ],
    },
    Rule {
        folder: "metadata/chain",
        may: &[],
        never: &["tokio", "axum", "hyper", "reqwest", "rocksdb", "burn", "jsonrpsee"],
    },
    Rule {
        folder: "model-runtime",
        may: &[],
        never: &["subxt", "axum", "hyper", "reqwest", "rocksdb", "jsonrpsee"],
    },
    Rule {
        folder: "chain-client",
        may: &["chain-metadata", "protocol"],
        never: &["axum", "hyper", "rocksdb", "burn"],
    },
    // Its own codecs on purpose: one mistake must not cancel itself out.
    Rule { folder: "localnet", may: &["protocol"], never: &["subxt", "axum", "rocksdb", "burn"] },
    Rule {
        folder: "subnet-miner",
        may: &["protocol", "chain-client", "model-runtime"],
        never: &["subxt", "burn", "jsonrpsee"],
    },
    Rule {
        folder: "subnet-validator",
        may: &["protocol", "chain-client", "model-runtime"],
        never: &["subxt", "burn"],
    },
    Rule {
        folder: "tests",
        may: &["protocol", "chain-client", "model-runtime", "localnet", "subnet-miner", "subnet-validator"],
        never: &[],
    },
];

fn manifest(folder: &str) -> toml::Table {
    repository::text(&Path::new(folder).join("Cargo.toml")).parse().expect("a manifest is TOML")
}

fn dependencies(manifest: &toml::Table) -> BTreeSet<String> {
    let table =
        |name: &str| manifest.get(name).and_then(|value| value.as_table()).cloned().unwrap_or_default();
    table("dependencies").keys().chain(table("build-dependencies").keys()).cloned().collect()
}

#[test]
fn crates_import_only_what_the_architecture_allows() {
    for rule in &RULES {
        for dependency in dependencies(&manifest(rule.folder)) {
            let name = dependency.as_str();
            assert!(
                !OURS.contains(&name) || rule.may.contains(&name),
                "{} must not depend on {name}; see \"Dependency direction\" in ARCHITECTURE.md",
                rule.folder
            );
            assert!(
                !rule.never.iter().any(|never| name == *never || name.starts_with(&format!("{never}-"))),
                "{} must never import {name}; see \"Dependency direction\" in ARCHITECTURE.md",
                rule.folder
            );
        }
    }
}

#[test]
fn every_workspace_member_has_a_rule() {
    let root: toml::Table = repository::text(Path::new("Cargo.toml")).parse().expect("the manifest is TOML");
    let members = root["workspace"]["members"].as_array().expect("members is a list");
    for member in members {
        let folder = member.as_str().expect("a member is a string");
        assert!(
            RULES.iter().any(|rule| rule.folder == folder),
            "{folder} has no rule in tests/tidy/dependencies.rs"
        );
    }
}

/// A renamed dependency cannot inherit, so its version must at least be the workspace's.
fn repeats_the_workspace_version(dependency: &toml::Value, root: &toml::Table) -> bool {
    let Some(package) = dependency.get("package").and_then(|package| package.as_str()) else { return false };
    let ours = &root["workspace"]["dependencies"][package];
    ours.get("version").unwrap_or(ours) == &dependency["version"]
}

#[test]
fn members_inherit_their_dependency_versions_from_the_workspace() {
    let root: toml::Table = repository::text(Path::new("Cargo.toml")).parse().expect("the manifest is TOML");
    for rule in &RULES {
        let manifest = manifest(rule.folder);
        for section in ["dependencies", "dev-dependencies"] {
            let Some(table) = manifest.get(section).and_then(|value| value.as_table()) else { continue };
            for (name, value) in table {
                let inherited = value.get("workspace").and_then(|flag| flag.as_bool()) == Some(true);
                assert!(
                    inherited || repeats_the_workspace_version(value, &root),
                    "{}: {name} must be `workspace = true`, its version stands in the root Cargo.toml",
                    rule.folder
                );
            }
        }
    }
}

#[test]
fn no_crate_has_a_build_script() {
    for rule in &RULES {
        let script = repository::root().join(rule.folder).join("build.rs");
        assert!(!script.exists(), "{} has a build.rs: builds must not run our code", rule.folder);
    }
}
