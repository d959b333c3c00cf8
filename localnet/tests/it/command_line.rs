//! The program, as a person or a script starts it.

use std::{
    io::{BufRead as _, BufReader, Read as _},
    net::TcpStream,
    process::{Child, Command, Stdio},
};

use serde_json::Value;

/// A started program; killed when dropped.
struct Program(Child);

impl Program {
    fn start(arguments: &[&str]) -> Self {
        let program = Command::new(env!("CARGO_BIN_EXE_localnet"))
            .args(arguments)
            .env_remove("RUST_LOG")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn();
        Self(program.unwrap())
    }

    /// Its readiness line, which it writes as soon as it can be called.
    fn ready(&mut self) -> Value {
        let mut line = String::new();
        BufReader::new(self.0.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line:?}"))
    }

    /// Asks it to stop; gives its exit code and what it wrote to standard output (after what was read) and standard error.
    fn stop(mut self) -> (Option<i32>, String, String) {
        let terminated = Command::new("kill").arg(self.0.id().to_string()).status().unwrap();
        assert!(terminated.success());
        let (mut out, mut err) = (String::new(), String::new());
        self.0.stdout.take().unwrap().read_to_string(&mut out).unwrap();
        self.0.stderr.take().unwrap().read_to_string(&mut err).unwrap();
        (self.0.wait().unwrap().code(), out, err)
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_script_reads_one_line_of_json_and_a_person_a_banner() {
    let mut program = Program::start(&["--port", "0", "--json"]);
    let ready = program.ready();
    assert_eq!((&ready["event"], &ready["best"]), (&"ready".into(), &0.into()));
    let port = u16::try_from(ready["port"].as_u64().unwrap()).unwrap();
    assert_eq!(ready["ws_url"], format!("ws://127.0.0.1:{port}"));
    assert_eq!(ready["http_url"], format!("http://127.0.0.1:{port}"));
    assert_eq!(ready["genesis"].as_str().unwrap().len(), 66);
    TcpStream::connect(("127.0.0.1", port)).expect("it listens before it says so");

    let (code, out, banner) = program.stop();
    assert_eq!((code, out.as_str()), (Some(0), ""), "nothing else goes to standard output");
    for part in [
        ready["ws_url"].as_str().unwrap(),
        ready["http_url"].as_str().unwrap(),
        "one for every transaction, at once",
        "in memory only",
        "Alice    5GrwvaEF5zXb26Fz9rcQpDWS57CtERHpNehXCPcNoHGKutQY    1000000 TAO",
        "\n  64   ",
        "btcli subnets list",
        "dev_newBlock",
    ] {
        assert!(banner.contains(part), "{part:?} is not in:\n{banner}");
    }
}

#[test]
fn a_quiet_chain_says_nothing_but_that_it_is_ready() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().to_str().unwrap();
    let arguments = ["--port", "0", "--json", "--quiet", "--block-time-ms", "50", "--data", data];
    let mut program = Program::start(&arguments);
    assert_eq!(program.ready()["recovered_blocks"], 0);
    let (code, _, err) = program.stop();
    assert_eq!((code, err.as_str()), (Some(0), ""));
}

#[test]
fn what_cannot_be_is_refused_in_words() {
    let run = |arguments: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_localnet")).args(arguments).output().unwrap();
        (
            output.status.code(),
            String::from_utf8(output.stdout).unwrap(),
            String::from_utf8(output.stderr).unwrap(),
        )
    };
    let (code, genesis, _) = run(&["--print-default-genesis"]);
    assert_eq!((code, genesis.as_str()), (Some(0), localnet::genesis_file::DEFAULT));
    let (code, out, err) = run(&["--port", "0", "--genesis", "/nowhere/genesis.toml"]);
    assert_eq!((code, out.as_str()), (Some(1), ""));
    assert!(err.contains("/nowhere/genesis.toml"), "{err}");
    let (code, _, err) = run(&["--manual", "--block-time-ms", "5"]);
    assert_eq!(code, Some(2));
    assert!(err.contains("--manual"), "{err}");
}
