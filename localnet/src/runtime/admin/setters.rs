//! What the calls do, one file per subject.

mod chain;
mod epochs;
mod registration;
mod subnet;
mod weights;
