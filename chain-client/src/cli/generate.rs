//! What packages and documents are made from: shell completions, man pages, and the reference page of a program.

use std::fmt::Write as _;
use std::io::{self, Write};
use std::path::PathBuf;

use clap::{Arg, Command, Subcommand};
use clap_complete::Shell;

/// Hidden commands for whoever packages a program.
#[derive(Debug, Subcommand)]
pub enum Generate {
    /// Print the completions of a shell.
    Completions {
        /// The shell.
        shell: Shell,
    },
    /// Write one man page for each command.
    Man {
        /// The folder, which must exist.
        #[arg(long, value_name = "FOLDER")]
        out: PathBuf,
    },
    /// Print the reference page: every command, flag and setting.
    Reference,
}

impl Generate {
    /// Does it for the program that `command` describes and whose documented default configuration is `settings`.
    pub fn run(&self, mut command: Command, settings: &str, out: &mut impl Write) -> io::Result<()> {
        match self {
            Self::Completions { shell } => {
                let name = command.get_name().to_owned();
                let mut text = Vec::new();
                clap_complete::generate(*shell, &mut command, name, &mut text);
                out.write_all(&text)
            }
            Self::Man { out } => clap_mangen::generate_to(command, out),
            Self::Reference => out.write_all(reference(command, settings).as_bytes()),
        }
    }
}

/// The reference page (Markdown) of a program.
#[must_use]
pub fn reference(command: Command, settings: &str) -> String {
    // The commands of `help` say everything a second time.
    let mut command = command.disable_help_subcommand(true);
    command.build();
    let name = command.get_name().to_owned();
    let mut page = format!(
        "# {name}\n\nMade from the program itself by `{name} generate reference` (`scripts/update-reference --check` compares).\n\n{}\n\n",
        about(&command)
    );
    page.push_str("## Flags of every command\n\n");
    flags(&mut page, command.get_arguments().filter(|argument| argument.is_global_set()));
    page.push_str("## Commands\n\n");
    for inner in command.get_subcommands().filter(|inner| !inner.is_hide_set()) {
        commands(&mut page, &name, inner);
    }
    page.push_str("## Configuration\n\n");
    let variables = name.to_uppercase().replace('-', "_");
    let _ = write!(
        page,
        "Highest first: flags, `BT_*` variables, variables such as `{variables}__TABLE__SETTING`, the file given with `--config`, the \
         defaults below. An unknown setting is refused. `{name} config check` reads it all as `run` would and says what is wrong.\n\n\
         ```toml\n{}\n```\n",
        settings.trim_end()
    );
    page
}

fn commands(page: &mut String, above: &str, command: &Command) {
    let path = format!("{above} {}", command.get_name());
    let _ = write!(page, "### `{path}`\n\n{}\n\n", about(command));
    let own = |argument: &&Arg| !argument.is_global_set() && !argument.is_hide_set();
    flags(page, command.get_arguments().filter(own));
    for inner in command.get_subcommands().filter(|inner| !inner.is_hide_set() && inner.get_name() != "help")
    {
        commands(page, &path, inner);
    }
}

fn flags<'a>(page: &mut String, arguments: impl Iterator<Item = &'a Arg>) {
    let shown = |argument: &&Arg| {
        !argument.is_hide_set() && !matches!(argument.get_id().as_str(), "help" | "version")
    };
    let rows: Vec<String> = arguments.filter(shown).map(row).collect();
    if !rows.is_empty() {
        let _ = write!(page, "| flag | meaning |\n|---|---|\n{}\n", rows.concat());
    }
}

fn row(argument: &Arg) -> String {
    let values = argument.get_value_names().filter(|_| argument.get_action().takes_values());
    let value =
        values.map(|names| names.iter().map(|name| format!("<{name}>")).collect::<Vec<_>>().join(" "));
    let long = argument.get_long().map(|long| format!("--{long}"));
    let short = argument.get_short().map(|short| format!("-{short}"));
    let names: Vec<String> = short.into_iter().chain(long).collect();
    let mut flag = names.join(", ");
    if let Some(value) = value {
        flag = if flag.is_empty() { value } else { format!("{flag} {value}") };
    }
    let help = argument.get_long_help().or(argument.get_help());
    let mut meaning =
        help.map(ToString::to_string).unwrap_or_default().replace('\n', " ").replace('|', "\\|");
    let defaults: Vec<_> =
        argument.get_default_values().iter().map(|value| value.to_string_lossy()).collect();
    let default = defaults.join(" ");
    if argument.get_action().takes_values() && !default.is_empty() {
        let _ = write!(meaning, " Default: `{default}`.");
    }
    if let Some(variable) = argument.get_env() {
        let _ = write!(meaning, " Also `{}`.", variable.to_string_lossy());
    }
    format!("| `{flag}` | {meaning} |\n")
}

fn about(command: &Command) -> String {
    let about = command.get_long_about().or(command.get_about());
    about.map(ToString::to_string).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::{Generate, reference};
    use clap::{Arg, ArgAction, Command};
    use clap_complete::Shell;

    fn program() -> Command {
        let everywhere = Arg::new("where")
            .long("where")
            .short('w')
            .global(true)
            .value_name("PLACE")
            .env("PLACE")
            .help("Where.");
        let secret = Arg::new("secret").long("secret").hide(true);
        let count = Arg::new("count").long("count").value_name("N").default_value("3").help("How many; a|b.");
        let fast = Arg::new("fast").long("fast").action(ArgAction::SetTrue).help("Quickly.");
        let run = Command::new("run").about("Does it.").args([count, fast, secret]);
        let hidden = Command::new("generate").hide(true);
        Command::new("doer").about("A program.").arg(everywhere).subcommands([run, hidden])
    }

    #[test]
    fn the_reference_shows_what_people_use_and_hides_what_they_should_not() {
        let page = reference(program(), "# Where.\nplace = 1\n");
        for line in [
            "| `-w, --where <PLACE>` | Where. Also `PLACE`. |",
            "### `doer run`",
            "| `--count <N>` | How many; a\\|b. Default: `3`. |",
            "| `--fast` | Quickly. |",
            "place = 1",
            "`DOER__TABLE__SETTING`",
        ] {
            assert!(page.contains(line), "{line} is not in\n{page}");
        }
        assert!(!page.contains("--secret") && !page.contains("### `doer generate`"), "{page}");
        assert_eq!(page.matches("--where").count(), 1, "a flag of every command is told once");
    }

    #[test]
    fn completions_and_man_pages_name_the_commands() {
        for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
            let mut text = Vec::new();
            Generate::Completions { shell }.run(program(), "", &mut text).unwrap();
            assert!(String::from_utf8(text).unwrap().contains("count"), "{shell}");
        }
        let folder = tempfile::tempdir().unwrap();
        Generate::Man { out: folder.path().to_owned() }.run(program(), "", &mut Vec::new()).unwrap();
        let page = std::fs::read_to_string(folder.path().join("doer-run.1")).unwrap();
        assert!(page.contains("How many"), "{page}");
    }
}
