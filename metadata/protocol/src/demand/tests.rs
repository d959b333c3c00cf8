use super::*;

fn model(id: &str) -> ModelId {
    id.parse().unwrap()
}

fn opened(id: &str) -> DemandChange {
    let growth = Growth { step_ms: 1_000, claims_max: 10 };
    let bounty = OpenBounty { weights_digest: Digest::of(b"w"), opened_at_ms: 5_000, growth };
    DemandChange::BountyOpened { model: model(id), bounty }
}

fn demand(id: &str, calls: u64) -> DemandChange {
    DemandChange::Demand { model: model(id), demand: ModelDemand { calls, ..ModelDemand::default() } }
}

fn event(sequence: u64, change: DemandChange) -> DemandEvent {
    DemandEvent { sequence, at_ms: 7, change }
}

#[test]
fn events_add_up_to_what_is_open_and_wanted_now() {
    let mut book = DemandBook::default();
    let mut cursor = Cursor { log: 1, sequence: 0 };
    let claimed = DemandChange::BountyClaimed { model: model("a"), miner: AccountId([1; 32]), claims: 2 };
    let withdrawn = DemandChange::BountyWithdrawn { model: model("b") };
    let changes = [demand("a", 3), opened("a"), opened("b"), opened("c"), claimed, withdrawn, demand("a", 0)];
    for (sequence, change) in (1..).zip(changes) {
        book.follow(&mut cursor, &event(sequence, change)).unwrap();
    }
    assert_eq!(book.bounties.keys().cloned().collect::<Vec<_>>(), [model("c")]);
    assert!(book.demand.is_empty());
    assert_eq!(cursor.sequence, 7);
}

#[test]
fn a_missing_or_repeated_event_is_noticed_and_changes_nothing() {
    let mut book = DemandBook::default();
    let mut cursor = Cursor { log: 1, sequence: 4 };
    for sequence in [0, 4, 6] {
        let refused = book.follow(&mut cursor, &event(sequence, opened("a")));
        assert_eq!(refused, Err(ApplyError::Gap { after: 4, found: sequence }));
    }
    assert_eq!((book, cursor.sequence), (DemandBook::default(), 4));
}

#[test]
fn a_bounty_is_worth_the_same_on_both_sides() {
    let DemandChange::BountyOpened { bounty, .. } = opened("a") else { panic!() };
    assert_eq!([0, 5_000, 5_999, 6_000, 90_000].map(|now_ms| bounty.claims(now_ms)), [1, 1, 1, 2, 10]);
}

#[test]
fn events_travel_as_this_json() {
    let json = r#"{"sequence":1,"atMs":7,"change":{"kind":"bountyClaimed","model":"a","miner":"5C62Ck4UrFPiBtoCmeSrgF7x9yv9mn38446dhCpsi2mLHiFT","claims":3}}"#;
    let change = DemandChange::BountyClaimed { model: model("a"), miner: AccountId([1; 32]), claims: 3 };
    let claimed = event(1, change);
    assert_eq!(serde_json::from_str::<DemandEvent>(json).unwrap(), claimed);
    let again: DemandEvent = serde_json::from_str(&serde_json::to_string(&claimed).unwrap()).unwrap();
    assert_eq!(again, claimed);
    let text = serde_json::to_string(&event(2, opened("m/x:y"))).unwrap();
    assert!(text.starts_with(
        r#"{"sequence":2,"atMs":7,"change":{"kind":"bountyOpened","model":"m/x:y","bounty":{"weightsDigest":"#
    ));
    assert!(text.ends_with(r#""openedAtMs":5000,"growth":{"stepMs":1000,"claimsMax":10}}}}"#), "{text}");
}

#[test]
fn a_cursor_is_read_only_in_the_form_it_is_written_in() {
    let cursor = Cursor { log: 0xab, sequence: 42 };
    assert_eq!(cursor.to_string(), "00000000000000ab-42");
    assert_eq!("00000000000000ab-42".parse(), Ok(cursor));
    let bad = [
        "",
        "-",
        "ab-42",
        "00000000000000ab",
        "00000000000000ab-",
        "00000000000000ab--1",
        "00000000000000ag-1",
    ];
    for text in bad.into_iter().chain(["00000000000000ab-99999999999999999999", "+0000000000000ab-1"]) {
        assert_eq!(text.parse::<Cursor>(), Err(BadCursor), "{text}");
    }
}
