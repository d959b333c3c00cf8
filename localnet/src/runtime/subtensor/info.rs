//! What the runtime APIs answer: views of the state in the shapes of the pinned metadata.

mod baskets;
mod delegates;
mod dynamic;
mod hyperparameters;
mod metagraph;
mod neurons;
mod selective;
mod stakes;
mod state;
mod subnets;

pub use baskets::{
    BasketHolding, BasketPosition, BasketSummary, BasketTradingStatus, BetaPosition, BetaPricing,
    BetaPricingPage,
};
pub use delegates::{DelegateInfo, Delegation};
pub use dynamic::DynamicInfo;
pub use hyperparameters::{HyperparamEntry, HyperparamValue};
pub use neurons::{NeuronInfo, NeuronInfoLite};
pub use selective::{Metagraph, SelectiveMetagraph};
pub use stakes::{StakeAvailability, StakeInfo};
pub use state::SubnetState;
pub use subnets::{SubnetHyperparams, SubnetHyperparamsV2, SubnetInfo, SubnetInfov2};
