//! What the runtime APIs answer: views of the state in the shapes of the pinned metadata.

mod dynamic;
mod hyperparameters;
mod metagraph;
mod neurons;
mod stakes;

pub use dynamic::DynamicInfo;
pub use hyperparameters::{HyperparamEntry, HyperparamValue};
pub use metagraph::Metagraph;
pub use neurons::{NeuronInfo, NeuronInfoLite};
pub use stakes::{StakeAvailability, StakeInfo};
