//! The fields of a metagraph: the whole one, and `SubnetInfoRuntimeApi.get_selective_metagraph`, which has those that a client
//! asks for by number.

use parity_scale_codec::{Compact, Decode, Encode};
use scale_info::TypeInfo;
use sp_runtime::{AccountId32, PerU16};

use crate::runtime::{
    numbers::{AlphaBalance, I96F32, MechId, NetUid, TaoBalance},
    subtensor::{
        Config, Pallet,
        types::{AxonInfo, ChainIdentityV2, SubnetIdentityV3},
    },
};

/// Most fields one call may ask for.
const FIELDS_MAX: usize = 77;
/// Number of the uids with a validator permit, which the whole metagraph does not have.
const VALIDATORS: u16 = 72;
/// Number of the commitments, which the whole metagraph does not have.
const COMMITMENTS: u16 = 73;

/// Both metagraphs, and how the selective one is taken from the whole one: each field with its number.
macro_rules! metagraphs {
    ($($number:literal $field:ident: $type:ty,)*) => {
        /// A subnet and its neurons; vectors are by uid.
        #[derive(Clone, Debug, Decode, Encode, Eq, PartialEq, TypeInfo)]
        #[allow(missing_docs, reason = "the fields are their names")]
        pub struct Metagraph<AccountId> {
            pub netuid: Compact<NetUid>,
            $(pub $field: $type,)*
            pub collateral_locked: Vec<Compact<AlphaBalance>>,
            pub collateral_min: Vec<Compact<AlphaBalance>>,
            pub collateral_earned: Vec<Compact<AlphaBalance>>,
        }

        /// A metagraph of which only some fields are there.
        #[derive(Clone, Debug, Decode, Encode, Eq, PartialEq, TypeInfo)]
        #[allow(missing_docs, reason = "the fields are their names")]
        pub struct SelectiveMetagraph<AccountId> {
            pub netuid: Compact<NetUid>,
            $(pub $field: Option<$type>,)*
            pub validators: Option<Vec<Compact<u16>>>,
            pub commitments: Option<Vec<(AccountId, Vec<Compact<u8>>)>>,
            pub collateral_locked: Option<Vec<Compact<AlphaBalance>>>,
            pub collateral_min: Option<Vec<Compact<AlphaBalance>>>,
            pub collateral_earned: Option<Vec<Compact<AlphaBalance>>>,
        }

        impl SelectiveMetagraph<AccountId32> {
            /// The fields of `whole` with these numbers, and validators and commitments if they are among them.
            fn of(
                whole: Metagraph<AccountId32>,
                numbers: &[u16],
                commitments: impl FnOnce() -> Vec<(AccountId32, Vec<Compact<u8>>)>,
            ) -> Self {
                let wants = |number: u16| numbers.contains(&number);
                let permits = whole.validator_permit.clone();
                let validators = || {
                    let permitted = (0u16..).zip(permits).filter(|(_, permit)| *permit);
                    permitted.map(|(uid, _)| Compact(uid)).collect()
                };
                Self {
                    netuid: whole.netuid,
                    $($field: wants($number).then_some(whole.$field),)*
                    validators: wants(VALIDATORS).then(validators),
                    commitments: wants(COMMITMENTS).then(commitments),
                    collateral_locked: wants(74).then_some(whole.collateral_locked),
                    collateral_min: wants(75).then_some(whole.collateral_min),
                    collateral_earned: wants(76).then_some(whole.collateral_earned),
                }
            }
        }
    };
}

metagraphs! {
    1 name: Vec<Compact<u8>>,
    2 symbol: Vec<Compact<u8>>,
    3 identity: Option<SubnetIdentityV3>,
    4 network_registered_at: Compact<u64>,
    5 owner_hotkey: AccountId,
    6 owner_coldkey: AccountId,
    7 block: Compact<u64>,
    8 tempo: Compact<u16>,
    9 last_step: Compact<u64>,
    10 blocks_since_last_step: Compact<u64>,
    11 subnet_emission: Compact<u64>,
    12 alpha_in: Compact<AlphaBalance>,
    13 alpha_out: Compact<AlphaBalance>,
    14 tao_in: Compact<TaoBalance>,
    15 alpha_out_emission: Compact<AlphaBalance>,
    16 alpha_in_emission: Compact<AlphaBalance>,
    17 tao_in_emission: Compact<TaoBalance>,
    18 pending_alpha_emission: Compact<AlphaBalance>,
    19 pending_root_emission: Compact<TaoBalance>,
    20 subnet_volume: Compact<u128>,
    21 moving_price: I96F32,
    22 rho: Compact<u16>,
    23 kappa: Compact<u16>,
    24 min_allowed_weights: Compact<u16>,
    25 max_weights_limit: Compact<u16>,
    26 weights_version: Compact<u64>,
    27 weights_rate_limit: Compact<u64>,
    28 activity_cutoff: Compact<u64>,
    29 max_validators: Compact<u16>,
    30 num_uids: Compact<u16>,
    31 max_uids: Compact<u16>,
    32 burn: Compact<TaoBalance>,
    33 difficulty: Compact<u64>,
    34 registration_allowed: bool,
    35 pow_registration_allowed: bool,
    36 immunity_period: Compact<u16>,
    37 min_difficulty: Compact<u64>,
    38 max_difficulty: Compact<u64>,
    39 min_burn: Compact<TaoBalance>,
    40 max_burn: Compact<TaoBalance>,
    41 adjustment_alpha: Compact<u64>,
    42 adjustment_interval: Compact<u16>,
    43 target_regs_per_interval: Compact<u16>,
    44 max_regs_per_block: Compact<u16>,
    45 serving_rate_limit: Compact<u64>,
    46 commit_reveal_weights_enabled: bool,
    47 commit_reveal_period: Compact<u64>,
    48 liquid_alpha_enabled: bool,
    49 alpha_high: Compact<u16>,
    50 alpha_low: Compact<u16>,
    51 bonds_moving_avg: Compact<u64>,
    52 hotkeys: Vec<AccountId>,
    53 coldkeys: Vec<AccountId>,
    54 identities: Vec<Option<ChainIdentityV2>>,
    55 axons: Vec<AxonInfo>,
    56 active: Vec<bool>,
    57 validator_permit: Vec<bool>,
    58 pruning_score: Vec<Compact<u16>>,
    59 last_update: Vec<Compact<u64>>,
    60 emission: Vec<Compact<AlphaBalance>>,
    61 dividends: Vec<Compact<PerU16>>,
    62 incentives: Vec<Compact<PerU16>>,
    63 consensus: Vec<Compact<PerU16>>,
    64 trust: Vec<Compact<PerU16>>,
    65 rank: Vec<Compact<u16>>,
    66 block_at_registration: Vec<Compact<u64>>,
    67 alpha_stake: Vec<Compact<AlphaBalance>>,
    68 tao_stake: Vec<Compact<TaoBalance>>,
    69 total_stake: Vec<Compact<TaoBalance>>,
    70 tao_dividends_per_hotkey: Vec<(AccountId, Compact<TaoBalance>)>,
    71 alpha_dividends_per_hotkey: Vec<(AccountId, Compact<AlphaBalance>)>,
}

impl<T: Config> Pallet<T> {
    /// Some fields of a subnet as one mechanism sees it; `commitments` are asked for only if wanted. `None` for more numbers
    /// than there are fields.
    pub fn selective_metagraph(
        netuid: NetUid,
        mechanism: MechId,
        numbers: &[u16],
        commitments: impl FnOnce() -> Vec<(AccountId32, Vec<Compact<u8>>)>,
    ) -> Option<SelectiveMetagraph<AccountId32>> {
        if numbers.len() > FIELDS_MAX {
            return None;
        }
        Some(SelectiveMetagraph::of(Self::mechagraph(netuid, mechanism)?, numbers, commitments))
    }
}
