//! Rules of the house that a compiler does not check. Each failure names the file and says what to do instead.

mod commands;
mod dependencies;
mod documents;
mod fingerprints;
mod repository;
mod source;
mod wire_formats;
