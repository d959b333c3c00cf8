//! What the calls do, one file per family.

mod children;
mod commits;
mod identities;
mod keys;
mod networks;
mod registration;
mod root;
mod serving;
mod staking;
mod subnets;
mod takes;
mod tempo;
mod timelocked;
mod weights;
pub mod work;

pub use commits::{Revealed, RevealedLists};
pub use serving::EndpointError;
pub(crate) use staking::{Limit, Position, Transition, TransitionError};
pub use timelocked::Timelocked;
