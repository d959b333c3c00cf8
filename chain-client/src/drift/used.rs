//! What this crate uses of the runtime's interface. A test reads the crate's sources and fails when this list differs from
//! what stands there, so it cannot rot.
//!
//! Left out on purpose: `System.Events` and `TransactionPaymentApi.query_info`, whose types hold every pallet's events and
//! calls. They change with each unrelated pallet, and are decoded with the live metadata, or by hand from its first bytes.
//! `SubtensorModule.pow_register` is not in the pinned metadata and is looked for in the live one before each use.

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
    Call SubtensorModule.register_limit;
    Call SubtensorModule.reveal_mechanism_weights;
    Call SubtensorModule.serve_axon;
    Call SubtensorModule.serve_axon_tls;
    Call SubtensorModule.set_mechanism_weights;
    Storage Commitments.CommitmentOf;
    Storage Drand.BeaconConfig;
    Storage Drand.LastStoredRound;
    Storage SubtensorModule.AlphaDividendsPerSubnet;
    Storage SubtensorModule.Axons;
    Storage SubtensorModule.BlockAtRegistration;
    Storage SubtensorModule.BlocksSinceLastStep;
    Storage SubtensorModule.Burn;
    Storage SubtensorModule.BurnHalfLife;
    Storage SubtensorModule.CommitRevealWeightsEnabled;
    Storage SubtensorModule.CommitRevealWeightsVersion;
    Storage SubtensorModule.Delegates;
    Storage SubtensorModule.Difficulty;
    Storage SubtensorModule.ImmunityPeriod;
    Storage SubtensorModule.LastEpochBlock;
    Storage SubtensorModule.LastUpdate;
    Storage SubtensorModule.MaxAllowedUids;
    Storage SubtensorModule.MaxRegistrationsPerBlock;
    Storage SubtensorModule.MaxWeightsLimit;
    Storage SubtensorModule.MechanismCountCurrent;
    Storage SubtensorModule.MinAllowedWeights;
    Storage SubtensorModule.MinBurn;
    Storage SubtensorModule.MinerBurned;
    Storage SubtensorModule.NetworkPowRegistrationAllowed;
    Storage SubtensorModule.NetworkRegistrationAllowed;
    Storage SubtensorModule.NetworksAdded;
    Storage SubtensorModule.NeuronCertificates;
    Storage SubtensorModule.Owner;
    Storage SubtensorModule.OwnerCutEnabled;
    Storage SubtensorModule.PendingEpochAt;
    Storage SubtensorModule.RegistrationsThisBlock;
    Storage SubtensorModule.RevealPeriodEpochs;
    Storage SubtensorModule.RootProp;
    Storage SubtensorModule.ServingRateLimit;
    Storage SubtensorModule.SubnetAlphaIn;
    Storage SubtensorModule.SubnetAlphaInEmission;
    Storage SubtensorModule.SubnetAlphaOut;
    Storage SubtensorModule.SubnetAlphaOutEmission;
    Storage SubtensorModule.SubnetEmissionEnabled;
    Storage SubtensorModule.SubnetEpochIndex;
    Storage SubtensorModule.SubnetExcessTao;
    Storage SubtensorModule.SubnetMovingPrice;
    Storage SubtensorModule.SubnetOwnerCut;
    Storage SubtensorModule.SubnetOwnerHotkey;
    Storage SubtensorModule.SubnetTAO;
    Storage SubtensorModule.SubnetTaoInEmission;
    Storage SubtensorModule.SubnetVolume;
    Storage SubtensorModule.SubnetworkN;
    Storage SubtensorModule.Tempo;
    Storage SubtensorModule.TokenSymbol;
    Storage SubtensorModule.TotalHotkeyAlpha;
    Storage SubtensorModule.Uids;
    Storage SubtensorModule.ValidatorPermit;
    Storage SubtensorModule.ValidatorTrust;
    Storage SubtensorModule.WeightCommits;
    Storage SubtensorModule.Weights;
    Storage SubtensorModule.WeightsSetRateLimit;
    Storage SubtensorModule.WeightsVersionKey;
    Storage System.Account;
    Storage Timestamp.Now;
    Constant Aura.SlotDuration;
    Constant Balances.ExistentialDeposit;
    RuntimeApi StakeInfoRuntimeApi.get_stake_info_for_coldkey;
    RuntimeApi SubnetInfoRuntimeApi.get_block_emission;
    RuntimeApi SubnetInfoRuntimeApi.get_metagraph;
    RuntimeApi SubnetInfoRuntimeApi.get_subnet_hyperparams_v3;
    RuntimeApi SwapRuntimeApi.current_alpha_price;
    RuntimeApi SwapRuntimeApi.sim_swap_alpha_for_tao;
    RuntimeApi SwapRuntimeApi.sim_swap_tao_for_alpha;
}
