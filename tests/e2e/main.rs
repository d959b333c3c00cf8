//! What the whole subnet promises, on a real chain with real keys, receipts and storage.

mod audit;
mod auditor;
mod challenges;
mod chaos;
mod cheats;
mod dishonest_miners;
mod failures;
mod gateways;
mod miner_papers;
mod operations;
mod processes;
mod receipts;
mod serving;
mod stakers;
mod tls;
mod weights;
