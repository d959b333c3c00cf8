//! Many requests with their tickets, checked at once.

use super::*;
use crate::fixtures::ticket;
use crate::ticket::{SignedTicket, Ticket};

fn signed(sequence: u64) -> SignedTicket {
    Ticket { sequence, ..ticket() }.sign(&key("Alice"))
}

fn good() -> Vec<(Claim, SignedTicket)> {
    let request = |number| (Request::signed_at(NOW_NS + number).claim(), signed(number));
    let sr25519 = (0..3).map(request);
    sr25519.chain([(golden::ed25519().claim(), signed(9))]).collect()
}

#[test]
fn requests_checked_together_give_what_they_give_alone() {
    let requests = good();
    let alone = requests.iter().map(|(claim, ticket)| {
        assert_eq!(claim.verify().unwrap().hotkey, claim.hotkey());
        (claim.verify().unwrap(), ticket.clone().verify().unwrap())
    });
    assert_eq!(verify_all(&requests), Some(alone.collect()));
    assert_eq!(verify_all(&[]), Some(Vec::new()));
}

#[test]
fn one_bad_signature_of_any_request_or_ticket_fails_all() {
    for place in 0..4 {
        let mut requests = good();
        requests[place].1.signature = signed(1_000).signature;
        assert_eq!(verify_all(&requests), None, "ticket {place}");
        let mut requests = good();
        requests[place].0 = Request { body: b"{}".to_vec(), ..Request::signed_at(NOW_NS + 77) }.claim();
        requests[place].0.signature = good()[place].0.signature;
        assert_eq!(verify_all(&requests), None, "request {place}");
    }
    let mut requests = good();
    requests[3].0.signature.0[0] ^= 1;
    assert_eq!(verify_all(&requests), None, "ed25519");
}
