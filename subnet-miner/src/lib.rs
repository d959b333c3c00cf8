//! The miner: serves models to the subnet's validators and signs a receipt for every answer.
//!
//! [`Miner::bind`](miner::Miner::bind) puts the parts together: the hotkey and its [`receipts`], the [`models`], the chain
//! (followed by [`chain_watch`], which feeds [`validators`] and the [`axon_publisher`]), and the [`axon`], where validators'
//! requests arrive. The axon itself knows nothing of the chain: who may call is a value that changes under it.
#![forbid(unsafe_code)]

pub mod axon;
pub mod axon_publisher;
pub mod catalogues;
pub mod chain_watch;
pub mod cli;
mod clock;
pub mod command;
pub mod config;
pub mod demand;
pub mod device;
pub mod doctor;
pub mod miner;
pub mod models;
pub mod operations;
pub mod permits;
pub mod receipts;
pub mod residency;
pub mod simulate;
pub mod store;
pub mod strategist;
pub mod top;
pub mod validators;
pub mod weights_on_disk;
