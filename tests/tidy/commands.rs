//! Commands, flags and settings that documents tell people to use: all of them exist.
//!
//! What exists is read from the reference pages, which are made from the programs (`scripts/update-reference --check`), from the default
//! configuration files, which tests of theirs compare with the programs, and for scripts and the other programs from their sources.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use crate::repository::{files_with_extension, root, text};

const PROGRAMS: [&str; 2] = ["subnet-miner", "subnet-validator"];
/// Programs without a reference page, with their sources.
const OTHERS: [(&str, &str); 2] = [("localnet", "localnet/src"), ("model-runtime", "model-runtime/src")];
/// Tables whose keys the operator names.
const OPEN_TABLES: [&str; 2] = ["models", "validators"];

/// What a program takes: by command, such as `audit review`, its flags. The flags of every command are under the empty one.
type Flags = BTreeMap<String, BTreeSet<String>>;

fn reference(program: &str) -> Flags {
    let mut found = Flags::from([(String::new(), ["--version".to_owned()].into())]);
    let mut command = String::new();
    for line in text(Path::new(&format!("docs/reference/{program}.md"))).lines() {
        if let Some(heading) = line.strip_prefix("### `") {
            command = heading.trim_end_matches('`').trim_start_matches(program).trim().to_owned();
            found.entry(command.clone()).or_default();
        } else if let Some((flag, _)) = line.strip_prefix("| `").and_then(|row| row.split_once("` |")) {
            let names = flag.split([',', ' ']).filter(|word| word.starts_with('-')).map(str::to_owned);
            found.entry(command.clone()).or_default().extend(names);
        }
    }
    assert!(found.len() > 20, "the reference of {program} names {} commands only", found.len());
    found
}

/// Documents for people, without the pages that are made by programs and the history of what there was.
fn documents() -> Vec<PathBuf> {
    let other = [
        "reference/subnet-miner.md",
        "reference/subnet-validator.md",
        "reference/json-rpc.md",
        "CHANGELOG.md",
    ];
    let is_for_people = |path: &PathBuf| !other.iter().any(|other| path.ends_with(other));
    files_with_extension("md").into_iter().filter(is_for_people).collect()
}

/// Lines to type: those of blocks of shell, and what stands between backticks. Continued lines are joined.
fn typed(document: &str) -> Vec<String> {
    let (mut lines, mut block) = (Vec::new(), None);
    for line in document.replace("\\\n", " ").lines() {
        match (line.trim_start().strip_prefix("```"), block) {
            (Some(kind), None) => block = Some(kind.starts_with("sh")),
            (Some(_), Some(_)) => block = None,
            (None, Some(true)) => lines.push(line.split(" # ").next().unwrap_or_default().to_owned()),
            (None, Some(false)) => {}
            (None, None) => lines.extend(line.split('`').skip(1).step_by(2).map(str::to_owned)),
        }
    }
    lines
}

/// The words of each simple command in a line.
fn simple_commands(line: &str) -> Vec<Vec<&str>> {
    let ends = |word: &str| matches!(word, "|" | "||" | "&&" | "&" | ";" | "do" | "done");
    let words: Vec<&str> = line
        .split([' ', '(', ')', '"', '\'', ';'])
        .filter(|word| !word.is_empty())
        .map(|word| word.trim_end_matches([',', '.', ':']))
        .collect();
    words.split(|word| ends(word)).map(<[&str]>::to_vec).collect()
}

fn flags_of<'a>(words: &[&'a str]) -> impl Iterator<Item = &'a str> {
    let named = words.iter().filter(|word| word.starts_with("--") && word.len() > 2);
    let names = named.map(|word| word.split('=').next().unwrap_or_default());
    // Every program takes it.
    names.filter(|name| *name != "--help").collect::<Vec<_>>().into_iter()
}

/// What is wrong with the use of one of our programs.
fn wrong_use(known: &Flags, words: &[&str]) -> Option<String> {
    let named = words.iter().take_while(|word| {
        word.chars().all(|character| character.is_ascii_lowercase() || character == '-')
            && !word.starts_with('-')
    });
    let mut command = String::new();
    for word in named {
        let longer = format!("{command} {word}").trim().to_owned();
        let is_command = known.keys().any(|key| *key == longer || key.starts_with(&format!("{longer} ")));
        match is_command {
            true => command = longer,
            // Hidden from people, for whoever packages.
            false if command.is_empty() && *word == "generate" => return None,
            false if command.is_empty() => return Some(format!("there is no command {word}")),
            false => break,
        }
    }
    // Where only the program's name is given, a flag belongs to whatever command is meant.
    let takes =
        |flag: &str| known[""].contains(flag) || known.get(&command).is_some_and(|own| own.contains(flag));
    let anywhere = |flag: &str| command.is_empty() && known.values().any(|own| own.contains(flag));
    let unknown = flags_of(words).find(|flag| !takes(flag) && !anywhere(flag))?;
    Some(format!("{command} takes no {unknown}"))
}

#[test]
fn every_command_and_flag_that_a_document_names_exists() {
    let known: BTreeMap<&str, Flags> = PROGRAMS.map(|program| (program, reference(program))).into();
    let sources = OTHERS.map(|(program, folder)| {
        let files = files_with_extension("rs").into_iter().filter(|path| path.starts_with(folder));
        (program, files.map(|path| text(&path)).collect::<String>())
    });
    let (mut checked, mut problems) = (0, Vec::new());
    for path in documents() {
        for line in typed(&text(&path)) {
            for words in simple_commands(&line) {
                // After `journalctl -u` it names a unit, after `cargo -p` a package.
                let is_unit = |at: usize| at > 0 && matches!(words[at - 1], "-u" | "-p");
                let is_other = |word: &str| OTHERS.iter().any(|other| other.0 == word);
                let at = words.iter().enumerate().position(|(at, word)| {
                    (known.contains_key(word) || word.starts_with("scripts/") || is_other(word))
                        && !is_unit(at)
                });
                let Some((program, rest)) = at.and_then(|at| words[at..].split_first()) else { continue };
                checked += 1;
                let problem = if let Some(known) = known.get(program) {
                    wrong_use(known, rest)
                } else if let Some((_, source)) = sources.iter().find(|(name, _)| name == program) {
                    // clap makes a flag of a field's name.
                    let is_known = |flag: &str| {
                        source.contains(&flag[2..].replace('-', "_")) || source.contains(&flag[2..])
                    };
                    flags_of(rest).find(|flag| !is_known(flag)).map(|flag| format!("takes no {flag}"))
                } else if root().join(program).is_file() {
                    let parts = [program.to_string(), "scripts/lib/demo.py".to_owned()];
                    let source: String = parts.iter().map(|part| text(Path::new(part))).collect();
                    flags_of(rest).find(|flag| !source.contains(flag)).map(|flag| format!("takes no {flag}"))
                } else if root().join(program).exists() || program.contains(['{', '*', '<']) {
                    None
                } else {
                    Some("is not there".to_owned())
                };
                problems.extend(
                    problem.map(|what| format!("{}: {program}: {what}: {}", path.display(), line.trim())),
                );
            }
        }
    }
    assert!(problems.is_empty(), "{problems:#?}");
    assert!(checked > 100, "only {checked} commands were found: are documents written another way now?");
}

#[test]
fn every_method_that_a_document_names_exists() {
    let page = text(Path::new("docs/reference/json-rpc.md"));
    let known: BTreeSet<&str> =
        page.lines().filter_map(|line| line.strip_prefix("### `")?.strip_suffix('`')).collect();
    let is_word = |character: char| character.is_ascii_alphanumeric() || character == '_';
    for path in documents() {
        let document = text(&path);
        for word in document.split(|character| !is_word(character)) {
            // A prefix, such as `subnet_v1_` before a star, names all of them.
            let is_method = word.len() > "subnet_v1_".len() && word.starts_with("subnet_v1_");
            assert!(!is_method || known.contains(word), "{}: there is no method {word}", path.display());
        }
    }
}

/// Settings of a table that the default file does not have, by their whole names. `file` is its text, for settings in comments.
fn unknown_settings(given: &toml::Table, known: &toml::Table, file: &str, prefix: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (name, value) in given {
        match (known.get(name), value) {
            (Some(toml::Value::Table(known)), toml::Value::Table(given))
                if !OPEN_TABLES.contains(&name.as_str()) =>
            {
                found.extend(unknown_settings(given, known, file, &format!("{prefix}{name}.")));
            }
            (Some(_), _) => {}
            (None, _) if file.contains(&format!("\n# {name} = ")) => {}
            (None, _) => found.push(format!("{prefix}{name}")),
        }
    }
    found
}

#[test]
fn every_setting_that_a_document_or_a_package_shows_exists() {
    let defaults = ["subnet-miner/miner.default.toml", "subnet-validator/config.default.toml"].map(|path| {
        let file = text(Path::new(path));
        (file.parse::<toml::Table>().expect("the default file is TOML"), file)
    });
    let unknown = |given: &toml::Table| {
        let of = |(known, file): &(toml::Table, String)| unknown_settings(given, known, file, "");
        // Of the program that has most of it.
        let missing = |found: &Vec<String>| (found.len(), std::cmp::Reverse(found.concat().len()));
        defaults.iter().map(of).min_by_key(missing).unwrap_or_default()
    };
    let (mut checked, mut problems) = (0, Vec::new());
    for path in documents() {
        let document = text(&path);
        for block in document.split("```toml\n").skip(1) {
            let block = block.split("```").next().unwrap_or_default();
            let given: toml::Table =
                block.parse().unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            problems.extend(unknown(&given).into_iter().map(|name| (path.clone(), name)));
            checked += 1;
        }
        // `table.setting` between backticks.
        for word in document.split('`').skip(1).step_by(2) {
            let is_name =
                |part: &str| part.chars().all(|character| character.is_ascii_lowercase() || character == '_');
            let parts: Vec<&str> = word.trim_end_matches(".*").split('.').collect();
            let is_setting = parts.len() > 1
                && parts.iter().all(|part| !part.is_empty() && is_name(part))
                && defaults.iter().any(|(known, _)| known.get(parts[0]).is_some_and(toml::Value::is_table));
            if is_setting {
                let nested = parts.iter().rev().fold(toml::Value::Boolean(true), |inner, part| {
                    toml::Value::Table([((*part).to_owned(), inner)].into_iter().collect())
                });
                let missing = unknown(nested.as_table().expect("nested"));
                problems.extend(missing.into_iter().map(|name| (path.clone(), name)));
                checked += 1;
            }
        }
    }
    for (path, default) in [("miner.toml", 0), ("kubernetes/miner.toml", 0), ("validator.toml", 1)] {
        let given = text(&Path::new("packaging").join(path)).parse().expect("what is shipped is TOML");
        let (known, file) = &defaults[default];
        assert_eq!(unknown_settings(&given, known, file, ""), [""; 0], "packaging/{path}");
    }
    assert!(problems.is_empty(), "no such settings: {problems:#?}");
    assert!(checked > 10, "only {checked} settings were found: are documents written another way now?");
}
