use std::collections::BTreeSet;

use crate::support::miner::{Manner, TOKENS, TestMiner, chunks};
use crate::support::stand::{Stand, events, hello};
use http::StatusCode;
use protocol::receipt::Outcome;
use protocol::ticket::Kind;
use serde_json::json;
use subnet_validator::metrics::Count;

#[tokio::test]
async fn a_whole_answer_reaches_the_user_as_the_miner_wrote_it_and_its_receipt_is_stored() {
    let miner = TestMiner::start("//Bob", Manner::Honest).await;
    let stand = Stand::start(&[&miner]).await;

    let reply = stand.hello(false).await;

    assert_eq!(reply.status, StatusCode::OK);
    assert_eq!(reply.headers["content-type"], "application/json");
    let answer = reply.json();
    assert_eq!(answer["choices"][0]["message"]["content"], TOKENS.concat());
    assert_eq!(answer["usage"], json!({"prompt_tokens": 5, "completion_tokens": 3, "total_tokens": 8}));

    let receipts = stand.receipts();
    let [stored] = receipts.as_slice() else { panic!("{} receipts", receipts.len()) };
    assert!(stored.receipt.counts());
    let (ticket, seen) = (stored.receipt.ticket(), stored.receipt.observation());
    assert_eq!((ticket.miner, ticket.sequence, ticket.kind), (miner.key.public(), 0, Kind::Chat));
    assert_eq!((seen.outcome, seen.tokens_delivered), (Outcome::Delivered, 3));
    assert_eq!(stand.metrics.get(Count::CompletionTokens), 3);
}

#[tokio::test]
async fn a_stream_is_relayed_byte_for_byte_and_ends_once_its_receipt_is_stored() {
    let miner = TestMiner::start("//Bob", Manner::Honest).await;
    let stand = Stand::start(&[&miner]).await;

    let reply = stand.hello(true).await;

    assert_eq!(reply.status, StatusCode::OK);
    assert_eq!(reply.headers["content-type"], "text/event-stream");
    let mut expected = chunks(false);
    expected.push("[DONE]".into());
    assert_eq!(events(&reply.text()), expected);
    // `[DONE]` was seen, so the receipt is on disk.
    assert_eq!(stand.ledger.head().size, 1);
    let receipts = stand.receipts();
    assert!(receipts[0].receipt.counts());
    assert_eq!(receipts[0].receipt.observation().tokens_delivered, 3);
}

#[tokio::test]
async fn no_ticket_believes_in_more_prompt_tokens_than_the_request_has_bytes_and_a_template_adds() {
    let miner = TestMiner::start("//Bob", Manner::Honest).await;
    for (template_tokens_max, prompt_tokens_max) in [(7, hello(false).len() as u32 + 7), (u32::MAX, 4_096)] {
        let stand =
            Stand::start_with(&[&miner], |_, fleet| fleet.template_tokens_max = template_tokens_max).await;
        assert_eq!(stand.hello(false).await.status, StatusCode::OK);
        assert_eq!(miner.tickets().last().unwrap().prompt_tokens_max, prompt_tokens_max);
    }
}

#[tokio::test]
async fn usage_comes_with_a_stream_when_it_is_asked_for() {
    let miner = TestMiner::start("//Bob", Manner::Honest).await;
    let stand = Stand::start(&[&miner]).await;
    let body = r#"{"model":"echo","messages":[{"role":"user","content":"Hi"}],"stream":true,
        "stream_options":{"include_usage":true}}"#;

    let reply = stand.chat(body).send().await;

    let text = reply.text();
    let events = events(&text);
    let last: serde_json::Value = serde_json::from_str(events[events.len() - 2]).unwrap();
    assert_eq!((&last["choices"], &last["usage"]["total_tokens"]), (&json!([]), &json!(8)));
}

#[tokio::test]
async fn the_users_request_id_comes_back_and_reaches_the_miner() {
    let miner = TestMiner::start("//Bob", Manner::Honest).await;
    let stand = Stand::start(&[&miner]).await;

    let given = stand.chat(&hello(false)).header("x-request-id", "mine-1").send().await;
    let made = stand.hello(false).await;

    assert_eq!(given.headers["x-request-id"], "mine-1");
    let made = made.headers["x-request-id"].to_str().unwrap().to_owned();
    assert!(made.starts_with("req_"));
    assert_eq!(miner.request_ids(), ["mine-1".to_owned(), made]);
}

#[tokio::test]
async fn sequence_numbers_go_on_after_a_restart_and_never_repeat() {
    let miner = TestMiner::start("//Bob", Manner::Honest).await;
    let stand = Stand::start_with(&[&miner], |_, fleet| fleet.sequence_block = 4).await;
    for _ in 0..6 {
        assert_eq!(stand.hello(false).await.status, StatusCode::OK);
    }
    let sequences: Vec<u64> = miner.tickets().iter().map(|ticket| ticket.sequence).collect();
    assert_eq!(sequences, [0, 1, 2, 3, 4, 5]);
    // Whoever comes next starts behind all that is reserved: what was used, and at most a block beside it.
    let next = stand.ledger.reserve_sequences(miner.key.public(), 1).await.unwrap();
    assert!((6..=10).contains(&next.start), "{next:?}");
}

#[tokio::test]
async fn the_catalogue_is_listed_and_each_model_can_be_looked_up() {
    let stand = Stand::start(&[]).await;

    let list = stand.ask("GET", "/v1/models").send().await.json();
    assert_eq!((&list["object"], &list["data"][0]["id"]), (&json!("list"), &json!("echo")));
    let one = stand.ask("GET", "/v1/models/echo").send().await.json();
    assert_eq!((&one["id"], &one["object"]), (&json!("echo"), &json!("model")));
    let none = stand.ask("GET", "/v1/models/some/other").send().await;
    assert_eq!((none.status, none.error_code().as_str()), (StatusCode::NOT_FOUND, "model_not_found"));
}

#[tokio::test]
async fn health_and_metrics_need_no_key() {
    let miner = TestMiner::start("//Bob", Manner::Honest).await;
    let stand = Stand::start(&[&miner]).await;
    stand.hello(false).await;
    let open = |target| crate::support::Ask::new("GET", stand.gateway.address(), target).send();

    let health = open("/health").await.json();
    assert_eq!(health, json!({"status": "ok", "miners_online": 1, "receipts": 1}));
    let metrics = open("/metrics").await.text();
    assert!(metrics.contains("subnet_validator_calls_total{outcome=\"answered\"} 1\n"), "{metrics}");
    assert!(metrics.contains("subnet_validator_ledger_receipts 1\n"), "{metrics}");
}

/// The metrics of ours that a text names, histograms without what their lines add to the name.
fn named(text: &str) -> BTreeSet<&str> {
    text.split(|character: char| !(character.is_ascii_alphanumeric() || character == '_'))
        .filter(|word| word.starts_with("subnet_validator_"))
        .map(|word| {
            ["_bucket", "_sum", "_count"].iter().find_map(|end| word.strip_suffix(end)).unwrap_or(word)
        })
        .collect()
}

#[tokio::test]
async fn dashboard_rules_and_reference_name_the_metrics_and_labels_that_the_page_has() {
    let stand = Stand::start(&[]).await;
    let page = crate::support::Ask::new("GET", stand.gateway.address(), "/metrics").send().await.text();
    let read = |path: &str| {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
        std::fs::read_to_string(format!("{folder}/{path}")).unwrap()
    };
    let (dashboard, reference) =
        (read("packaging/grafana-validator.json"), read("docs/reference/metrics.md"));
    let rules = read("packaging/prometheus-alerts.yaml");
    let known = named(&page);
    assert!(!known.is_empty());
    assert_eq!(named(&dashboard), known);
    assert_eq!(named(&reference), known);
    assert!(named(&rules).is_subset(&known), "{:?}", named(&rules).difference(&known));

    // What a dashboard or a rule selects by has been on the page from the start.
    let selected = dashboard.replace("\\\"", "\"") + &rules;
    let selectors = selected.split("subnet_validator_").skip(1).filter_map(|after| {
        let (name, after) = after.split_once('{')?;
        let is_name = name.chars().all(|character| character.is_ascii_lowercase() || character == '_');
        is_name.then(|| after.split_once('}')).flatten().map(|(labels, _)| (name, labels))
    });
    let mut checked = 0;
    for (name, labels) in selectors {
        for label in labels.split(',') {
            let (label, values) = label.split_once('=').unwrap();
            for value in values.trim_matches(['~', '"']).split('|') {
                let wanted = format!("{label}=\"{value}\"");
                let has = |line: &str| {
                    line.starts_with(&format!("subnet_validator_{name}{{")) && line.contains(&wanted)
                };
                assert!(page.lines().any(has), "{name} has no {wanted}");
                checked += 1;
            }
        }
    }
    assert!(checked > 9, "{checked}");
}

#[tokio::test]
async fn a_hundred_calls_at_once_all_get_their_answer_and_their_receipt() {
    let (first, second) = (
        TestMiner::start("//Bob", Manner::Honest).await,
        TestMiner::start("//Charlie", Manner::Honest).await,
    );
    let stand = Stand::start(&[&first, &second]).await;

    let replies = futures::future::join_all((0..100).map(|call| stand.hello(call % 2 == 0))).await;

    assert!(replies.iter().all(|reply| reply.status == StatusCode::OK));
    assert_eq!(stand.ledger.head().size, 100);
    assert_eq!(stand.ledger.reader().verify(|_| {}).unwrap().size, 100);
    assert!(first.tickets().len() > 20 && second.tickets().len() > 20, "the load is shared");
}

#[tokio::test]
async fn shutting_down_lets_an_open_call_end() {
    let miner = TestMiner::start("//Bob", Manner::Honest).await;
    let mut stand = Stand::start(&[&miner]).await;
    let open = stand.chat(&hello(true)).open().await;
    stand.gateway.shutdown().await;
    let text = http_body_util::BodyExt::collect(open.into_body()).await.unwrap().to_bytes();
    assert!(text.ends_with(b"data: [DONE]\n\n"));
    assert!(tokio::net::TcpStream::connect(stand.gateway.address()).await.is_err());
}
