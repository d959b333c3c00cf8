//! Random subnets in the state, and the state as the other implementation takes it.

use localnet::runtime::{
    Runtime, System,
    numbers::{AlphaBalance, MechId, NetUid, NetUidStorageIndex},
    subtensor::{self as pallet, types::ConsensusMode},
};
use serde_json::{Value as Json, json};
use sp_core::H256;
use sp_runtime::{AccountId32, PerU16};

/// The subnet of the tests.
pub const NETUID: NetUid = NetUid::new(7);
/// The block in which the first epoch runs.
const FIRST_BLOCK: u32 = 5_000;
/// The epoch that runs then.
const EPOCH: u64 = 6;

/// Numbers that look random and are the same every time (SplitMix64).
pub struct Numbers(u64);

impl Numbers {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15))
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number in a range, both ends included.
    fn within(&mut self, low: u64, high: u64) -> u64 {
        low + self.next() % (high - low + 1)
    }

    /// Whether something of this likelihood in percent happens.
    fn chance(&mut self, percent: u64) -> bool {
        self.within(1, 100) <= percent
    }

    /// One of these.
    fn one_of<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.within(0, choices.len() as u64 - 1) as usize]
    }

    fn share(&mut self) -> u16 {
        self.within(0, 65_535) as u16
    }
}

/// The hotkey of a neuron.
fn hotkey(uid: u16) -> AccountId32 {
    let mut bytes = [1; 32];
    bytes[..2].copy_from_slice(&uid.to_be_bytes());
    AccountId32::new(bytes)
}

/// Keys of the mechanisms' rows.
pub fn mechanisms() -> Vec<NetUidStorageIndex> {
    let count = pallet::MechanismCountCurrent::<Runtime>::get(NETUID).get();
    (0..count).map(|mechanism| NETUID.index(MechId::new(mechanism))).collect()
}

fn size() -> u16 {
    pallet::SubnetworkN::<Runtime>::get(NETUID)
}

/// Writes a subnet whose epoch is due. The first seeds make the smallest and the largest.
pub fn random_subnet(numbers: &mut Numbers, seed: u64) {
    System::set_block_number(FIRST_BLOCK);
    let size = match seed {
        1..=3 => seed as u16,
        4 => 64,
        _ => numbers.within(2, 48) as u16,
    };
    pallet::NetworksAdded::<Runtime>::insert(NETUID, true);
    pallet::SubnetworkN::<Runtime>::insert(NETUID, size);
    pallet::SubnetEpochIndex::<Runtime>::insert(NETUID, EPOCH - 1);
    pallet::PendingEpochAt::<Runtime>::insert(NETUID, u64::from(FIRST_BLOCK));
    pallet::Tempo::<Runtime>::insert(NETUID, numbers.within(20, 1_000) as u16);
    hyperparameters(numbers, size);
    let count = if numbers.chance(30) { 2 } else { 1 };
    pallet::MechanismCountCurrent::<Runtime>::insert(NETUID, MechId::new(count));
    if count == 2 && numbers.chance(70) {
        let first = numbers.share();
        pallet::MechanismEmissionSplit::<Runtime>::insert(NETUID, vec![first, 65_535 - first]);
    }
    neurons(numbers, size);
    for index in mechanisms() {
        opinions(numbers, index, size);
        for uid in 0..size {
            commits(numbers, index, uid);
        }
    }
    pend(numbers);
}

fn hyperparameters(numbers: &mut Numbers, size: u16) {
    let usually =
        |numbers: &mut Numbers, value: u16| if numbers.chance(50) { value } else { numbers.share() };
    pallet::Kappa::<Runtime>::insert(NETUID, usually(numbers, 32_767).clamp(1_000, 64_000));
    pallet::BondsPenalty::<Runtime>::insert(NETUID, usually(numbers, 65_535));
    pallet::BondsMovingAverage::<Runtime>::insert(NETUID, numbers.one_of(&[900_000, 975_000, 500_000, 0]));
    pallet::MaxAllowedValidators::<Runtime>::insert(NETUID, numbers.within(1, u64::from(size) + 1) as u16);
    pallet::ActivityCutoffFactorMilli::<Runtime>::insert(NETUID, numbers.within(500, 14_000) as u32);
    pallet::Yuma3On::<Runtime>::insert(NETUID, numbers.chance(65));
    pallet::LiquidAlphaOn::<Runtime>::insert(NETUID, numbers.chance(60));
    let modes = [ConsensusMode::Current, ConsensusMode::Previous, ConsensusMode::Auto];
    pallet::LiquidAlphaConsensusMode::<Runtime>::insert(NETUID, numbers.one_of(&modes));
    let (one, other) = (numbers.share(), numbers.share());
    pallet::AlphaValues::<Runtime>::insert(NETUID, (one.min(other), one.max(other)));
    pallet::AlphaSigmoidSteepness::<Runtime>::insert(NETUID, numbers.one_of(&[1_000, 100, 5_000, -700]));
    pallet::CommitRevealWeightsEnabled::<Runtime>::insert(NETUID, numbers.chance(40));
    pallet::RevealPeriodEpochs::<Runtime>::insert(NETUID, numbers.within(1, 2));
    if numbers.chance(30) {
        pallet::StakeThreshold::<Runtime>::put(1_000_000_000_000);
    }
    if numbers.chance(70) {
        let last = u64::from(FIRST_BLOCK) - numbers.within(1, 500);
        pallet::LastMechansimStepBlock::<Runtime>::insert(NETUID, last);
    }
    if numbers.chance(70) {
        // May be the hotkey of nobody.
        pallet::SubnetOwnerHotkey::<Runtime>::insert(NETUID, hotkey(numbers.within(0, size.into()) as u16));
    }
}

fn neurons(numbers: &mut Numbers, size: u16) {
    let mut permits = Vec::new();
    for uid in 0..size {
        let key = hotkey(uid);
        pallet::Keys::<Runtime>::insert(NETUID, uid, &key);
        pallet::Uids::<Runtime>::insert(NETUID, &key, uid);
        let newcomer = numbers.chance(15);
        let registered = if newcomer { numbers.within(4_400, 4_999) } else { numbers.within(1, 2_000) };
        pallet::BlockAtRegistration::<Runtime>::insert(NETUID, uid, registered);
        // From nothing to a million, as often small as large.
        let alpha = if numbers.chance(30) { 0 } else { numbers.next() >> numbers.within(14, 40) };
        pallet::TotalHotkeyAlpha::<Runtime>::insert(&key, NETUID, AlphaBalance::new(alpha));
        if numbers.chance(20) {
            let root = AlphaBalance::new(numbers.next() >> 20);
            pallet::TotalHotkeyAlpha::<Runtime>::insert(&key, NetUid::ROOT, root);
        }
        permits.push(numbers.chance(60));
    }
    pallet::ValidatorPermit::<Runtime>::insert(NETUID, permits);
}

/// Weights, bonds, their age, and the consensus of the epoch before.
fn opinions(numbers: &mut Numbers, index: NetUidStorageIndex, size: u16) {
    let updated = (0..size)
        .map(|_| match numbers.within(0, 9) {
            0 => 0,
            1 => numbers.within(1, 3_000),
            _ => numbers.within(4_000, 4_999),
        })
        .collect::<Vec<u64>>();
    pallet::LastUpdate::<Runtime>::insert(index, updated);
    let previous: Vec<PerU16> = (0..size).map(|_| PerU16::from_parts(numbers.share() / 8)).collect();
    pallet::ConsensusByMechanism::<Runtime>::insert(index, previous);
    for uid in 0..size {
        if numbers.chance(70) {
            pallet::Weights::<Runtime>::insert(index, uid, row(numbers, size));
        }
        if numbers.chance(60) {
            pallet::Bonds::<Runtime>::insert(index, uid, row(numbers, size));
        }
    }
}

/// Some neurons and a number above zero for each.
fn row(numbers: &mut Numbers, size: u16) -> Vec<(u16, u16)> {
    let (full, favourite) = (numbers.chance(30), numbers.within(0, 3 * u64::from(size)) as u16);
    let mut row = Vec::new();
    for column in 0..size {
        if full || column == favourite || numbers.chance(40) {
            row.push((column, numbers.share().max(1)));
        }
    }
    row
}

/// Now and then commits: some that can still be revealed, some that cannot.
fn commits(numbers: &mut Numbers, index: NetUidStorageIndex, uid: u16) {
    if !numbers.chance(30) {
        return;
    }
    let hashed = (0..2u64)
        .map(|_| (H256::zero(), numbers.within(EPOCH - 3, EPOCH), numbers.within(1, 4_999), 0))
        .collect::<Vec<_>>();
    pallet::WeightCommits::<Runtime>::insert(index, hotkey(uid), in_order(hashed));
    let mut timelocked = pallet::TimelockedWeightCommits::<Runtime>::get(index, EPOCH);
    timelocked.push((hotkey(uid), numbers.within(1, 4_999), Default::default(), 0));
    pallet::TimelockedWeightCommits::<Runtime>::insert(index, EPOCH, timelocked);
}

/// Commits are stored as they come: later epochs and blocks last.
fn in_order(mut commits: Vec<(H256, u64, u64, u64)>) -> Vec<(H256, u64, u64, u64)> {
    commits.sort_by_key(|(_, _, block, _)| *block);
    let mut epochs: Vec<u64> = commits.iter().map(|(_, epoch, ..)| *epoch).collect();
    epochs.sort_unstable();
    commits.iter_mut().zip(epochs).for_each(|(commit, epoch)| commit.1 = epoch);
    commits
}

/// What the next epoch pays.
fn pend(numbers: &mut Numbers) {
    let alpha = if numbers.chance(5) { 0 } else { numbers.next() >> numbers.within(24, 34) };
    pallet::PendingServerEmission::<Runtime>::insert(NETUID, AlphaBalance::new(alpha));
    pallet::PendingValidatorEmission::<Runtime>::insert(NETUID, AlphaBalance::new(alpha));
}

/// A tempo later: some have other weights, and another epoch is due.
pub fn change_weights(numbers: &mut Numbers) {
    let block = System::block_number() + u32::from(pallet::Tempo::<Runtime>::get(NETUID));
    System::set_block_number(block);
    for index in mechanisms() {
        let mut updated = pallet::LastUpdate::<Runtime>::get(index);
        for uid in 0..size() {
            if numbers.chance(40) {
                pallet::Weights::<Runtime>::insert(index, uid, row(numbers, size()));
                updated[usize::from(uid)] = u64::from(block) - 1;
            }
        }
        pallet::LastUpdate::<Runtime>::insert(index, updated);
    }
    pend(numbers);
}

/// Everything the epoch of this block depends on.
pub fn read_state() -> Json {
    let uids = || 0..size();
    let staked = |netuid| {
        uids()
            .map(|uid| pallet::TotalHotkeyAlpha::<Runtime>::get(hotkey(uid), netuid).get())
            .collect::<Vec<u64>>()
    };
    let pending = pallet::PendingServerEmission::<Runtime>::get(NETUID)
        .saturating_add(pallet::PendingValidatorEmission::<Runtime>::get(NETUID));
    let mode = format!("{:?}", pallet::LiquidAlphaConsensusMode::<Runtime>::get(NETUID));
    json!({
        "size": size(),
        "block": System::block_number(),
        "tempo": pallet::Tempo::<Runtime>::get(NETUID),
        "last_step": pallet::LastMechansimStepBlock::<Runtime>::get(NETUID),
        "epoch": pallet::SubnetEpochIndex::<Runtime>::get(NETUID) + 1,
        "reveal_period": pallet::RevealPeriodEpochs::<Runtime>::get(NETUID),
        "commit_reveal": pallet::CommitRevealWeightsEnabled::<Runtime>::get(NETUID),
        "owner": pallet::Uids::<Runtime>::get(NETUID, pallet::SubnetOwnerHotkey::<Runtime>::get(NETUID)),
        "alpha": staked(NETUID),
        "root": staked(NetUid::ROOT),
        "tao_weight": pallet::TaoWeight::<Runtime>::get(),
        "stake_threshold": pallet::StakeThreshold::<Runtime>::get(),
        "permits": pallet::ValidatorPermit::<Runtime>::get(NETUID),
        "validators_max": pallet::MaxAllowedValidators::<Runtime>::get(NETUID),
        "registered": uids()
            .map(|uid| pallet::BlockAtRegistration::<Runtime>::get(NETUID, uid))
            .collect::<Vec<u64>>(),
        "activity_factor": pallet::ActivityCutoffFactorMilli::<Runtime>::get(NETUID),
        "kappa": pallet::Kappa::<Runtime>::get(NETUID),
        "bonds_penalty": pallet::BondsPenalty::<Runtime>::get(NETUID),
        "bonds_moving_average": pallet::BondsMovingAverage::<Runtime>::get(NETUID),
        "yuma3": pallet::Yuma3On::<Runtime>::get(NETUID),
        "liquid_alpha": pallet::LiquidAlphaOn::<Runtime>::get(NETUID),
        "alpha_values": pallet::AlphaValues::<Runtime>::get(NETUID),
        "steepness": pallet::AlphaSigmoidSteepness::<Runtime>::get(NETUID),
        "consensus_mode": mode,
        "emission": pending.get(),
        "split": pallet::MechanismEmissionSplit::<Runtime>::get(NETUID),
        "mechanisms": mechanisms().into_iter().map(read_mechanism).collect::<Vec<Json>>(),
    })
}

fn read_mechanism(index: NetUidStorageIndex) -> Json {
    let commits = |uid: u16| {
        let hashed = pallet::WeightCommits::<Runtime>::get(index, hotkey(uid)).unwrap_or_default();
        let mut commits: Vec<(u64, u64)> =
            hashed.into_iter().map(|(_, epoch, block, _)| (epoch, block)).collect();
        for (epoch, timelocked) in pallet::TimelockedWeightCommits::<Runtime>::iter_prefix(index) {
            let own = timelocked.into_iter().filter(|(committer, ..)| *committer == hotkey(uid));
            commits.extend(own.map(|(_, block, ..)| (epoch, block)));
        }
        commits
    };
    let rows = |of: fn(NetUidStorageIndex, u16) -> Vec<(u16, u16)>| {
        (0..size()).map(|uid| of(index, uid)).collect::<Vec<_>>()
    };
    json!({
        "last_update": pallet::LastUpdate::<Runtime>::get(index),
        "weights": rows(pallet::Weights::<Runtime>::get),
        "bonds": rows(pallet::Bonds::<Runtime>::get),
        "commits": (0..size()).map(commits).collect::<Vec<_>>(),
        "previous_consensus": pallet::ConsensusByMechanism::<Runtime>::get(index)
            .iter()
            .map(|share| share.deconstruct())
            .collect::<Vec<u16>>(),
    })
}
