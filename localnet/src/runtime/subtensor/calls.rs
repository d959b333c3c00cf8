//! What the calls do, one file per family.

mod registration;
mod serving;
mod staking;
mod subnets;
mod tempo;
mod weights;

pub use serving::EndpointError;
