//! The storage of the pallet, in four sections.

pub mod hyperparameters;
pub mod neurons;
pub mod stake;
pub mod subnets;
