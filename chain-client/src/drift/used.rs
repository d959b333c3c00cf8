//! What this crate uses of the runtime's interface. A test reads the crate's sources and fails when this list differs from
//! what stands there, so it cannot rot.

use super::{Item, Kind};

macro_rules! used {
    ($($kind:ident $group:ident . $name:ident;)*) => {
        /// Sorted by kind, group and name.
        pub(super) const USED: &[Item] =
            &[$(Item { kind: Kind::$kind, group: stringify!($group), name: stringify!($name) }),*];
    };
}

used! {
    Call Balances.transfer_keep_alive;
    Call Commitments.set_commitment;
    Call SubtensorModule.add_stake;
    Call SubtensorModule.burned_register;
    Call SubtensorModule.commit_mechanism_weights;
    Call SubtensorModule.commit_timelocked_mechanism_weights;
    Call SubtensorModule.reveal_mechanism_weights;
    Call SubtensorModule.serve_axon;
    Call SubtensorModule.set_mechanism_weights;
    Storage Commitments.CommitmentOf;
    Storage Drand.BeaconConfig;
    Storage Drand.LastStoredRound;
    Storage SubtensorModule.BlockAtRegistration;
    Storage SubtensorModule.BlocksSinceLastStep;
    Storage SubtensorModule.Burn;
    Storage SubtensorModule.CommitRevealWeightsEnabled;
    Storage SubtensorModule.CommitRevealWeightsVersion;
    Storage SubtensorModule.ImmunityPeriod;
    Storage SubtensorModule.LastEpochBlock;
    Storage SubtensorModule.LastUpdate;
    Storage SubtensorModule.MaxAllowedUids;
    Storage SubtensorModule.MaxWeightsLimit;
    Storage SubtensorModule.MechanismCountCurrent;
    Storage SubtensorModule.MinAllowedWeights;
    Storage SubtensorModule.NetworkRegistrationAllowed;
    Storage SubtensorModule.NetworksAdded;
    Storage SubtensorModule.PendingEpochAt;
    Storage SubtensorModule.RevealPeriodEpochs;
    Storage SubtensorModule.ServingRateLimit;
    Storage SubtensorModule.SubnetEpochIndex;
    Storage SubtensorModule.SubnetOwnerHotkey;
    Storage SubtensorModule.SubnetworkN;
    Storage SubtensorModule.Tempo;
    Storage SubtensorModule.Uids;
    Storage SubtensorModule.ValidatorPermit;
    Storage SubtensorModule.WeightCommits;
    Storage SubtensorModule.Weights;
    Storage SubtensorModule.WeightsSetRateLimit;
    Storage SubtensorModule.WeightsVersionKey;
    Storage System.Account;
    Storage Timestamp.Now;
    Constant Aura.SlotDuration;
    RuntimeApi NeuronInfoRuntimeApi.get_neurons_lite;
}
