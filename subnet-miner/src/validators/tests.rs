//! Which gateways are followed.

use std::num::NonZeroUsize;

use protocol::account::AccountId;

use super::*;

const SMALL: AccountId = AccountId([1; 32]);
const LARGE: AccountId = AccountId([2; 32]);
const SILENT: AccountId = AccountId([3; 32]);
const DENIED: AccountId = AccountId([4; 32]);
const STRANGER: AccountId = AccountId([5; 32]);

fn neuron(hotkey: AccountId, stake_rao: u64, axon: Option<&str>) -> Neuron {
    Neuron {
        uid: hotkey.0[0].into(),
        hotkey,
        coldkey: hotkey,
        axon: axon.map(|axon| axon.parse().unwrap()),
        axon_block: 1,
        tls_key: None,
        active: true,
        validator_permit: hotkey != STRANGER,
        stake_rao,
        root_stake_rao: 0,
        stake_weight_rao: stake_rao,
        incentive: 0,
        dividends: 0,
        consensus: 0,
        validator_trust: 0,
        emission_rao: 0,
        last_update: 0,
        registered_at: None,
    }
}

fn neurons() -> [Neuron; 5] {
    [
        neuron(SMALL, 10, Some("203.0.113.1:8064")),
        neuron(LARGE, 20, Some("203.0.113.2:8064")),
        neuron(SILENT, 30, None),
        neuron(DENIED, 40, Some("203.0.113.4:8064")),
        neuron(STRANGER, 50, Some("203.0.113.5:8064")),
    ]
}

fn permits() -> Permits {
    let policy = PermitPolicy { deny: [DENIED].into(), ..PermitPolicy::default() };
    Permits::of(policy, [SMALL, LARGE, SILENT, DENIED], 0)
}

fn found(config: &DemandConfig, listed: &Sources) -> Vec<(AccountId, String)> {
    gateways(config, listed, &permits(), &neurons()).into_iter().collect()
}

#[test]
fn announced_gateways_of_validators_that_may_call_are_followed_and_nobody_elses() {
    let config = DemandConfig::default();
    let expected =
        [(SMALL, "http://203.0.113.1:8064".to_owned()), (LARGE, "http://203.0.113.2:8064".to_owned())];
    assert_eq!(found(&config, &Sources::new()), expected);
    let config = DemandConfig { follow_announced: false, ..config };
    assert_eq!(found(&config, &Sources::new()), []);
}

#[test]
fn the_operators_list_wins_and_the_largest_stake_gets_the_room_that_is_left() {
    let listed: Sources =
        [(SMALL, "http://10.0.0.1:1".to_owned()), (STRANGER, "http://10.0.0.5:1".to_owned())].into();
    let three = DemandConfig { validators_max: NonZeroUsize::new(3).unwrap(), ..DemandConfig::default() };
    let expected = [
        (SMALL, "http://10.0.0.1:1".to_owned()),
        (LARGE, "http://203.0.113.2:8064".to_owned()),
        (STRANGER, "http://10.0.0.5:1".to_owned()),
    ];
    assert_eq!(found(&three, &listed), expected);
    let one = DemandConfig { validators_max: NonZeroUsize::MIN, ..DemandConfig::default() };
    assert_eq!(found(&one, &Sources::new()), [(LARGE, "http://203.0.113.2:8064".to_owned())]);
}
