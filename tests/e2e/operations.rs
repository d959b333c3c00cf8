//! What operators see: one request's id in everybody's logs, metrics that count it, a doctor that finds a healthy miner healthy, and
//! catalogues that travel from validators to miners.
#![expect(clippy::unwrap_used, reason = "in a test a panic is the report")]

use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use subnet_miner::doctor::{self, Verdict};
use subnet_miner::operations::MinerStatus;
use subnet_tests::{ECHO_MODEL, NETUID, Subnet, wait};

/// A log in memory.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Log {
    /// The lines of one program that carry the id, as a field of the line or of its span.
    fn lines_of(&self, program: &str, request_id: &str) -> usize {
        let log = String::from_utf8(self.0.lock().unwrap().clone()).unwrap();
        let carries = |line: &Value| {
            [&line["fields"]["request_id"], &line["span"]["request_id"]]
                .iter()
                .any(|id| id.as_str() == Some(request_id))
        };
        let of_program =
            |line: &Value| line["target"].as_str().is_some_and(|target| target.starts_with(program));
        log.lines()
            .filter_map(|line| serde_json::from_str(line).ok())
            .filter(|line| of_program(line) && carries(line))
            .count()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_users_request_id_is_in_the_logs_of_validator_and_miner_and_on_the_answer() {
    let log = Log::default();
    let writer = log.clone();
    tracing_subscriber::fmt()
        .json()
        .with_env_filter("subnet_validator=debug,subnet_miner=debug")
        .with_writer(move || writer.clone())
        .init();
    let subnet = Subnet::start(1, 1).await;
    let validator = &subnet.validators[0];
    let url = format!("http://{}/v1/chat/completions", validator.validator().gateway_addr());
    let body = json!({ "model": ECHO_MODEL, "messages": [{ "role": "user", "content": "hello" }] });
    let request = reqwest::Client::new().post(url).bearer_auth(validator.api_key()).json(&body);
    let response = request.header("x-request-id", "follow-me-7").send().await.unwrap();
    assert_eq!(response.status().as_u16(), 200);
    assert_eq!(response.headers()["x-request-id"], "follow-me-7");
    for program in ["subnet_validator", "subnet_miner"] {
        wait::until(&format!("{program} logs the request"), || async {
            (log.lines_of(program, "follow-me-7") > 0).then_some(())
        })
        .await;
    }
    assert_eq!(log.lines_of("subnet_miner", "follow-somebody-else"), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_miner_finds_the_gateway_that_a_validator_announced_on_chain_and_shows_that_it_serves_it() {
    let mut subnet = Subnet::start(1, 1).await;
    assert!(subnet.miners[0].config().demand.validators.is_empty(), "nobody told it of a gateway");
    // The chain takes no address of the first loopback network.
    let validator = &mut subnet.validators[0];
    validator.stop().await;
    validator.settings_mut().gateway.bind = SocketAddr::from((Ipv4Addr::new(127, 0, 0, 2), 0));
    validator.start().await.unwrap();
    let (hotkey, address) = (validator.hotkey_secret().clone(), validator.validator().gateway_addr());
    subnet.client().serve_axon(&hotkey, NETUID, address).await.unwrap();

    let url = format!("http://{}/status", subnet.miners[0].miner().operations_addr());
    let shown = wait::until("the miner reads the validator's demand", || async {
        let status: MinerStatus = reqwest::get(&url).await.ok()?.json().await.ok()?;
        let shown = status.validators.get(&hotkey.public()).copied();
        shown.filter(|validator| validator.connected)
    })
    .await;

    assert!(shown.stake_rao > 0, "{shown:?}");
    // One that starts with keys and nothing else finds the catalogue there too.
    let mut bare = subnet.new_miner("bare").await;
    bare.config_mut().models.clear();
    bare.config_mut().strategist.decide_ms = 50.try_into().unwrap();
    subnet.register(bare.wallet()).await;
    bare.start().await.unwrap();
    let told = bare.miner().residency();
    wait::until("the catalogue has arrived", || async { (told.borrow().offers == 1).then_some(()) }).await;
    // What the validator hears of the miner by itself is what routes the next call.
    wait::until("a call is served", || async {
        (subnet.validators[0].chat(ECHO_MODEL, "one").await.status == 200).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn metrics_count_what_was_served_and_the_doctor_finds_nothing_wrong() {
    let subnet = Subnet::start(1, 1).await;
    assert_eq!(subnet.validators[0].chat(ECHO_MODEL, "one two three").await.status, 200);
    let miner = subnet.miners[0].miner();
    let page = reqwest::get(format!("http://{}/metrics", miner.operations_addr()))
        .await
        .unwrap()
        .text()
        .await
        .unwrap();
    for line in [
        "subnet_miner_receipts_total{model=\"echo\",end=\"finished\"} 1",
        "subnet_miner_score_invocations_total 1",
        "subnet_miner_models_hot 1",
        "subnet_miner_validators_permitted 1",
    ] {
        assert!(page.lines().any(|found| found == line), "{line} is not in\n{page}");
    }

    let mut config = subnet.miners[0].config().clone().at_home(None);
    config.axon.bind = miner.axon_addr();
    config.demand.validators = [(
        subnet.validators[0].hotkey(),
        format!("http://{}", subnet.validators[0].validator().gateway_addr()),
    )]
    .into();
    let checks = doctor::examine(&config).await;
    // The dev chain's time runs by blocks, so that the machine's clock looks slow beside it.
    let wrong: Vec<_> =
        checks.iter().filter(|check| check.verdict == Verdict::Failed && check.name != "clock").collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
    for name in ["chain", "registration", "axon", "port", "catalogue", "callers"] {
        let check = checks.iter().find(|check| check.name == name).unwrap();
        assert_eq!(check.verdict, Verdict::Ok, "{check:?}");
    }
    // The same miner with another address in its configuration has drifted, and cannot be reached there.
    config.axon.bind = SocketAddr::from((Ipv4Addr::new(127, 0, 0, 3), miner.axon_addr().port()));
    let drifted = doctor::examine(&config).await;
    let axon = drifted.iter().find(|check| check.name == "axon").unwrap();
    assert!(axon.verdict == Verdict::Warning && axon.fix.is_some(), "{axon:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_miner_reads_what_a_validator_with_a_permit_publishes() {
    let subnet = Subnet::start(1, 1).await;
    let validator = &subnet.validators[0];
    let mut miner = subnet.new_miner("curious").await;
    subnet.register(miner.wallet()).await;
    let gateway = format!("http://{}", validator.validator().gateway_addr());
    miner.config_mut().demand.validators = [(validator.hotkey(), gateway)].into();
    miner.config_mut().strategist.decide_ms = 50.try_into().unwrap();
    miner.start().await.unwrap();
    let told = miner.miner().residency();
    wait::until("the catalogue has arrived", || async { (told.borrow().offers == 1).then_some(()) }).await;
}
