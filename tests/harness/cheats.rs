//! Cheats on a real chain, among miners and among validators, and what the honest make of them. [`play()`] is the whole story.

mod miner;
mod play;
mod tempo;
mod validator;

pub use self::miner::{Cheat, CheatingAxon, Pretence};
pub use self::play::{CaughtMiner, CaughtValidator, Outcome, play};
pub use self::validator::{Spoil, Spoiled, spoil};
