//! What users and miners see when nodes die, stop or are overrun.

use std::time::Duration;

use protocol::account::AccountId;
use protocol::receipt::Outcome;
use protocol::ticket::Kind;
use serde_json::json;
use subnet_miner::axon::Rate;
use subnet_miner::miner::Miner;
use subnet_miner::models::ModelLocation;
use subnet_miner::operations::{MinerStatus, ModelStatus};
use subnet_miner::strategist::Mode;
use subnet_tests::{ECHO_MODEL, Plan, SMOLLM2, Subnet, TestModel, ValidatorNode, smollm2_path, wait};

const STORY: &str = "Tell me a very long story about a lighthouse keeper and the sea.";

fn smollm2(miners: usize) -> Plan {
    Plan { validators: 1, miners, model: TestModel::SmolLm2, tempo_blocks: 20 }
}

/// The miner that has a call open, once one has.
async fn busy_miner(validator: &ValidatorNode) -> AccountId {
    wait::until("a miner has the call", || async {
        let miners = validator.validator().fleet().miners();
        miners.into_iter().find(|miner| miner.in_flight > 0).map(|miner| miner.hotkey)
    })
    .await
}

fn kill(subnet: &mut Subnet, hotkey: AccountId) {
    subnet.miners.iter_mut().find(|miner| miner.hotkey() == hotkey).expect("a miner of this subnet").kill();
}

/// How the miner's engine does, as its operator sees it.
async fn engine(miner: &Miner) -> ModelStatus {
    let url = format!("http://{}/status", miner.operations_addr());
    let page = reqwest::get(url).await.expect("the operator's side answers");
    let status: MinerStatus = page.json().await.expect("a status is JSON");
    status.models.into_values().next().expect("the miner holds one model")
}

/// Who was paid how often for calls of this kind.
fn paid(validator: &ValidatorNode, kind: Kind) -> Vec<(AccountId, usize)> {
    let receipts =
        validator.validator().ledger().reader().from(0, usize::MAX).expect("the ledger can be read");
    let mut counts: Vec<(AccountId, usize)> = Vec::new();
    for stored in receipts.iter().filter(|stored| stored.receipt.counts()) {
        let ticket = stored.receipt.ticket();
        if ticket.kind != kind {
            continue;
        }
        match counts.iter_mut().find(|(miner, _)| *miner == ticket.miner) {
            Some((_, count)) => *count += 1,
            None => counts.push((ticket.miner, 1)),
        }
    }
    counts
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_miner_killed_mid_stream_ends_the_stream_in_an_error_and_is_not_paid() {
    let mut subnet = Subnet::start_with(smollm2(2)).await;
    let mut stream = subnet.validators[0].open_chat(SMOLLM2, STORY, 400).await;
    for _ in 0..3 {
        assert!(stream.next().await.unwrap().starts_with("data: {"));
    }
    let miner = busy_miner(&subnet.validators[0]).await;

    kill(&mut subnet, miner);

    let rest = stream.rest().await;
    let last = rest.last().unwrap().strip_prefix("data: ").unwrap();
    let last: serde_json::Value = serde_json::from_str(last).unwrap();
    assert_eq!(last["error"]["code"], "miner_failed");
    assert!(!rest.iter().any(|event| event.contains("[DONE]")));
    // The next call goes to the other miner.
    let answer = subnet.validators[0].chat(SMOLLM2, "Hello").await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    let paid = paid(&subnet.validators[0], Kind::Chat);
    assert_eq!(paid.len(), 1);
    assert_ne!(paid[0].0, miner);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn when_all_miners_are_killed_mid_stream_all_streams_end_in_an_error_and_later_users_are_told_to_come_back()
 {
    let mut subnet = Subnet::start_with(smollm2(2)).await;
    let validator = &subnet.validators[0];
    let mut streams =
        [validator.open_chat(SMOLLM2, STORY, 400).await, validator.open_chat(SMOLLM2, STORY, 401).await];
    for stream in &mut streams {
        assert!(stream.next().await.unwrap().starts_with("data: {"));
    }

    subnet.miners.iter_mut().for_each(subnet_tests::MinerNode::kill);

    for stream in streams {
        let rest = stream.rest().await;
        let last: serde_json::Value =
            serde_json::from_str(rest.last().unwrap().strip_prefix("data: ").unwrap()).unwrap();
        assert_eq!(last["error"]["code"], "miner_failed");
    }
    let refused = subnet.validators[0].chat(SMOLLM2, "Hello").await;
    assert!(matches!(refused.status, 502 | 503), "{}", refused.body);
    assert!(refused.retry_after_s.is_some_and(|seconds| (1..=30).contains(&seconds)));
    assert!(paid(&subnet.validators[0], Kind::Chat).is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_miner_killed_before_its_first_byte_is_replaced_unseen() {
    let mut subnet = Subnet::start_with(smollm2(2)).await;
    // A prompt that takes seconds to read.
    let long = "The keeper climbed the stairs and lit the lamp. ".repeat(110);
    let mut stream = {
        let (stream, miner) = {
            let validator = &subnet.validators[0];
            let opening = validator.open_chat(SMOLLM2, &long, 4);
            let mut opening = std::pin::pin!(opening);
            let miner = tokio::select! {
                _ = &mut opening => panic!("the prompt was read too quickly for this test"),
                miner = busy_miner(validator) => miner,
            };
            // Only the miner is killed; the validator goes on.
            let doomed = subnet.miners.iter_mut().find(|node| node.hotkey() == miner).unwrap();
            doomed.kill();
            (opening.await, miner)
        };
        assert!(paid(&subnet.validators[0], Kind::Chat).iter().all(|(paid, _)| *paid != miner));
        stream
    };
    let mut events = Vec::new();
    while let Some(event) = stream.next().await {
        events.push(event);
    }
    assert_eq!(events.last().unwrap(), "data: [DONE]");
    assert!(events.iter().all(|event| !event.contains("\"error\"")));
    assert_eq!(paid(&subnet.validators[0], Kind::Chat).len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_user_who_leaves_mid_stream_stops_the_miner_which_keeps_a_receipt_that_both_signed() {
    let subnet = Subnet::start_with(smollm2(1)).await;
    let validator = &subnet.validators[0];
    let mut stream = validator.open_chat(SMOLLM2, STORY, 2_000).await;
    for _ in 0..3 {
        stream.next().await.unwrap();
    }

    let miner = subnet.miners[0].miner();
    let begun = engine(miner).await;
    assert_eq!((begun.running, begun.in_flight), (1, 1));
    drop(stream);

    // What counts is the engine's own state; how soon it gets there is measured (scripts/bench-gateway) and not tested.
    let stopped = wait::until("the engine computes nothing", || async {
        Some(engine(miner).await).filter(|model| model.running == 0)
    })
    .await;
    wait::until("the miner is idle", || async {
        let miners = validator.validator().fleet().miners();
        miners.iter().all(|miner| miner.in_flight == 0).then_some(())
    })
    .await;
    wait::until("the receipt is stored", || async {
        (validator.validator().ledger().head().size == 1).then_some(())
    })
    .await;
    let receipts = validator.validator().ledger().reader().from(0, usize::MAX).unwrap();
    let (observed, receipt) = (receipts[0].receipt.observation(), receipts[0].receipt.receipt());
    assert_eq!(observed.outcome, Outcome::ClientGone);
    assert_eq!(observed.output_sha256, receipt.output_sha256, "every byte is accounted for");
    assert!(!receipts[0].receipt.counts(), "what a user left before its end pays nothing");
    // It stopped far before its limit, which it would have reached only minutes later.
    assert!(receipt.completion_tokens < 500, "{}", receipt.completion_tokens);
    // The next answer has the engine to itself: one token in each pass after its prompt, none of the answer that was left.
    assert_eq!(validator.chat(SMOLLM2, "Hi").await.status, 200);
    let after = engine(miner).await;
    let prompt_and_answer = 512;
    assert!(after.tokens_computed - stopped.tokens_computed < prompt_and_answer, "{stopped:?} {after:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_validator_stopped_mid_stream_ends_the_stream_well_and_sends_others_away() {
    let mut subnet = Subnet::start_with(smollm2(1)).await;
    let mut stream = subnet.validators[0].open_chat(SMOLLM2, STORY, 32).await;
    stream.next().await.unwrap();
    let (url, key) = (subnet.validators[0].gateway_url(), subnet.validators[0].api_key().to_owned());
    let late = async {
        let body = json!({"model": SMOLLM2, "messages": [{"role": "user", "content": "too late"}]});
        wait::until("a new call is sent away", || async {
            let request = reqwest::Client::new().post(format!("{url}/v1/chat/completions"));
            let answer = request.bearer_auth(&key).json(&body).send().await.ok()?;
            (answer.status() == 503).then(|| answer.headers()["retry-after"].clone())
        })
        .await
    };
    let fleet = subnet.validators[0].validator().fleet().clone();
    fleet.stop();
    let retry_after = late.await;
    assert_eq!(retry_after, "5");
    drop(fleet);

    let (_, rest) = tokio::join!(subnet.validators[0].stop(), stream.rest());

    assert_eq!(rest.last().unwrap(), "data: [DONE]");
    subnet.validators[0].start().await.unwrap();
    assert_eq!(paid(&subnet.validators[0], Kind::Chat).len(), 1, "its receipt survived");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_miners_that_bring_up_a_cold_model_one_gets_the_bounty_and_the_user_an_answer() {
    let mut subnet = Subnet::start(1, 0).await;
    // Online, and holding something else.
    let other = |config: &mut subnet_miner::config::Config| {
        config.models = [("other".parse().unwrap(), ModelLocation::Echo)].into();
    };
    subnet.start_miners(&["elsewhere"], other).await;
    subnet.wait_until_online(1).await;
    let (hotkey, url) = (subnet.validators[0].hotkey(), subnet.validators[0].gateway_url());
    subnet.miners[0].miner().follow_demand([(hotkey, url)].into());

    let mut stream = subnet.validators[0].open_chat(ECHO_MODEL, "patience", 8).await;
    assert_eq!(stream.next().await.unwrap(), ": waiting position=1");
    let mut demand = subnet.miners[0].miner().demand();
    let bounty_is = async |demand: &mut tokio::sync::watch::Receiver<subnet_miner::demand::Demand>,
                           open: bool| {
        let known = demand.wait_for(|demand| {
            let known = demand.validators.get(&hotkey).filter(|known| known.cursor.is_some());
            known.is_some_and(|known| known.book.bounties.keys().any(|id| id.as_str() == ECHO_MODEL) == open)
        });
        tokio::time::timeout(Duration::from_secs(60), known).await.unwrap().unwrap();
    };
    bounty_is(&mut demand, true).await;

    subnet.start_miners(&["eager", "keen"], |_| {}).await;

    let rest = stream.rest().await;
    assert_eq!(rest.last().unwrap(), "data: [DONE]", "{rest:?}");
    bounty_is(&mut demand, false).await;
    subnet.wait_until_hot(2).await;
    let claims = wait::until("the bounty is paid", || async {
        let claims = paid(&subnet.validators[0], Kind::BountyClaim);
        (!claims.is_empty()).then_some(claims)
    })
    .await;
    assert_eq!(claims.len(), 1, "one miner claims it: {claims:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_strategist_that_hears_of_a_cold_request_brings_the_model_up_and_earns_the_bounty() {
    let mut subnet = Subnet::start_with(smollm2(0)).await;
    let (hotkey, url) = (subnet.validators[0].hotkey(), subnet.validators[0].gateway_url());
    // Two miners with nothing loaded, each with the weights on its disk and a strategist that may use them.
    let files = smollm2_path().parent().expect("a file is in a folder").to_owned();
    let rivals = |config: &mut subnet_miner::config::Config| {
        config.models.clear();
        config.demand.validators = [(hotkey, url.clone())].into();
        config.strategist.mode = Mode::On;
        config.strategist.decide_ms = 50.try_into().unwrap();
        config.weights.local_paths = vec![files.clone()];
    };
    subnet.start_miners(&["eager", "keen"], rivals).await;
    subnet.wait_until_online(2).await;
    for miner in &subnet.miners {
        assert!(miner.miner().residency().borrow().held.is_empty(), "nobody has asked for anything");
    }

    let mut stream = subnet.validators[0].open_chat(SMOLLM2, "Say hello.", 4).await;
    assert_eq!(stream.next().await.unwrap(), ": waiting position=1");

    let rest = stream.rest().await;
    assert_eq!(rest.last().unwrap(), "data: [DONE]", "{rest:?}");
    let claims = wait::until("the bounty is paid", || async {
        let claims = paid(&subnet.validators[0], Kind::BountyClaim);
        (!claims.is_empty()).then_some(claims)
    })
    .await;
    let [(winner, 1)] = claims[..] else { panic!("one miner claims it once: {claims:?}") };
    let winner = subnet.miners.iter().find(|miner| miner.hotkey() == winner).expect("one of the two");
    let told = winner.miner().residency().borrow().clone();
    assert!(told.held.keys().any(|model| model.as_str() == SMOLLM2), "{told:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_validators_use_both_of_two_miners_and_know_what_they_run_on() {
    let subnet = Subnet::start(2, 2).await;
    for validator in &subnet.validators {
        for number in 0..24 {
            assert_eq!(validator.chat(ECHO_MODEL, &format!("request {number}")).await.status, 200);
        }
        let paid = paid(validator, Kind::Chat);
        assert_eq!(paid.len(), 2, "both miners served {}: {paid:?}", validator.hotkey());
        for miner in validator.validator().fleet().miners() {
            assert!(miner.online && miner.device.is_some_and(|device| !device.is_empty()));
            assert_eq!(miner.models, [ECHO_MODEL]);
        }
    }
}

/// Five times what the miners take, for a few seconds, or for as long as the environment says.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fivefold_overload_is_answered_with_answers_and_truthful_refusals_and_nothing_else() {
    const PER_MINER: u32 = 10;
    const USERS: u32 = 20;
    let seconds: u32 =
        std::env::var("SUBNET64_OVERLOAD_S").ok().and_then(|text| text.parse().ok()).unwrap_or(4);
    let mut subnet = Subnet::start(1, 0).await;
    let slow = |config: &mut subnet_miner::config::Config| {
        let rate = std::num::NonZeroU32::new(PER_MINER).unwrap();
        config.axon.limits.per_hotkey = Rate { per_s: rate, burst: rate };
    };
    subnet.start_miners(&["one", "two"], slow).await;
    subnet.wait_until_hot(2).await;
    let (url, key) = (subnet.validators[0].gateway_url(), subnet.validators[0].api_key().to_owned());
    // Each user asks five times a second: 100 calls a second to miners that take 20.
    let mut users = tokio::task::JoinSet::new();
    for user in 0..USERS {
        let (url, key) = (url.clone(), key.clone());
        users.spawn(async move {
            let client = reqwest::Client::new();
            let mut beat = tokio::time::interval(Duration::from_millis(200));
            let (mut served, mut refused) = (0u32, 0u32);
            for number in 0..seconds * 5 {
                beat.tick().await;
                let content = format!("user {user} request {number}");
                let body = json!({"model": ECHO_MODEL, "messages": [{"role": "user", "content": content}]});
                let request = client.post(format!("{url}/v1/chat/completions")).bearer_auth(&key).json(&body);
                let answer = request.send().await.unwrap();
                match answer.status().as_u16() {
                    200 => served += 1,
                    429 | 503 => {
                        let wait: u64 = answer.headers()["retry-after"].to_str().unwrap().parse().unwrap();
                        assert!((1..=30).contains(&wait));
                        refused += 1;
                    }
                    other => panic!("status {other}: {}", answer.text().await.unwrap()),
                }
            }
            (served, refused)
        });
    }
    let (mut served, mut refused) = (0, 0);
    while let Some(user) = users.join_next().await {
        let (more_served, more_refused) = user.unwrap();
        served += more_served;
        refused += more_refused;
    }
    assert_eq!(served + refused, USERS * seconds * 5, "every call got an answer");
    assert!(refused > 0, "it was no overload");
    // What the miners can take is used: half of it at the least, on however busy a machine.
    assert!(served >= PER_MINER * seconds, "served {served}, refused {refused}");
    let counted: usize = paid(&subnet.validators[0], Kind::Chat).iter().map(|(_, count)| count).sum();
    assert_eq!(counted, served as usize, "each answer has one receipt");
    wait::until("it serves again", || async {
        (subnet.validators[0].chat(ECHO_MODEL, "after").await.status == 200).then_some(())
    })
    .await;
}
