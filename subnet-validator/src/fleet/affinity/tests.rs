use super::*;

const POLICY: AffinityPolicy = AffinityPolicy { block_bytes: 64, blocks_max: 4, excess_percent: 25 };

fn bearers(count: u8) -> Vec<Bearer> {
    (0..count).map(|id| Bearer { hotkey: AccountId([id; 32]), load: 0 }).collect()
}

fn body(system: &str, user: &str) -> Vec<u8> {
    let messages = serde_json::json!([
        { "role": "system", "content": system }, { "role": "user", "content": user },
    ]);
    format!(r#"{{"model":"m","temperature":0,"messages":{messages},"stream":true}}"#).into_bytes()
}

/// Keys that differ, as those of many conversations.
fn keys(count: u64) -> impl Iterator<Item = PrefixKey> {
    (0..count).map(|number| PrefixKey(hash(&number.to_le_bytes(), 1)))
}

#[test]
fn a_conversation_keeps_its_key_as_it_grows_and_another_has_another() {
    let system = "You are a careful assistant for the company's own documents. ".repeat(6);
    let first = prefix_key(POLICY, &body(&system, "Hello")).unwrap();
    let second = prefix_key(POLICY, &body(&system, "Hello, and then a longer second question")).unwrap();
    assert_eq!(first, second);
    let other = format!("Now something else. {system}");
    assert_ne!(prefix_key(POLICY, &body(&other, "Hello")).unwrap(), first);
}

#[test]
fn a_short_prompt_and_a_body_without_one_have_no_key() {
    assert_eq!(prefix_key(POLICY, br#"{"messages":[{"content":"hi"}]}"#), None);
    assert_eq!(prefix_key(POLICY, &[b'x'; 1_000]), None);
    assert!(prefix_key(POLICY, format!(r#"{{"input":"{}"}}"#, "a".repeat(200)).as_bytes()).is_some());
}

#[test]
fn keys_spread_over_miners_and_each_always_leads_to_the_same_one() {
    let bearers = bearers(8);
    let mut counts = [0u32; 8];
    for key in keys(8_000) {
        let index = prefer(POLICY, key, &bearers, 1).unwrap();
        assert_eq!(prefer(POLICY, key, &bearers, 1), Some(index));
        counts[index] += 1;
    }
    assert!(counts.iter().all(|count| (850..1_150).contains(count)), "{counts:?}");
}

#[test]
fn a_miner_that_leaves_moves_only_its_own_keys() {
    let all = bearers(8);
    let rest = &all[..7];
    let mut moved = 0;
    for key in keys(8_000) {
        let (before, after) = (prefer(POLICY, key, &all, 1).unwrap(), prefer(POLICY, key, rest, 1).unwrap());
        if before == 7 {
            moved += 1;
        } else {
            assert_eq!(before, after);
        }
    }
    assert!((850..1_150).contains(&moved), "{moved}");
}

#[test]
fn one_key_that_everybody_uses_does_not_overrun_its_miner() {
    let mut bearers = bearers(8);
    let key = keys(1).next().unwrap();
    for call in 1..=8_000u64 {
        let index = prefer(POLICY, key, &bearers, 1).unwrap();
        bearers[index].load += 1;
        let average = call as f64 / 8.0;
        assert!(bearers[index].load as f64 <= average * 1.25 + 1.0, "{} of {average}", bearers[index].load);
    }
}

/// Conversations of eight turns from a steady number of users, each call with the load of its turn; calls end after a while.
#[test]
fn most_turns_of_conversations_find_their_prefix_where_they_left_it() {
    let mut bearers = bearers(6);
    let mut open = std::collections::VecDeque::new();
    let (mut hits, mut turns) = (0u32, 0u32);
    let mut home = std::collections::HashMap::new();
    for turn in 0..8 {
        for (user, key) in keys(600).enumerate() {
            let index = prefer(POLICY, key, &bearers, 10).unwrap();
            bearers[index].load += 10;
            open.push_back(index);
            if open.len() > 90 {
                bearers[open.pop_front().unwrap()].load -= 10;
            }
            let before = home.insert(user, index);
            if turn > 0 {
                turns += 1;
                hits += u32::from(before == Some(index));
            }
        }
    }
    let percent = hits * 100 / turns;
    assert!(percent >= 80, "only {percent} % of the turns hit");
}

#[test]
fn nobody_is_preferred_among_none() {
    assert_eq!(prefer(POLICY, PrefixKey(1), &[], 1), None);
}
