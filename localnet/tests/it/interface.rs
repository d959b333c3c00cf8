//! Every name of the chain that clients use is here as it is in the real runtime, or is listed as deliberately absent.
//!
//! `metadata.rs` compares what both have. Here the lists decide: `data/interface.txt` names what clients use,
//! `data/outside-pinned.txt` the shapes of pallets that the pinned metadata leaves out, and the crate's documentation
//! (`absent.md`) what this chain does not have.

use std::collections::BTreeSet;

use scale_info::{PortableRegistry, TypeDef, Variant, form::PortableForm};
use subxt_metadata::Metadata;

use crate::metadata::{ours, pinned};

const INTERFACE: &str = include_str!("../data/interface.txt");
const OUTSIDE_PINNED: &str = include_str!("../data/outside-pinned.txt");
const ABSENT: &str = include_str!("../../absent.md");

/// Kind and name, such as `call Balances.transfer_all`.
type Item = (String, String);

fn lines(text: &str) -> impl Iterator<Item = &str> {
    text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'))
}

fn item(line: &str) -> Item {
    let mut words = line.split(' ');
    (words.next().unwrap().to_owned(), words.next().unwrap().to_owned())
}

/// The items that the crate's documentation lists as absent: all that stands in backquotes and begins with a kind.
fn absent() -> BTreeSet<Item> {
    let quoted = ABSENT.split('`').skip(1).step_by(2);
    quoted
        .filter(|text| ["call ", "storage ", "constant ", "api "].iter().any(|kind| text.starts_with(kind)))
        .map(item)
        .collect()
}

fn has(metadata: &Metadata, (kind, name): &Item) -> bool {
    let (owner, name) = name.split_once('.').unwrap();
    if kind == "api" {
        let api = metadata.runtime_api_trait_by_name(owner);
        return api.is_some_and(|api| api.method_by_name(name).is_some());
    }
    metadata.pallet_by_name(owner).is_some_and(|pallet| match kind.as_str() {
        "call" => pallet.call_variant_by_name(name).is_some(),
        "storage" => pallet.storage().is_some_and(|storage| storage.entry_by_name(name).is_some()),
        "constant" => pallet.constant_by_name(name).is_some(),
        _ => panic!("{kind} is no kind"),
    })
}

#[test]
fn every_name_of_the_interface_is_here_or_listed_as_absent_and_none_is_both() {
    let (ours, pinned, absent) = (ours(), pinned(), absent());
    let interface: BTreeSet<Item> = lines(INTERFACE).map(item).collect();
    assert!(interface.len() > 200, "{} names", interface.len());
    let mut wrong = Vec::new();
    for item in &interface {
        let (kind, name) = item;
        if !has(&pinned, item) {
            wrong
                .push(format!("{kind} {name} is not in the pinned metadata: take it off data/interface.txt"));
        }
        match (has(&ours, item), absent.contains(item)) {
            (true, true) => wrong.push(format!("{kind} {name} is here now: take it off absent.md")),
            (false, false) => {
                wrong.push(format!("{kind} {name} is missing: add it, or list it in absent.md"))
            }
            _ => {}
        }
    }
    let outside: BTreeSet<Item> = lines(OUTSIDE_PINNED).map(item).collect();
    for item in absent.iter().filter(|item| !interface.contains(*item) && !outside.contains(*item)) {
        wrong.push(format!("{} {} in absent.md is on neither list of names", item.0, item.1));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn pallets_that_the_pinned_metadata_leaves_out_have_the_shapes_of_the_real_ones() {
    let (ours, absent) = (ours(), absent());
    let (mut wrong, mut compared) = (Vec::new(), 0);
    for line in lines(OUTSIDE_PINNED) {
        let (kind, name) = item(line);
        let (pallet, variant) = name.split_once('.').unwrap();
        let pallet = ours.pallet_by_name(pallet).unwrap();
        let found = match kind.as_str() {
            "call" => pallet.call_variant_by_name(variant),
            "event" => pallet.event_variants().unwrap().iter().find(|one| one.name == variant),
            _ => pallet.error_variants().unwrap().iter().find(|one| one.name == variant),
        };
        let shown = found.map(|found| format!("{kind} {name} {}", shape(ours.types(), found, &kind)));
        let listed = absent.contains(&(kind.clone(), name.clone()));
        match shown {
            Some(shown) if shown != line => wrong.push(format!("{shown}, not {line}")),
            Some(_) if listed => wrong.push(format!("{kind} {name} is here now: take it off absent.md")),
            Some(_) => compared += 1,
            None if kind == "call" && !listed => wrong.push(format!("{kind} {name} is missing")),
            None => {}
        }
    }
    for pallet in ["AdminUtils", "MevShield"] {
        for call in ours.pallet_by_name(pallet).unwrap().call_variants().unwrap() {
            let known = lines(OUTSIDE_PINNED).any(|line| item(line).1 == format!("{pallet}.{}", call.name));
            assert!(known, "the real {pallet} has no call {}", call.name);
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(compared > 100, "{compared} items");
}

/// Index and fields of a variant, as the list of shapes writes them.
fn shape(types: &PortableRegistry, variant: &Variant<PortableForm>, kind: &str) -> String {
    let field = |field: &scale_info::Field<PortableForm>| {
        format!("{}: {}", field.name.as_deref().unwrap_or_default(), type_name(types, field.ty.id))
    };
    let fields: Vec<String> = variant.fields.iter().map(field).collect();
    match kind {
        "error" => variant.index.to_string(),
        _ => format!("{} ({})", variant.index, fields.join(", ")),
    }
}

/// A type by the last part of its name, with what it holds where that is generic.
fn type_name(types: &PortableRegistry, id: u32) -> String {
    let ty = types.resolve(id).unwrap();
    let last = ty.path.segments.last().map(String::as_str);
    match (last, &ty.type_def) {
        (Some("Option"), TypeDef::Variant(variants)) => {
            let some = variants.variants.iter().find(|one| one.name == "Some").unwrap();
            format!("Option<{}>", type_name(types, some.fields[0].ty.id))
        }
        (Some("BoundedVec"), TypeDef::Composite(fields)) => {
            type_name(types, fields.fields[0].ty.id).replacen("Vec", "BoundedVec", 1)
        }
        (Some("MultiAddress"), _) => "MultiAddress<AccountId32, ()>".to_owned(),
        (Some(name), _) => name.to_owned(),
        (None, TypeDef::Sequence(items)) => format!("Vec<{}>", type_name(types, items.type_param.id)),
        (None, TypeDef::Primitive(primitive)) => format!("{primitive:?}").to_lowercase(),
        (None, other) => panic!("{other:?}"),
    }
}
