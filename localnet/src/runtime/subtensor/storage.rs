//! The storage of the pallet, in sections.

pub mod administration;
pub mod dormant;
pub mod hyperparameters;
pub mod neurons;
pub mod stake;
pub mod subnets;
