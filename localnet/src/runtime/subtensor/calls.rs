//! What the calls do, one file per family.

mod commits;
mod registration;
mod serving;
mod staking;
mod subnets;
mod tempo;
mod timelocked;
mod weights;

pub use commits::{Revealed, RevealedLists};
pub use serving::EndpointError;
pub use timelocked::Timelocked;
