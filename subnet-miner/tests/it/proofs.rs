//! What validators ask for and bring beside calls.

use parity_scale_codec::Encode as _;
use protocol::btauth::{self, RequestParts};
use protocol::countersigned::CopyList;
use protocol::digest::Digest;
use protocol::receipt::{Countersigned, MinerSigned, Observation, Outcome, SignedReceipt};
use serde_json::json;
use subnet_miner::receipts::ReceiptReader;

use crate::fixture::{Fixture, chat_body, in_time, refusal, sign};

/// A call answered, and what its validator countersigns.
async fn countersigned(fixture: &Fixture) -> Countersigned {
    let body = chat_body("one two", json!({}));
    let ticket = fixture.signed_ticket(&body);
    let answer = in_time(fixture.chat_with(&body, &ticket).send()).await.unwrap();
    let header = answer.headers()["x-subnet-receipt"].to_str().unwrap();
    let receipt = SignedReceipt::from_header(header).unwrap();
    let output_sha256 = receipt.receipt.output_sha256;
    let signed = MinerSigned::check(ticket.verify().unwrap(), receipt).unwrap();
    let observation = Observation {
        first_byte_ms: 1,
        last_byte_ms: 2,
        tokens_delivered: 3,
        output_sha256,
        outcome: Outcome::Delivered,
    };
    signed.countersign(observation, &fixture.validator).unwrap()
}

async fn bring(fixture: &Fixture, body: Vec<u8>) -> reqwest::Response {
    let target = "/countersigned";
    let headers = sign(&fixture.validator, target, &body, &fixture.miner.public(), fixture.nonce_ns());
    let request = fixture.client.post(fixture.url(target)).body(body);
    let request = headers.iter().fold(request, |request, (name, value)| request.header(name, value));
    in_time(request.send()).await.unwrap()
}

#[tokio::test]
async fn a_countersigned_copy_is_kept_and_read_back() {
    let fixture = Fixture::start().await;
    let call = countersigned(&fixture).await;
    let before = ReceiptReader::open(fixture.folder.path()).unwrap().newest(None, 9).unwrap();
    assert_eq!((before.len(), before[0].countersigned.clone()), (1, None));
    assert_eq!(bring(&fixture, CopyList::of([&call]).encode()).await.status(), 204);
    let kept = ReceiptReader::open(fixture.folder.path()).unwrap().newest(None, 9).unwrap();
    assert_eq!(kept[0].countersigned, Some(format!("0x{}", hex::encode(call.encode()))));
}

#[tokio::test]
async fn copies_of_other_peoples_calls_and_broken_lists_are_refused() {
    let fixture = Fixture::start().await;
    let other = Fixture::start().await;
    let call = countersigned(&other).await;
    let mut altered = CopyList::of([&call]).encode();
    *altered.last_mut().unwrap() ^= 1;
    for body in [altered, b"nonsense".to_vec()] {
        let refused = refusal(bring(&fixture, body).await).await;
        assert_eq!(refused, (400, "countersigned_invalid".to_owned()));
    }
}

#[tokio::test]
async fn a_fingerprint_is_given_to_permitted_callers_only_and_404_if_it_is_not_kept() {
    let fixture = Fixture::start().await;
    let target = format!("/fingerprints/{}", Digest::of(b"nothing"));
    let plain = in_time(fixture.client.get(fixture.url(&target)).send()).await.unwrap();
    assert_eq!(refusal(plain).await, (401, "auth_malformed".to_owned()));
    let parts = RequestParts { method: "GET", target: &target, body_sha256: Digest::of(b"") };
    let headers = btauth::sign(&fixture.validator, &parts, &fixture.miner.public(), fixture.nonce_ns());
    let request = fixture.client.get(fixture.url(&target));
    let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, value));
    let missing = in_time(request.send()).await.unwrap();
    assert_eq!(refusal(missing).await, (404, "fingerprint_not_found".to_owned()));
}
