//! What nodes of this subnet must agree on before they speak: identities, signed requests, tickets, receipts,
//! the Merkle log, compute units, scores and the OpenAI wire types both sides parse.
//!
//! The entry test for a type: must two different nodes compute or check it? Everything here is pure. There is
//! no I/O, no clock, no randomness and no async; time is an argument, and every limit is a constant beside
//! the type that it limits. Floating point appears only in [`openai`], where the wire format asks for it.
//!
//! A value's type says what has been checked:
//!
//! ```text
//! RawHeaders -> VerifiedCaller                      (btauth)
//! SignedTicket -> ValidTicket                       (ticket)
//! SignedReceipt -> MinerSigned -> Countersigned     (receipt)
//! UncheckedCountersigned -> Countersigned           (receipt, read back or received)
//! SignedHead -> ValidHead                           (head)
//! SignedPolicyDocument -> PolicyDocument            (policy_document)
//! SignedCatalogue -> CatalogueDocument              (catalogue_document)
//! SignedManifest -> Manifest                        (manifest)
//! SignedEvidence -> ValidEvidence                   (evidence)
//! SignedChallenge -> &Challenge, SignedAnswer       (challenge)
//! leaves + heads -> Replayed                        (replay)
//! ChatRequest -> ValidChatRequest                   (openai)
//! ```
#![forbid(unsafe_code)]
#![cfg_attr(
    not(test),
    deny(
        clippy::arithmetic_side_effects,
        clippy::float_arithmetic,
        clippy::indexing_slicing,
        clippy::panic,
        clippy::unwrap_used
    )
)]

pub mod account;
mod bounded;
pub mod bounty;
pub mod btauth;
pub mod cancel;
pub mod catalogue;
pub mod catalogue_document;
pub mod challenge;
pub mod countersigned;
pub mod demand;
pub mod digest;
pub mod dispute;
pub mod evidence;
pub mod fingerprint;
#[cfg(test)]
mod fixtures;
pub mod head;
pub mod header;
pub mod inventory;
pub mod manifest;
pub mod merkle;
pub mod openai;
pub mod policy_document;
pub mod receipt;
pub mod replay;
pub mod scoring;
pub mod signing;
pub mod standing;
mod text;
pub mod ticket;
#[cfg(test)]
mod vectors;
pub mod weight_tree;

pub use account::AccountId;
pub use digest::Digest;
