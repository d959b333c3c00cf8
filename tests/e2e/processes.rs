//! The programs as operators run them: processes with configuration files, told by signals, watched by a collector of traces.
#![expect(clippy::unwrap_used, reason = "in a test a panic is the report")]

mod collector;

use std::fs::File;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use chain_client::wallet::WalletPath;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;
use subnet_tests::{ECHO_MODEL, MinerNode, Subnet, ValidatorNode, wait};
use subnet_validator::catalogue::{CatalogueFile, ListedModel};
use subnet_validator::gateway::access::ApiKeys;
use subnet_validator::validator::KEYS_FILE;

use self::collector::Collector;

/// Where the build has put a program of ours.
pub(crate) fn binary(name: &str) -> PathBuf {
    let built = std::env::current_exe().unwrap();
    let binary = built.parent().and_then(Path::parent).unwrap().join(name);
    assert!(binary.is_file(), "{} is missing: run cargo build --workspace --bins", binary.display());
    binary
}

/// A program of ours that runs. Killed when dropped.
struct Program {
    child: Child,
    config: PathBuf,
    log: PathBuf,
}

impl Program {
    /// Starts it with a configuration, which can be changed later.
    fn start(name: &str, folder: &Path, config: &toml::Table) -> Self {
        let (file, log) = (folder.join(format!("{name}.toml")), folder.join(format!("{name}.log")));
        std::fs::write(&file, config.to_string()).unwrap();
        let child = Command::new(binary(name))
            .arg("run")
            .arg("--config")
            .arg(&file)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(&log).unwrap())
            .spawn()
            .unwrap();
        Self { child, config: file, log }
    }

    fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap()
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Gives it another configuration while it runs.
    async fn reconfigure(&self, config: &toml::Table) {
        let told = |log: String| log.matches("the log level is read again").count();
        let before = told(self.log());
        std::fs::write(&self.config, config.to_string()).unwrap();
        self.signal(Signal::HUP);
        wait::until("the configuration is read again", || async {
            (told(self.log()) > before).then_some(())
        })
        .await;
    }

    /// Ends it as an operator would, and gives its exit code.
    async fn end(&mut self) -> Option<i32> {
        self.signal(Signal::TERM);
        wait::until("the program ends", || {
            let ended = self.child.try_wait().unwrap();
            async move { ended }
        })
        .await
        .code()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// An address that nobody listens on now.
fn free(ip: &str) -> SocketAddr {
    TcpListener::bind((ip, 0)).unwrap().local_addr().unwrap()
}

fn place_wallet(config: &mut toml::Table, wallet: &WalletPath) {
    let root = wallet.root.to_str().unwrap();
    for (name, value) in
        [("wallet", wallet.wallet.as_str()), ("wallet_hotkey", wallet.hotkey.as_str()), ("wallet_path", root)]
    {
        config.insert(name.into(), value.into());
    }
    config.insert("allow_coldkey_present".into(), true.into());
}

fn miner_config(node: &mut MinerNode, collector: &Collector) -> toml::Table {
    let config = node.config_mut();
    config.axon.bind = free("127.0.0.2");
    config.telemetry.otlp_endpoint = collector.url();
    config.telemetry.send_interval_ms = 50;
    toml::Table::try_from(&*config).unwrap()
}

fn validator_config(
    node: &mut ValidatorNode,
    network: &str,
    folder: &Path,
    collector: &Collector,
) -> toml::Table {
    let catalogue = folder.join("catalogue.toml");
    let models = node.listed.offers.iter().cloned().map(ListedModel::from).collect();
    std::fs::write(&catalogue, toml::to_string(&CatalogueFile { models }).unwrap()).unwrap();
    let state = node.state_dir().to_str().unwrap().to_owned();
    let wallet = node.wallet().path().clone();
    let settings = node.settings_mut();
    settings.network = network.to_owned();
    settings.catalogue = catalogue.to_str().unwrap().to_owned();
    settings.state_path = state;
    settings.gateway.bind = free("127.0.0.1");
    settings.staker_rpc.bind = free("127.0.0.1");
    settings.telemetry.otlp_endpoint = collector.url();
    settings.telemetry.send_interval_ms = 50;
    let mut config = toml::Table::try_from(&*settings).unwrap();
    place_wallet(&mut config, &wallet);
    config
}

/// Sets a setting by its dotted name.
fn set(config: &mut toml::Table, name: &str, value: impl Into<toml::Value>) {
    let (folders, last) = name.rsplit_once('.').map_or((None, name), |(folders, last)| (Some(folders), last));
    let table = folders.into_iter().flat_map(|folders| folders.split('.')).fold(config, |table, part| {
        table.get_mut(part).and_then(toml::Value::as_table_mut).expect("a setting that exists")
    });
    table.insert(last.to_owned(), value.into());
}

/// A subnet's chain with both programs beside it.
struct Processes {
    validator: Program,
    validator_config: toml::Table,
    miner: Program,
    miner_config: toml::Table,
    url: String,
    state: PathBuf,
    key: String,
    subnet: Subnet,
    _folder: tempfile::TempDir,
}

impl Processes {
    async fn start(collector: &Collector) -> Self {
        let mut subnet = Subnet::start(1, 0).await;
        subnet.validators[0].stop().await;
        let folder = tempfile::tempdir().unwrap();
        let mut node = subnet.new_miner("process").await;
        subnet.register(node.wallet()).await;
        let miner_config = miner_config(&mut node, collector);
        let miner = Program::start("subnet-miner", folder.path(), &miner_config);
        let network = subnet.chain().ws_url();
        let node = &mut subnet.validators[0];
        let (state, key) = (node.state_dir().to_owned(), node.api_key().to_owned());
        let validator_config = validator_config(node, &network, folder.path(), collector);
        let validator = Program::start("subnet-validator", folder.path(), &validator_config);
        let url = format!("http://{}", subnet.validators[0].settings().gateway.bind);
        let all = Self {
            validator,
            validator_config,
            miner,
            miner_config,
            url,
            state,
            key,
            subnet,
            _folder: folder,
        };
        wait::until("both serve", || async {
            all.subnet.produce_blocks(1).await;
            (all.ask(&all.key, "first").await == Some(200)).then_some(())
        })
        .await;
        all
    }

    /// The status of a call, if there was an answer.
    async fn ask(&self, key: &str, id: &str) -> Option<u16> {
        let body = json!({"model": ECHO_MODEL, "messages": [{"role": "user", "content": "one two"}]});
        let request = reqwest::Client::new().post(format!("{}/v1/chat/completions", self.url));
        let request = request.bearer_auth(key).header("x-request-id", id).json(&body);
        Some(request.header("traceparent", TRACEPARENT).send().await.ok()?.status().as_u16())
    }
}

/// The example of the W3C recommendation.
const TRACEPARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_trace_leads_from_the_user_through_the_validator_to_the_miner_and_outlives_their_end() {
    let collector = Collector::start().await;
    let mut all = Processes::start(&collector).await;
    assert_eq!(all.ask(&all.key, "follow-me-9").await, Some(200));

    // What is not sent yet is sent at the end.
    assert_eq!((all.validator.end().await, all.miner.end().await), (Some(0), Some(0)));

    let spans = collector.spans();
    let find = |service: &str, name: &str| {
        let found = spans.iter().find(|span| {
            span.service == service
                && span.name == name
                && span.attribute("request_id") == Some("follow-me-9")
        });
        found.unwrap_or_else(|| panic!("no {name} of {service} in {spans:#?}"))
    };
    let user = "4bf92f3577b34da6a3ce929d0e0e4736";
    let request = find("subnet-validator", "request");
    let attempt = find("subnet-validator", "attempt");
    let answer = find("subnet-miner", "request");
    assert_eq!([&request.trace, &attempt.trace, &answer.trace], [user; 3]);
    assert_eq!(request.parent, "00f067aa0ba902b7");
    assert_eq!((&attempt.parent, &answer.parent), (&request.id, &attempt.id));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_sighup_both_programs_take_over_limits_keys_and_log_level_without_a_restart() {
    let collector = Collector::start().await;
    let mut all = Processes::start(&collector).await;
    let keys = ApiKeys::new(&all.state.join(KEYS_FILE));
    let second = keys.create("second", 0).unwrap().secret;

    // A key made beside the running validator, a limit, and a level.
    set(&mut all.validator_config, "log_level", "warn");
    set(&mut all.validator_config, "gateway.accounts.requests_per_minute", 1);
    set(&mut all.validator_config, "gateway.body_bytes_max", 4_096);
    all.validator.reconfigure(&all.validator_config).await;
    assert!(all.validator.log().contains("setting=\"gateway.body_bytes_max\""), "{}", all.validator.log());
    assert_eq!(all.ask(&second, "with-the-second-key").await, Some(200));
    assert_eq!(all.ask(&second, "too-many").await, Some(429));
    assert!(!all.validator.log().contains("with-the-second-key"), "a call is told at level info");
    set(&mut all.validator_config, "log_level", "info");
    set(&mut all.validator_config, "gateway.accounts.requests_per_minute", 0);
    all.validator.reconfigure(&all.validator_config).await;
    assert_eq!(all.ask(&second, "told-again").await, Some(200));
    assert!(all.validator.log().contains("told-again"));

    // The miner tells of its answers at level info, and may no longer know this validator.
    set(&mut all.miner_config, "log_level", "warn");
    all.miner.reconfigure(&all.miner_config).await;
    assert_eq!(all.ask(&all.key, "kept-quiet-by-the-miner").await, Some(200));
    assert!(!all.miner.log().contains("kept-quiet-by-the-miner"));
    set(&mut all.miner_config, "log_level", "info");
    all.miner.reconfigure(&all.miner_config).await;
    assert_eq!(all.ask(&all.key, "seen-by-the-miner").await, Some(200));
    assert!(all.miner.log().contains("seen-by-the-miner"));
    let denied = all.subnet.validators[0].hotkey().to_ss58();
    set(&mut all.miner_config, "permits.deny", vec![denied]);
    all.miner.reconfigure(&all.miner_config).await;
    wait::until("the miner refuses the validator", || async {
        all.ask(&all.key, "denied").await.filter(|status| *status >= 500)
    })
    .await;

    // A file that makes no sense changes nothing.
    std::fs::write(&all.validator.config, "gateway = 3").unwrap();
    all.validator.signal(Signal::HUP);
    wait::until("the file is refused", || async {
        all.validator.log().contains("cannot be read again").then_some(())
    })
    .await;
    assert_eq!((all.validator.end().await, all.miner.end().await), (Some(0), Some(0)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn programs_that_wait_for_their_chain_end_when_they_are_told() {
    let collector = Collector::start().await;
    let mut subnet = Subnet::start(1, 0).await;
    subnet.validators[0].stop().await;
    let folder = tempfile::tempdir().unwrap();
    let nobody = format!("ws://{}", free("127.0.0.1"));
    let mut node = subnet.new_miner("early").await;
    node.config_mut().network = nobody.clone();
    let miner = Program::start("subnet-miner", folder.path(), &miner_config(&mut node, &collector));
    let config = validator_config(&mut subnet.validators[0], &nobody, folder.path(), &collector);
    let validator = Program::start("subnet-validator", folder.path(), &config);
    for mut program in [miner, validator] {
        wait::until("the program has found no chain", || async {
            program.log().contains("the chain cannot be read yet").then_some(())
        })
        .await;
        assert_eq!(program.end().await, Some(0), "{}", program.log());
    }
}
