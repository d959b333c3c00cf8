use super::*;
use crate::blocks::BlockRef;
use crate::query::hyperparameters::Hyperparameters;

fn neuron(uid: u16) -> Neuron {
    Neuron {
        uid,
        hotkey: AccountId([uid as u8; 32]),
        coldkey: AccountId([0; 32]),
        axon: None,
        axon_block: 0,
        tls_key: None,
        active: true,
        validator_permit: false,
        stake_rao: 0,
        root_stake_rao: 0,
        stake_weight_rao: 0,
        incentive: 0,
        dividends: 0,
        consensus: 0,
        validator_trust: 0,
        emission_rao: 0,
        last_update: 5,
        registered_at: Some(5),
    }
}

fn metagraph(neurons: Vec<Neuron>) -> Metagraph {
    let block = BlockRef { number: 9, hash: [0; 32] };
    Metagraph { netuid: 64, block, tempo: 20, hyperparameters: Hyperparameters::default(), neurons }
}

fn changed(change: impl FnOnce(&mut Metagraph)) -> MetagraphChanges {
    let before = metagraph((0..4).map(neuron).collect());
    let mut after = before.clone();
    change(&mut after);
    MetagraphChanges::between(&before, &after)
}

#[test]
fn a_later_block_alone_is_no_change() {
    assert!(changed(|after| after.block.number = 10).is_empty());
}

#[test]
fn each_kind_of_change_is_told_apart() {
    type Case = (fn(&mut Neuron), fn(&MetagraphChanges) -> &Vec<u16>);
    let cases: [Case; 6] = [
        (|neuron| neuron.axon = Some(([203, 0, 113, 7], 1).into()), |changes| &changes.axons),
        (|neuron| neuron.tls_key = crate::TlsKey::new(1, [1]).ok(), |changes| &changes.axons),
        (|neuron| neuron.validator_permit = true, |changes| &changes.permits),
        (|neuron| neuron.root_stake_rao = 1, |changes| &changes.stakes),
        (|neuron| neuron.last_update = 9, |changes| &changes.weights),
        (|neuron| neuron.validator_trust = 1, |changes| &changes.scores),
    ];
    for (change, uids) in cases {
        let changes = changed(|after| change(&mut after.neurons[2]));
        assert_eq!(uids(&changes), &[2]);
        let others = [&changes.axons, &changes.permits, &changes.stakes, &changes.weights, &changes.scores];
        assert_eq!(others.iter().map(|uids| uids.len()).sum::<usize>(), 1, "{changes:?}");
        assert!(changes.registered.is_empty() && changes.pruned.is_empty() && !changes.rules);
    }
    assert!(changed(|after| after.hyperparameters.burn_rao += 1).rules);
}

#[test]
fn a_uid_that_changed_hands_is_a_registration_and_a_pruning() {
    let changes = changed(|after| {
        after.neurons[1].hotkey = AccountId([9; 32]);
        after.neurons[1].last_update = 9;
        after.neurons.push(neuron(4));
    });
    let expected = MetagraphChanges {
        registered: vec![1, 4],
        pruned: vec![AccountId([1; 32])],
        ..MetagraphChanges::default()
    };
    assert_eq!(changes, expected);
}

#[test]
fn the_same_key_registered_anew_counts_as_registered() {
    let changes = changed(|after| after.neurons[1].registered_at = Some(8));
    assert_eq!((changes.registered, changes.pruned), (vec![1], vec![]));
}
