//! Documents that would lie if nobody looked.

use std::path::Path;

use crate::repository::{files, root, text};

#[test]
fn the_readme_shows_both_commands_on_its_first_screen() {
    let readme = text(Path::new("README.md"));
    let first_screen: String = readme.lines().take(60).collect::<Vec<_>>().join("\n");
    for command in ["scripts/demo", "scripts/test"] {
        assert!(first_screen.contains(command), "README.md must show `{command}` within its first 60 lines");
    }
}

#[test]
fn the_architecture_names_every_crate() {
    let architecture = text(Path::new("ARCHITECTURE.md"));
    let manifest: toml::Table = text(Path::new("Cargo.toml")).parse().expect("the manifest is TOML");
    for member in manifest["workspace"]["members"].as_array().expect("members is a list") {
        let folder = member.as_str().expect("a member is a string");
        assert!(architecture.contains(&format!("`{folder}`")), "ARCHITECTURE.md does not mention `{folder}`");
    }
}

#[test]
fn links_between_documents_lead_somewhere() {
    for path in files().into_iter().filter(|path| path.extension().is_some_and(|e| e == "md")) {
        let folder = root().join(path.parent().unwrap_or(Path::new("")));
        for link in
            text(&path).split("](").skip(1).filter_map(|rest| rest.split(')').next().map(str::to_owned))
        {
            let target = link.split('#').next().unwrap_or_default();
            if target.is_empty() || target.contains("://") || target.starts_with("mailto:") {
                continue;
            }
            assert!(folder.join(target).exists(), "{}: the link to {target} leads nowhere", path.display());
        }
    }
}

#[test]
fn continuous_integration_calls_the_same_script_as_the_readme() {
    let run = text(Path::new(".ci/run"));
    assert!(run.contains("scripts/test"), ".ci/run must call scripts/test");
}
