//! `config`: the configuration in force, or the documented default file.

use std::io::Write;

use super::CommandError;
use crate::cli::ShowConfig;
use crate::config::{Config, DEFAULT_FILE};

pub(super) fn run(config: &Config, flags: &ShowConfig, out: &mut impl Write) -> Result<(), CommandError> {
    let text = if flags.print_default {
        DEFAULT_FILE.to_owned()
    } else {
        toml::to_string_pretty(config).map_err(CommandError::ShowConfig)?
    };
    out.write_all(text.as_bytes()).map_err(CommandError::Output)
}
