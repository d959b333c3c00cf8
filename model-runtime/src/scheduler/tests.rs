use super::*;

fn scheduler(slots: usize, step_tokens_max: usize, pages: usize) -> Scheduler {
    let size = |size| NonZeroUsize::new(size).unwrap();
    Scheduler::new(SchedulerConfig { slots: size(slots), step_tokens_max: size(step_tokens_max), pages })
}

fn arrival(id: u64, tokens: impl IntoIterator<Item = u32>) -> Arrival {
    let tokens = tokens.into_iter().collect();
    let (dictated, tokens_max) = (Vec::new(), usize::MAX);
    Arrival { id, tokens, priority: 0, account: id, draft_tokens_max: 0, tokens_max, dictated, salt: None }
}

/// (id, start, tokens, whether complete).
type Pass = Vec<(u64, usize, usize, bool)>;

/// Plans a pass and answers every complete sequence with token 7.
fn pass(scheduler: &mut Scheduler) -> Pass {
    let plan = scheduler.plan();
    let used: Vec<u32> =
        plan.iter().flat_map(|planned| &planned.pages[planned.start / PAGE_TOKENS..]).copied().collect();
    let mut once = used.clone();
    once.sort_unstable();
    once.dedup();
    assert_eq!(once.len(), used.len(), "a page is written by one sequence only");
    for planned in &plan {
        assert!(planned.pages.len() * PAGE_TOKENS >= planned.start + planned.tokens.len());
        scheduler.advance(planned, if planned.complete { &[7] } else { &[] });
    }
    plan.iter().map(|p| (p.id, p.start, p.tokens.len(), p.complete)).collect()
}

#[test]
fn answers_go_on_while_a_long_prompt_is_read_in_pieces() {
    let mut scheduler = scheduler(4, 40, 20);
    scheduler.arrive(arrival(1, 0..5)).unwrap();
    assert_eq!(pass(&mut scheduler), [(1, 0, 5, true)]);
    scheduler.arrive(arrival(2, 100..200)).unwrap();
    assert_eq!(pass(&mut scheduler), [(1, 5, 1, true), (2, 0, 39, false)]);
    assert_eq!(pass(&mut scheduler), [(1, 6, 1, true), (2, 39, 39, false)]);
    assert_eq!(pass(&mut scheduler), [(1, 7, 1, true), (2, 78, 22, true)]);
    assert_eq!(pass(&mut scheduler), [(1, 8, 1, true), (2, 100, 1, true)]);
}

#[test]
fn prompts_that_begin_alike_share_pages_also_after_the_first_is_gone() {
    let mut scheduler = scheduler(4, 1000, 20);
    scheduler.arrive(arrival(1, 0..80)).unwrap();
    assert_eq!(pass(&mut scheduler), [(1, 0, 80, true)]);
    scheduler.arrive(arrival(2, (0..70).chain(500..520))).unwrap();
    assert_eq!(pass(&mut scheduler), [(1, 80, 1, true), (2, 64, 26, true)]);
    scheduler.leave(1);
    scheduler.leave(2);
    scheduler.arrive(arrival(3, 0..64)).unwrap();
    // The second page ends the prompt, whose last token must be computed.
    assert_eq!(pass(&mut scheduler), [(3, 32, 32, true)]);
    assert_eq!(scheduler.counts().prompt_tokens_shared, 64 + 32);
}

#[test]
fn the_same_prompt_asked_twice_at_once_is_read_once() {
    let mut scheduler = scheduler(4, 1000, 20);
    scheduler.arrive(arrival(1, 0..70)).unwrap();
    scheduler.arrive(arrival(2, 0..70)).unwrap();
    assert_eq!(pass(&mut scheduler), [(1, 0, 70, true)]);
    assert_eq!(pass(&mut scheduler), [(1, 70, 1, true), (2, 64, 6, true)]);
}

#[test]
fn a_sequence_without_a_page_takes_the_page_of_the_one_that_came_last() {
    let mut scheduler = scheduler(2, 1000, 4);
    scheduler.arrive(arrival(1, 0..64)).unwrap();
    scheduler.arrive(arrival(2, 100..164)).unwrap();
    assert_eq!(pass(&mut scheduler), [(1, 0, 64, true), (2, 0, 64, true)]);
    assert_eq!(pass(&mut scheduler), [(1, 64, 1, true)]);
    assert_eq!((scheduler.load(), scheduler.counts().preemptions), ((1, 1), 1));
    scheduler.leave(1);
    // Its 64 tokens and the answer's first; a page of them is still known.
    assert_eq!(pass(&mut scheduler), [(2, 32, 33, true)]);
}

#[test]
fn a_higher_priority_goes_first_and_takes_pages_when_it_must() {
    let mut scheduler = scheduler(2, 1000, 4);
    scheduler.arrive(arrival(1, 0..96)).unwrap();
    assert_eq!(pass(&mut scheduler), [(1, 0, 96, true)]);
    scheduler.arrive(arrival(2, 200..264)).unwrap();
    scheduler.arrive(Arrival { priority: 1, ..arrival(3, 300..364) }).unwrap();
    // Sequence 1 is older than sequence 2, and nobody overtakes it while it does not fit.
    assert_eq!(pass(&mut scheduler), [(3, 0, 64, true)]);
    assert_eq!((scheduler.load(), scheduler.counts().preemptions), ((1, 2), 1));
}

#[test]
fn accounts_take_turns_by_what_they_were_served() {
    let mut scheduler = scheduler(1, 1000, 40);
    for id in 1..=3 {
        scheduler
            .arrive(Arrival { account: 1, ..arrival(id, id as u32 * 1000..id as u32 * 1000 + 50) })
            .unwrap();
    }
    assert_eq!(pass(&mut scheduler)[0].0, 1);
    scheduler.arrive(Arrival { account: 2, ..arrival(4, 0..10) }).unwrap();
    pass(&mut scheduler);
    scheduler.leave(1);
    assert_eq!(pass(&mut scheduler)[0].0, 4, "the account that was served less");
    scheduler.leave(4);
    assert_eq!(pass(&mut scheduler)[0].0, 2);
}

#[test]
fn nothing_is_guessed_past_the_answers_end() {
    for (tokens_max, drafts) in [(20, 4), (11, 2), (10, 1), (9, 0)] {
        let mut scheduler = scheduler(1, 8, 64);
        let prompt = [5, 6, 8, 9, 10, 5, 6];
        scheduler.arrive(Arrival { draft_tokens_max: 4, tokens_max, ..arrival(1, prompt) }).unwrap();
        let plan = scheduler.plan();
        scheduler.advance(&plan[0], &[8]);
        // Eight tokens are there, and the last of the answer is drawn and never read.
        assert_eq!(scheduler.plan()[0].drafts, drafts, "{tokens_max}");
    }
}

#[test]
fn guesses_that_were_right_save_passes() {
    let mut scheduler = scheduler(1, 1000, 40);
    scheduler.arrive(Arrival { draft_tokens_max: 4, ..arrival(1, [5, 6, 8, 9, 10, 5, 6]) }).unwrap();
    let plan = scheduler.plan();
    assert_eq!((plan[0].tokens.len(), plan[0].drafts), (7, 0));
    scheduler.advance(&plan[0], &[8]);
    let plan = scheduler.plan();
    assert_eq!((plan[0].tokens.as_slice(), plan[0].drafts), ([8, 9, 10, 5, 6].as_slice(), 4));
    // The first two guesses are right, the third is not.
    scheduler.advance(&plan[0], &[9, 10, 77]);
    let plan = scheduler.plan();
    assert_eq!((plan[0].start, plan[0].tokens.as_slice(), plan[0].drafts), (10, [77].as_slice(), 0));
    assert_eq!((scheduler.counts().drafts, scheduler.counts().drafts_right), (4, 2));
}

#[test]
fn a_prompt_larger_than_the_cache_is_refused() {
    let mut scheduler = scheduler(1, 1000, 2);
    let error = scheduler.arrive(arrival(1, 0..64)).unwrap_err();
    assert_eq!(error, TooLarge { tokens: 64, cache_tokens: 64 });
    scheduler.arrive(arrival(2, 0..63)).unwrap();
}

/// Random arrivals and departures: every sequence comes to its end, every page comes back, and the same history gives the same plans.
#[test]
fn random_traffic_starves_nobody_and_loses_no_page() {
    let history = |seed: u64| {
        let mut random = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        let mut next = move |below: u64| {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            random % below
        };
        let mut scheduler = scheduler(3, 48, 12);
        let (mut left, mut passes, mut id) = (BTreeMap::new(), Vec::new(), 0);
        while id < 40 || !left.is_empty() {
            if id < 40 && next(3) == 0 {
                let (length, first) = (1 + next(200) as u32, next(3) as u32 * 50);
                let arrival = Arrival {
                    priority: next(3) as i8,
                    account: next(4),
                    draft_tokens_max: next(2) as usize * 3,
                    dictated: Vec::new(),
                    ..arrival(id, first..first + length)
                };
                scheduler.arrive(arrival).unwrap();
                left.insert(id, 1 + next(60));
                id += 1;
            }
            for (id, start, tokens, complete) in pass(&mut scheduler) {
                passes.push((id, start, tokens));
                if let Some(count) = left.get_mut(&id).filter(|_| complete) {
                    *count -= 1;
                    if *count == 0 {
                        scheduler.leave(id);
                        left.remove(&id);
                    }
                }
            }
            assert!(passes.len() < 100_000, "somebody starves: {left:?}");
        }
        assert!(scheduler.is_idle());
        assert_eq!(scheduler.pages.available(), 12);
        passes
    };
    for seed in 1..=20 {
        assert_eq!(history(seed), history(seed));
    }
}

#[test]
fn a_dictated_answer_is_read_a_pass_at_a_time_and_its_last_token_never() {
    let mut scheduler = scheduler(4, 16, 20);
    let dictated: Vec<u32> = (500..540).collect();
    scheduler.arrive(Arrival { dictated: dictated.clone(), ..arrival(1, 0..5) }).unwrap();
    let (mut said, mut lengths) = (0, Vec::new());
    while said < dictated.len() {
        let plan = scheduler.plan();
        let planned = &plan[0];
        lengths.push(planned.tokens.len());
        let drawn = &dictated[said..=said + planned.drafts];
        assert_eq!(planned.tokens[planned.tokens.len() - planned.drafts..], drawn[..planned.drafts]);
        scheduler.advance(planned, drawn);
        said += drawn.len();
    }
    assert_eq!(lengths, [5, 16, 16, 7], "one token is drawn from the prompt, and 39 of the 40 are read");
}

#[test]
fn prompts_of_different_salts_share_no_pages_and_those_of_one_salt_do() {
    let mut scheduler = scheduler(1, 200, 40);
    for (id, salt, shared) in [
        (1, None, 0),
        (2, Some([1; 32]), 0),
        (3, Some([2; 32]), 0),
        (4, Some([1; 32]), 64),
        (5, None, 64),
        (6, Some([3; 32]), 0),
    ] {
        scheduler.arrive(Arrival { salt, ..arrival(id, 0..80) }).unwrap();
        pass(&mut scheduler);
        assert_eq!(scheduler.shared(id), shared, "sequence {id}");
        scheduler.leave(id);
    }
}
