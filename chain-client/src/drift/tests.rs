use std::collections::BTreeSet;
use std::path::Path;

use parity_scale_codec::Decode;

use super::*;

/// Finney's metadata of spec 365, as the crate bittensor-rs 0.1.1 carries it; see the README beside the file.
const SPEC_365: &[u8] = include_bytes!("../../tests/data/metadata/finney-365.v16.scale");

fn spec_365() -> Metadata {
    Metadata::decode(&mut &SPEC_365[..]).unwrap()
}

/// All Rust files below a folder that are not tests.
fn sources(folder: &Path, into: &mut Vec<String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.file_stem().is_some_and(|stem| stem == "tests") {
            continue;
        }
        if path.is_dir() {
            sources(&path, into);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            into.push(std::fs::read_to_string(path).unwrap());
        }
    }
}

/// As subxt names its accessors: a word begins at a capital after a small letter, or at the last of several before one.
fn snake(name: &str) -> String {
    let letters: Vec<char> = name.chars().collect();
    let mut snake = String::new();
    for (at, letter) in letters.iter().enumerate() {
        let follows_small = at > 0 && !letters[at - 1].is_uppercase() && letters[at - 1] != '_';
        let precedes_small = letters.get(at + 1).is_some_and(|next| next.is_lowercase());
        if letter.is_uppercase() && at > 0 && (follows_small || precedes_small) && !snake.ends_with('_') {
            snake.push('_');
        }
        snake.extend(letter.to_lowercase());
    }
    snake
}

#[test]
fn accessors_are_named_as_subxt_names_them() {
    for (name, expected) in [
        ("SubnetTAO", "subnet_tao"),
        ("SubnetTaoInEmission", "subnet_tao_in_emission"),
        ("RAORecycledForRegistration", "rao_recycled_for_registration"),
        ("EMAPriceHalvingBlocks", "ema_price_halving_blocks"),
        ("Now", "now"),
        ("get_subnet_hyperparams_v3", "get_subnet_hyperparams_v3"),
    ] {
        assert_eq!(snake(name), expected);
    }
}

/// The names that follow `head` as a method call in a text without white space: `head.name(`.
fn called<'a>(text: &'a str, head: &str) -> Vec<&'a str> {
    let head = format!("{head}.");
    let names = text.match_indices(&head).filter_map(|(at, _)| {
        let before = text[..at].chars().next_back().unwrap_or(' ');
        let rest = &text[at + head.len()..];
        let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_')?;
        let is_call = rest[end..].starts_with('(') && !before.is_alphanumeric() && before != '_';
        is_call.then_some(&rest[..end])
    });
    names.collect()
}

/// What the sources use: for each pallet (or runtime API) the items that are called on it, directly or through a variable.
fn used_in_sources() -> BTreeSet<Item> {
    let mut texts = Vec::new();
    sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut texts);
    let pinned = chain_metadata::metadata();
    let mut used = BTreeSet::new();
    for text in texts {
        let text: String = text.split("#[cfg(test)]").next().unwrap().split_whitespace().collect();
        let variable = |value: &str| -> Vec<String> {
            let end = format!("={value};");
            let names = text.match_indices(&end).filter_map(|(at, _)| {
                let start = text[..at].rfind("let")? + 3;
                Some(text[start..at].to_owned())
            });
            names.collect()
        };
        let on = |kind: Kind, root: &str, group: &'static str, names: &[(&'static str, String)]| {
            let roots: Vec<String> = [format!("subtensor::{root}()"), format!("{root}()")]
                .into_iter()
                .chain(variable(&format!("subtensor::{root}()")))
                .collect();
            let direct = roots.iter().map(|root| format!("{root}.{}()", snake(group)));
            let direct: Vec<String> = direct.collect();
            let heads: Vec<String> =
                direct.iter().cloned().chain(direct.iter().flat_map(|value| variable(value))).collect();
            let called: BTreeSet<&str> = heads.iter().flat_map(|head| called(&text, head)).collect();
            let used = names.iter().filter(|(_, snake)| called.contains(snake.as_str()));
            used.map(|(name, _)| Item { kind, group, name }).collect::<Vec<_>>()
        };
        for pallet in pinned.pallets() {
            let group: &'static str = pallet.name().to_owned().leak();
            let with_snake = |name: &str| -> (&'static str, String) { (name.to_owned().leak(), snake(name)) };
            let calls: Vec<_> = pallet
                .call_variants()
                .unwrap_or_default()
                .iter()
                .map(|call| with_snake(&call.name))
                .collect();
            let entries: Vec<_> = pallet
                .storage()
                .map(|storage| storage.entries().iter().map(|entry| with_snake(entry.name())).collect())
                .unwrap_or_default();
            let constants: Vec<_> = pallet.constants().map(|constant| with_snake(constant.name())).collect();
            used.extend(on(Kind::Call, "tx", group, &calls));
            used.extend(on(Kind::Storage, "storage", group, &entries));
            used.extend(on(Kind::Constant, "constants", group, &constants));
        }
        for api in pinned.runtime_api_traits() {
            let group: &'static str = api.name().to_owned().leak();
            let methods: Vec<(&'static str, String)> = api
                .methods()
                .map(|method| (&*method.name().to_owned().leak(), snake(method.name())))
                .collect();
            used.extend(on(Kind::RuntimeApi, "runtime_apis", group, &methods));
        }
        for (at, _) in text.match_indices("constants::dynamic::<") {
            let arguments: Vec<&str> = text[at..].split('"').take(4).collect();
            let [_, group, _, name] = arguments[..] else { panic!("two literals") };
            let leaked = |text: &str| -> &'static str { text.to_owned().leak() };
            used.insert(Item { kind: Kind::Constant, group: leaked(group), name: leaked(name) });
        }
    }
    used
}

#[test]
fn the_list_is_what_the_sources_use() {
    let found = used_in_sources();
    let lines: Vec<String> =
        found.iter().map(|item| format!("    {:?} {}.{};", item.kind, item.group, item.name)).collect();
    assert!(
        found.iter().eq(USED),
        "src/drift/used.rs must list exactly these, in this order:\n{}",
        lines.join("\n")
    );
    assert!(found.len() > 30, "the search finds too little: {found:?}");
}

#[test]
fn the_runtime_it_was_built_for_is_clean() {
    let report = DriftReport::of(&chain_metadata::metadata(), chain_metadata::SPEC_VERSION);
    assert_eq!(report.changed, []);
    // The pinned metadata leaves out the pallet Aura.
    let gone: Vec<String> = report.gone.iter().map(ToString::to_string).collect();
    assert_eq!(gone, ["constant Aura.SlotDuration"]);
    assert_eq!(report.unchanged, USED.len() - 1);
}

#[test]
fn finney_of_spec_365_is_told_apart_item_by_item() {
    let report = DriftReport::of(&spec_365(), 365);
    let named = |items: &[Item]| items.iter().map(ToString::to_string).collect::<BTreeSet<_>>();
    let (changed, gone) = (named(&report.changed), named(&report.gone));
    // Newtypes where there were bare numbers, which changes every item of the pallet that names a subnet.
    assert!(changed.contains("call SubtensorModule.set_mechanism_weights"), "{changed:?}");
    assert!(changed.contains("storage SubtensorModule.Tempo"), "{changed:?}");
    // Not there yet.
    assert!(gone.contains("storage SubtensorModule.LastEpochBlock"), "{gone:?}");
    assert!(gone.contains("storage SubtensorModule.SubnetEpochIndex"), "{gone:?}");
    // Unrelated, and as ever.
    assert!(!changed.contains("storage Timestamp.Now") && !gone.contains("storage Timestamp.Now"));
    assert!(report.unchanged > 0 && !report.is_clean());
    let text = report.to_string();
    for part in ["spec 365", "spec 461", "changed: call", "gone: call", "update this software"] {
        assert!(text.contains(part), "{part} is not in: {text}");
    }
}

#[test]
fn each_runtime_is_looked_at_once() {
    let seen = Seen::default();
    let first = seen.report(&spec_365(), 365);
    assert!(Arc::ptr_eq(&first, &seen.report(&chain_metadata::metadata(), 365)));
    assert!(!Arc::ptr_eq(&first, &seen.report(&chain_metadata::metadata(), 461)));
}
