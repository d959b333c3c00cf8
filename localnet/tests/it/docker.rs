//! `scripts/chain-docker` with a docker and a curl that only write down what they are asked.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::Path,
    process::{Command, Output},
};

use tempfile::TempDir;

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../scripts/chain-docker");
/// Notes its arguments; a running container is one whose id the test has put into a file.
const DOCKER: &str = r#"#!/bin/bash
printf '%s\n' "$*" >> "$FOLDER/log"
case "$1" in
    info) exit "${DOCKER_INFO:-0}" ;;
    ps) if [ -f "$FOLDER/running" ]; then printf 'c0ffee\n'; fi ;;
    run) exit "${DOCKER_RUN:-0}" ;;
esac
"#;
/// A node that has its first block.
const CURL: &str = r#"#!/bin/bash
printf 'curl %s\n' "${@: -1}" >> "$FOLDER/log"
printf '{"jsonrpc":"2.0","id":1,"result":"0xabcd"}'
"#;

/// A folder with programs of these names, which come first on the PATH.
struct Machine(TempDir);

impl Machine {
    fn with(programs: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in programs {
            let path = folder.path().join(name);
            fs::write(&path, text).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        }
        Self(folder)
    }

    fn run(&self, arguments: &[&str], path: &str, variables: &[(&str, &str)]) -> Output {
        let mut command = Command::new("/bin/bash");
        command.arg(SCRIPT).args(arguments).env_clear();
        command.env("PATH", path).env("FOLDER", self.0.path()).envs(variables.iter().copied());
        command.output().unwrap()
    }

    /// With the system's programs behind ours.
    fn ordinary(&self, arguments: &[&str], variables: &[(&str, &str)]) -> Output {
        self.run(arguments, &format!("{}:/usr/bin:/bin", self.0.path().display()), variables)
    }

    /// What the programs were asked, since the last time.
    fn asked(&self) -> Vec<String> {
        let log = self.0.path().join("log");
        let text = fs::read_to_string(&log).unwrap_or_default();
        let _ = fs::remove_file(log);
        text.lines().map(str::to_owned).collect()
    }

    fn folder(&self) -> &Path {
        self.0.path()
    }
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

#[test]
fn the_official_chain_is_started_once_and_its_address_exported() {
    let machine = Machine::with(&[("docker", DOCKER), ("curl", CURL)]);
    let image = "ghcr.io/opentensor/subtensor-localnet:devnet-ready";
    let started = machine.ordinary(&[], &[]);
    assert!(started.status.success(), "{}", text(&started.stderr));
    let lines = "export CHAIN_WS_URL=ws://127.0.0.1:9944\nexport BT_CHAIN_ENDPOINT=ws://127.0.0.1:9944\n";
    assert_eq!(text(&started.stdout), lines);
    let expected = [
        "info".to_owned(),
        "ps --quiet --filter name=^subnet64-subtensor$".to_owned(),
        "rm --force subnet64-subtensor".to_owned(),
        format!("run --detach --name subnet64-subtensor --publish 127.0.0.1:9944:9944 {image} True"),
        "curl http://127.0.0.1:9944".to_owned(),
    ];
    assert_eq!(machine.asked(), expected);

    fs::write(machine.folder().join("running"), "").unwrap();
    let again = machine.ordinary(&[], &[]);
    assert_eq!(text(&again.stdout), lines);
    assert!(!machine.asked().iter().any(|asked| asked.starts_with("run")), "it runs already");

    assert!(machine.ordinary(&["--stop"], &[]).status.success());
    assert_eq!(machine.asked(), ["info", "rm --force subnet64-subtensor"]);
}

#[test]
fn image_name_port_and_pace_can_be_chosen() {
    let machine = Machine::with(&[("docker", DOCKER), ("curl", CURL)]);
    let chosen =
        [("SUBTENSOR_IMAGE", "example/chain:1"), ("SUBTENSOR_CONTAINER", "mine"), ("SUBTENSOR_PORT", "9955")];
    let started = machine.ordinary(&["--slow"], &chosen);
    assert!(text(&started.stdout).contains("CHAIN_WS_URL=ws://127.0.0.1:9955\n"));
    let run = "run --detach --name mine --publish 127.0.0.1:9955:9944 example/chain:1 False";
    assert!(machine.asked().iter().any(|asked| asked == run));
}

#[test]
fn without_docker_or_its_daemon_it_says_what_to_do_and_exports_nothing() {
    let machine = Machine::with(&[]);
    let missing = machine.run(&[], &machine.folder().display().to_string(), &[]);
    assert_eq!((missing.status.code(), text(&missing.stdout)), (Some(1), ""));
    let said = text(&missing.stderr);
    assert!(said.contains("docker is not on the PATH") && said.contains("cargo run -p localnet"), "{said}");

    let machine = Machine::with(&[("docker", DOCKER), ("curl", CURL)]);
    for (variable, words) in
        [("DOCKER_INFO", "docker does not answer"), ("DOCKER_RUN", "the container did not start")]
    {
        let failed = machine.ordinary(&[], &[(variable, "1")]);
        assert_eq!((failed.status.code(), text(&failed.stdout)), (Some(1), ""), "{variable}");
        assert!(text(&failed.stderr).contains(words), "{}", text(&failed.stderr));
    }
    assert_eq!(machine.ordinary(&["--what"], &[]).status.code(), Some(2));
}
