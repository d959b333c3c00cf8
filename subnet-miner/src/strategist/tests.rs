use super::*;

const GIB: u64 = 1 << 30;
const NOW: u64 = 10_000_000;

fn candidate(name: &str, gib: u64, hourly: u64, place: Place) -> Candidate {
    let model = name.parse().unwrap();
    Candidate { model, memory_bytes: gib * GIB, hourly, bounty: 0, load_ms: 60_000, place }
}

fn cold(name: &str, gib: u64, hourly: u64) -> Candidate {
    candidate(name, gib, hourly, Place::Cold)
}

fn hot(name: &str, gib: u64, hourly: u64) -> Candidate {
    candidate(name, gib, hourly, Place::Hot { since_ms: 0 })
}

fn plan(gib: u64, candidates: Vec<Candidate>) -> (Vec<String>, Vec<String>) {
    let situation = Situation { now_ms: NOW, memory_bytes: gib * GIB, candidates };
    let Plan { unload, load, .. } = Knapsack::default().plan(&situation);
    let names = |models: Vec<ModelId>| models.iter().map(|model| model.as_str().to_owned()).collect();
    (names(unload), names(load))
}

fn expect(gib: u64, candidates: Vec<Candidate>, unload: &[&str], load: &[&str]) {
    let (unloaded, loaded) = plan(gib, candidates);
    assert_eq!(
        (unloaded.iter().map(String::as_str).collect::<Vec<_>>(), loaded),
        (unload.to_vec(), load.iter().map(|name| (*name).to_owned()).collect())
    );
}

#[test]
fn free_memory_is_filled_with_the_most_valuable_set() {
    // The densest alone would leave no room for the two that are worth more together.
    expect(8, vec![cold("a", 5, 60), cold("b", 4, 40), cold("c", 4, 40)], &[], &["b", "c"]);
}

#[test]
fn several_victims_give_way_together_for_one_newcomer() {
    let candidates =
        vec![hot("a", 2, 100), hot("b", 2, 100), hot("c", 2, 100), hot("d", 2, 900), cold("big", 6, 1_000)];
    expect(8, candidates.clone(), &["a", "b", "c"], &["big"]);
    let situation = Situation { now_ms: NOW, memory_bytes: 8 * GIB, candidates };
    assert_eq!(OneByOne::default().plan(&situation), Plan::default());
}

#[test]
fn a_small_gain_is_no_reason_to_swap() {
    expect(4, vec![hot("a", 4, 1_000), cold("b", 4, 1_050)], &[], &[]);
    expect(4, vec![hot("a", 4, 1_000), cold("b", 4, 1_200)], &["a"], &["b"]);
}

#[test]
fn what_fits_beside_the_others_comes_even_if_a_swap_is_not_worth_it() {
    let candidates = vec![hot("a", 4, 1_000), cold("b", 4, 1_050), cold("c", 1, 10)];
    expect(5, candidates, &[], &["c"]);
}

#[test]
fn pinned_models_stay_whatever_others_are_worth() {
    expect(4, vec![candidate("a", 4, 0, Place::Pinned), cold("b", 4, 1_000_000)], &[], &[]);
}

#[test]
fn a_model_that_has_just_come_stays_for_a_while() {
    let young = candidate("a", 4, 1, Place::Hot { since_ms: NOW - 299_999 });
    expect(4, vec![young.clone(), cold("b", 4, 1_000)], &[], &[]);
    let old = Candidate { place: Place::Hot { since_ms: NOW - 300_000 }, ..young };
    expect(4, vec![old, cold("b", 4, 1_000)], &["a"], &["b"]);
}

#[test]
fn nothing_is_unloaded_while_its_memory_is_not_needed() {
    expect(8, vec![hot("a", 4, 0), cold("b", 4, 10)], &[], &["b"]);
    expect(8, vec![hot("a", 4, 0), hot("b", 4, 0), cold("c", 4, 10)], &["b"], &["c"]);
}

#[test]
fn a_bounty_pays_for_a_swap_and_a_long_load_prevents_one() {
    let bounty = Candidate { bounty: 500, ..cold("b", 4, 900) };
    expect(4, vec![hot("a", 4, 1_000), bounty.clone()], &["a"], &["b"]);
    let slow = Candidate { load_ms: HOUR_MS, ..bounty };
    expect(4, vec![hot("a", 4, 1_000), slow], &[], &[]);
}

#[test]
fn the_most_models_held_is_a_limit() {
    let situation = Situation {
        now_ms: NOW,
        memory_bytes: 100 * GIB,
        candidates: vec![hot("a", 1, 10), cold("b", 1, 20), cold("c", 1, 30)],
    };
    let mut strategy = Knapsack::new(Policy { models_max: 2, ..Policy::default() });
    let plan = strategy.plan(&situation);
    assert_eq!(plan.load.len() + 1 - plan.unload.len(), 2);
    assert!(plan.load.contains(&"c".parse().unwrap()));
}

#[test]
fn a_plan_always_fits_and_never_touches_what_must_stay() {
    // A linear congruential generator: the same situations every time.
    let mut seed: u64 = 7;
    let mut draw = |below: u64| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) % below
    };
    for _ in 0..2_000 {
        let memory_bytes = 24 * GIB;
        let mut free = memory_bytes;
        let candidates: Vec<Candidate> = (0..12)
            .map(|index| {
                let bytes = (1 + draw(9)) * GIB;
                let place = match draw(4) {
                    1 if bytes <= free => Place::Pinned,
                    2 if bytes <= free => Place::Hot { since_ms: draw(NOW) },
                    _ => Place::Cold,
                };
                if place != Place::Cold {
                    free -= bytes;
                }
                Candidate {
                    memory_bytes: bytes,
                    bounty: draw(2) * draw(1_000),
                    load_ms: draw(600_000),
                    ..candidate(&format!("m{index}"), 1, draw(2_000), place)
                }
            })
            .collect();
        let situation = Situation { now_ms: NOW, memory_bytes, candidates };
        let plan = Knapsack::default().plan(&situation);
        let held = |candidate: &&Candidate| match candidate.place {
            Place::Cold => plan.load.contains(&candidate.model),
            _ => !plan.unload.contains(&candidate.model),
        };
        let bytes: u64 =
            situation.candidates.iter().filter(held).map(|candidate| candidate.memory_bytes).sum();
        assert!(bytes <= memory_bytes);
        for candidate in &situation.candidates {
            assert!(!(candidate.place == Place::Pinned && plan.unload.contains(&candidate.model)));
        }
        assert!(plan.unload.is_empty() || !plan.load.is_empty());
    }
}
