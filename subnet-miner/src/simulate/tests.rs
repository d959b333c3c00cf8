use std::path::{Path, PathBuf};

use super::*;
use crate::strategist::{Plan, Situation, Strategy};

fn shipped(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("traces").join(name)
}

fn tiny(demands: &[(u64, u64, &[u64])], memory_bytes: u64, bounties: Vec<Bounty>) -> Trace {
    let model = |(index, (bytes, load_ms, demand)): (usize, &(u64, u64, &[u64]))| ModelTrace {
        id: format!("m{index}"),
        memory_bytes: *bytes,
        load_ms: *load_ms,
        demand: demand.to_vec(),
    };
    Trace {
        name: "tiny".to_owned(),
        about: String::new(),
        step_ms: 1_000,
        window_steps: 1,
        memory_bytes,
        models: demands.iter().enumerate().map(model).collect(),
        bounties,
    }
}

#[test]
fn the_strategist_earns_nine_tenths_of_the_optimum_on_every_shipped_trace_and_more_than_one_by_one() {
    for name in ["days.json", "bursts.json", "giant.json"] {
        let trace = Trace::load(&shipped(name)).unwrap();
        let [_, strategist, one_by_one] = Comparison::of(&trace, &Policy::default()).rows();
        assert!(strategist.optimum_bps >= 9_000, "{name}: {strategist:?}");
        assert!(strategist.optimum_bps <= 10_000, "{name}: nothing earns more than the optimum");
        assert!(strategist.earned > one_by_one.earned, "{name}: {strategist:?} {one_by_one:?}");
    }
}

#[test]
fn the_optimum_loads_a_model_before_its_demand_comes() {
    let trace = tiny(&[(1, 2_000, &[0, 0, 5, 5]), (1, 0, &[1, 1, 1, 1])], 1, Vec::new());
    let best = optimum(&trace);
    // The second model earns nothing that is worth as much as being early for the first.
    assert_eq!(best.earned, [0, 0, 5, 10]);
    assert_eq!((best.loads, best.unloads), (1, 0));
}

#[test]
fn the_optimum_swaps_when_that_pays_and_collects_bounties() {
    let trace = tiny(&[(1, 0, &[3, 0, 0]), (1, 0, &[0, 2, 2])], 1, Vec::new());
    assert_eq!((optimum(&trace).earned, optimum(&trace).unloads), (vec![3, 5, 7], 1));
    let bounty = Bounty { model: 1, opens: 1, closes: 3, first: 4, grows: 3 };
    let trace = tiny(&[(1, 0, &[3, 3, 3]), (1, 0, &[0, 0, 0])], 1, vec![bounty]);
    // Two steps of the first model, then the bounty at its largest.
    assert_eq!(optimum(&trace).earned, [3, 6, 13]);
}

#[test]
fn no_rule_earns_more_than_the_optimum_whatever_it_does() {
    /// Loads and unloads by a fixed sequence that looks random.
    struct Erratic(u64);
    impl Strategy for Erratic {
        fn plan(&mut self, situation: &Situation) -> Plan {
            let mut plan = Plan::default();
            for candidate in &situation.candidates {
                self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                match self.0 >> 61 {
                    0..3 => plan.load.push(candidate.model.clone()),
                    3 => plan.unload.push(candidate.model.clone()),
                    _ => {}
                }
            }
            plan
        }
    }
    let demands: [(u64, u64, &[u64]); 3] =
        [(2, 1_000, &[5, 1, 4, 2, 8, 0]), (1, 0, &[2, 2, 0, 3, 1, 1]), (1, 2_000, &[0, 4, 4, 4, 0, 4])];
    let bounty = Bounty { model: 2, opens: 1, closes: 5, first: 3, grows: 1 };
    for seed in 0..200 {
        let trace = tiny(&demands, 2, vec![bounty]);
        let run = run(&trace, &mut Erratic(seed));
        assert!(run.total() <= optimum(&trace).total(), "seed {seed}");
    }
}

#[test]
fn a_model_that_is_loading_takes_memory_and_earns_nothing() {
    struct Greedy;
    impl Strategy for Greedy {
        fn plan(&mut self, situation: &Situation) -> Plan {
            Plan {
                load: situation.candidates.iter().map(|candidate| candidate.model.clone()).collect(),
                ..Plan::default()
            }
        }
    }
    let trace = tiny(&[(2, 2_000, &[5, 5, 5, 5]), (1, 0, &[7, 7, 7, 7])], 2, Vec::new());
    let outcome = run(&trace, &mut Greedy);
    assert_eq!((outcome.earned, outcome.loads), (vec![0, 0, 5, 10], 1));
}

#[test]
fn the_shipped_pictures_are_those_of_the_shipped_traces() {
    for name in ["days", "bursts", "giant"] {
        let trace = Trace::load(&shipped(&format!("{name}.json"))).unwrap();
        let drawn = chart(&Comparison::of(&trace, &Policy::default()), trace.step_ms);
        let path =
            Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../docs/images/strategist-{name}.svg"));
        let shown = std::fs::read_to_string(&path).unwrap();
        assert!(
            shown == drawn,
            "draw it again: subnet-miner simulate --trace subnet-miner/traces/{name}.json --plot docs/images/strategist-{name}.svg"
        );
    }
}

#[test]
fn a_trace_that_makes_no_sense_is_refused_with_the_reason() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("trace.json");
    let refused = |trace: &Trace| {
        std::fs::write(&path, serde_json::to_string(trace).unwrap()).unwrap();
        Trace::load(&path).unwrap_err().to_string()
    };
    let good = tiny(&[(1, 0, &[1, 2])], 1, Vec::new());
    let uneven = Trace {
        models: [good.models.clone(), tiny(&[(1, 0, &[1])], 1, Vec::new()).models].concat(),
        ..good.clone()
    };
    assert!(refused(&uneven).contains("same number of steps"));
    assert!(refused(&Trace { models: Vec::new(), ..good.clone() }).contains("1 to 12 models"));
    assert!(refused(&Trace { step_ms: 0, ..good.clone() }).contains("length"));
    let nobody = Bounty { model: 9, opens: 0, closes: 1, first: 1, grows: 0 };
    assert!(refused(&Trace { bounties: vec![nobody], ..good }).contains("bounty"));
    std::fs::write(&path, "{").unwrap();
    assert!(matches!(Trace::load(&path), Err(TraceError::Form { .. })));
}
