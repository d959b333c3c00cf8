//! The `SubtensorModule` pallet: registration, serving, weights, stake, and the epoch that pays for them.
//!
//! Names, indices, types, hashers and defaults are those of the pinned metadata (spec 461). FRAME wants one module per
//! pallet, so its parts are sections imported below; what a call does stands in `calls/`, what an epoch does in `epoch/`,
//! what the runtime APIs answer in `info/`.

use frame_support::pallet_macros::import_section;

pub mod calls;
mod claims;
mod constants;
mod defaults;
mod dispatches;
mod emission;
pub mod epoch;
mod errors;
mod events;
pub mod genesis;
pub mod guards;
pub mod info;
mod inheritance;
pub mod pool;
mod prune;
pub mod rate_limits;
mod stake;
mod storage;
mod treasury;
mod trim;
pub mod types;

pub use calls::{EndpointError, Revealed, RevealedLists, Timelocked};
pub use pallet::*;

use storage::{administration, dormant, hyperparameters, neurons, stake as stake_items, subnets};

#[import_section(administration::administration)]
#[import_section(constants::constants)]
#[import_section(dispatches::dispatches)]
#[import_section(dormant::dormant)]
#[import_section(errors::errors)]
#[import_section(events::events)]
#[import_section(hyperparameters::hyperparameters)]
#[import_section(neurons::neurons)]
#[import_section(stake_items::stake)]
#[import_section(subnets::subnets)]
#[frame_support::pallet]
#[allow(missing_docs, reason = "the names are the chain's own; FRAME generates items without documentation")]
#[allow(clippy::too_many_arguments, reason = "the calls have the chain's arguments")]
pub mod pallet {
    use std::collections::{BTreeMap, BTreeSet};

    use frame_support::{
        pallet_prelude::*,
        traits::{ConstBool, ConstI16, ConstU8, ConstU16, ConstU32, ConstU64},
    };
    use frame_system::pallet_prelude::*;
    use parity_scale_codec::Compact;
    use sp_core::{H160, H256};
    use sp_runtime::{AccountId32, PerU16};

    use super::calls::{Revealed, RevealedLists, Timelocked};
    use super::{
        calls::{Limit, Position, work::Work},
        defaults::{Fixed, Mechanisms, Pair, Rao, Share, Tau, ZeroAccount},
        rate_limits::RateLimitKey,
        types::{
            AxonInfo, ChainIdentityV2, CommitBytesMax, ConsensusMode, EpochConsensus, MinerCollateralState,
            NeuronCertificate, PrometheusInfo, RecycleOrBurnEnum, SubnetIdentityV3,
            dormant::{LockState, SubnetLease},
        },
    };
    use crate::runtime::{
        drand,
        numbers::{
            AlphaBalance, I64F64, I96F32, MechId, NetUid, NetUidStorageIndex, SafeFloat, TaoBalance, U64F64,
            U96F32,
        },
        swap,
    };

    #[pallet::pallet]
    #[pallet::without_storage_info]
    pub struct Pallet<T>(_);

    #[pallet::config]
    pub trait Config:
        frame_system::Config<AccountId = AccountId32, RuntimeEvent: From<Event<Self>>>
        + pallet_balances::Config<Balance = TaoBalance>
        + drand::Config
        + swap::Config
    {
    }

    #[pallet::hooks]
    impl<T: Config> Hooks<BlockNumberFor<T>> for Pallet<T> {
        fn on_initialize(_block: BlockNumberFor<T>) -> Weight {
            Self::decay_burn_prices();
            Self::accrue_block_emission();
            Self::reveal_timelocked_weights();
            Self::run_due_epochs();
            Weight::zero()
        }

        fn on_finalize(_block: BlockNumberFor<T>) {
            Self::note_issuance();
        }
    }
}
