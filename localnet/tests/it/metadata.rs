//! The chain's metadata against the pinned metadata of the real runtime, item by item.
//!
//! Whatever this chain has must be what the real one has: same index, same names, same types (by subxt's validation hashes),
//! same defaults. What differs on purpose is listed with its reason.

use localnet::{Genesis, chain::Chain};
use parity_scale_codec::Encode as _;
use scale_info::{PortableRegistry, TypeDef, Variant, form::PortableForm};
use subxt_metadata::{Metadata, PalletMetadata};

/// Items that differ on purpose: the stock pallets here are newer than the real runtime's forks of them, and the outer enums
/// list the pallets this chain has.
const DIFFERENT: &[(&str, &str)] = &[
    ("event Balances.", "newer: more events, so later ones have other indices"),
    ("event System.", "newer: more events"),
    ("event Proxy.PureCreated", "newer: names the block and the transaction too"),
    ("error System.", "newer: more errors"),
    ("constant System.BlockLength", "newer: one field more"),
    ("storage System.BlockSize", "newer"),
    ("storage System.BlocksTillUpgrade", "newer"),
    ("storage System.Events", "the events of the pallets this chain has"),
    ("storage TransactionPayment.TxPaymentCredit", "newer"),
    (
        "storage SubtensorModule.SubnetEpochConsensus does not exist",
        "of the next runtime; the SDK of that runtime reads it",
    ),
    (
        "storage SubtensorModule.LastPowRegistrationBlock does not exist",
        "of the next runtime, with `pow_register`",
    ),
    ("call SubtensorModule.pow_register does not exist", "of the next runtime; its SDK registers by it"),
    ("storage Balances.Freezes", "the freeze reasons of the pallets this chain has"),
    ("storage Balances.Holds", "the hold reasons of the pallets this chain has"),
];

pub fn pinned() -> Metadata {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../metadata/chain/subtensor-461.v15.scale");
    let bytes = std::fs::read(path).unwrap();
    Metadata::decode_from(&bytes).unwrap()
}

pub fn ours() -> Metadata {
    let chain = Chain::from_genesis(&Genesis::default()).unwrap();
    let metadata: Option<Vec<u8>> =
        chain.call_decoded(&chain.best(), "Metadata_metadata_at_version", &15u32.encode()).unwrap();
    Metadata::decode_from(&metadata.unwrap()).unwrap()
}

/// The pallets both have.
fn shared<'a>(ours: &'a Metadata, pinned: &'a Metadata) -> Vec<(PalletMetadata<'a>, PalletMetadata<'a>)> {
    let pairs: Vec<_> =
        ours.pallets().filter_map(|pallet| Some((pallet, pinned.pallet_by_name(pallet.name())?))).collect();
    let names: Vec<&str> = pairs.iter().map(|(pallet, _)| pallet.name()).collect();
    for name in [
        "System",
        "Timestamp",
        "Balances",
        "TransactionPayment",
        "SubtensorModule",
        "Utility",
        "Commitments",
        "Swap",
    ] {
        assert!(names.contains(&name), "{name} is missing");
    }
    pairs
}

fn check(differences: Vec<String>) {
    let unexpected: Vec<String> = differences
        .into_iter()
        .filter(|difference| !DIFFERENT.iter().any(|(item, _)| difference.starts_with(item)))
        .collect();
    assert!(unexpected.is_empty(), "{} items differ:\n{}", unexpected.len(), unexpected.join("\n"));
}

#[test]
fn pallets_stand_at_the_indices_of_the_real_runtime() {
    let (ours, pinned) = (ours(), pinned());
    for (pallet, real) in shared(&ours, &pinned) {
        let indices =
            |pallet: &PalletMetadata<'_>| (pallet.call_index(), pallet.event_index(), pallet.error_index());
        assert_eq!(indices(&pallet), indices(&real), "{}", pallet.name());
    }
    assert_eq!(ours.pallet_by_name("Sudo").unwrap().call_index(), 12);
}

#[test]
fn calls_have_the_indices_arguments_and_types_of_the_real_ones() {
    let (ours, pinned) = (ours(), pinned());
    let mut differences = Vec::new();
    let mut compared = 0;
    for (pallet, real) in shared(&ours, &pinned) {
        for call in pallet.call_variants().unwrap_or_default() {
            let name = format!("call {}.{}", pallet.name(), call.name);
            let Some(other) = real.call_variant_by_name(&call.name) else {
                differences.push(format!("{name} does not exist"));
                continue;
            };
            compared += 1;
            if call.index != other.index || fields(call) != fields(other) {
                differences.push(format!(
                    "{name}: {} {:?}, not {} {:?}",
                    call.index,
                    fields(call),
                    other.index,
                    fields(other)
                ));
            } else if !embeds_calls(&ours, call) && pallet.call_hash(&call.name) != real.call_hash(&call.name)
            {
                differences.push(format!("{name}: the types differ"));
            }
        }
    }
    check(differences);
    assert!(compared > 40, "{compared} calls");
}

/// Whether a call carries other calls, whose enum lists fewer pallets here.
fn embeds_calls(metadata: &Metadata, call: &Variant<PortableForm>) -> bool {
    let outer = metadata.outer_enums().call_enum_ty();
    let is_outer = |id: u32| {
        let ty = metadata.types().resolve(id).unwrap();
        id == outer
            || matches!(&ty.type_def, TypeDef::Sequence(items) if items.type_param.id == outer)
            || ty.path.segments.last().is_some_and(|name| name == "OriginCaller")
    };
    call.fields.iter().any(|field| is_outer(field.ty.id))
}

fn fields(variant: &Variant<PortableForm>) -> Vec<Option<&str>> {
    variant.fields.iter().map(|field| field.name.as_deref()).collect()
}

#[test]
fn storage_has_the_hashers_types_and_defaults_of_the_real_one() {
    let (ours, pinned) = (ours(), pinned());
    let mut differences = Vec::new();
    let mut compared = 0;
    for (pallet, real) in shared(&ours, &pinned) {
        let Some(storage) = pallet.storage() else { continue };
        for entry in storage.entries() {
            let name = format!("storage {}.{}", pallet.name(), entry.name());
            let Some(other) = real.storage().and_then(|storage| storage.entry_by_name(entry.name())) else {
                differences.push(format!("{name} does not exist"));
                continue;
            };
            compared += 1;
            if pallet.storage_hash(entry.name()) != real.storage_hash(entry.name()) {
                differences.push(format!("{name}: the keys or the value differ"));
            } else if pallet.name() == "SubtensorModule" && entry.default_value() != other.default_value() {
                differences.push(format!(
                    "{name}: the default is {:?}, not {:?}",
                    entry.default_value(),
                    other.default_value()
                ));
            }
        }
    }
    check(differences);
    assert!(compared > 180, "{compared} items");
}

#[test]
fn constants_have_the_types_of_the_real_ones_and_those_of_the_subnets_their_values() {
    let (ours, pinned) = (ours(), pinned());
    let mut differences = Vec::new();
    for (pallet, real) in shared(&ours, &pinned) {
        for constant in pallet.constants() {
            let name = format!("constant {}.{}", pallet.name(), constant.name());
            let Some(other) = real.constant_by_name(constant.name()) else {
                differences.push(format!("{name} does not exist"));
                continue;
            };
            if pallet.constant_hash(constant.name()) != real.constant_hash(constant.name()) {
                differences.push(format!("{name}: the type differs"));
            } else if pallet.name() == "SubtensorModule" && constant.value() != other.value() {
                differences.push(format!("{name}: the value differs"));
            }
        }
    }
    check(differences);
    assert_eq!(ours.pallet_by_name("Aura").unwrap().constants().count(), 1);
}

#[test]
fn events_and_errors_have_the_indices_names_and_types_of_the_real_ones() {
    let (ours, pinned) = (ours(), pinned());
    let mut differences = Vec::new();
    for (pallet, real) in shared(&ours, &pinned) {
        let kinds = [
            ("event", pallet.event_variants(), real.event_variants()),
            ("error", pallet.error_variants(), real.error_variants()),
        ];
        for (kind, variants, others) in kinds {
            let (variants, others) = (variants.unwrap_or_default(), others.unwrap_or_default());
            for variant in variants {
                let name = format!("{kind} {}.{}", pallet.name(), variant.name);
                match others.iter().find(|other| other.name == variant.name) {
                    None => differences.push(format!("{name} does not exist")),
                    Some(other) if shape(&ours, variant) != shape(&pinned, other) => {
                        differences.push(format!("{name} differs"))
                    }
                    Some(_) => {}
                }
            }
            if matches!(pallet.name(), "SubtensorModule" | "Commitments") {
                assert_eq!(variants.len(), others.len(), "every {kind} of {}", pallet.name());
            }
        }
    }
    check(differences);
}

/// Index, then each field's name and the hash of its type.
type Shape = (u8, Vec<NamedHash>);

/// The name of a field and the hash of its type.
type NamedHash = (Option<String>, [u8; 32]);

/// What makes a variant what it is: its index, and the names and types of its fields.
fn shape(metadata: &Metadata, variant: &Variant<PortableForm>) -> Shape {
    let field = |field: &scale_info::Field<PortableForm>| {
        (field.name.clone(), metadata.type_hash(field.ty.id).unwrap())
    };
    (variant.index, variant.fields.iter().map(field).collect())
}

#[test]
fn runtime_apis_have_the_signatures_of_the_real_ones() {
    let (ours, pinned) = (ours(), pinned());
    let mut differences = Vec::new();
    let mut compared = Vec::new();
    for api in ours.runtime_api_traits() {
        let Some(real) = pinned.runtime_api_trait_by_name(api.name()) else { continue };
        for method in api.methods() {
            let name = format!("api {}.{}", api.name(), method.name());
            match real.method_by_name(method.name()) {
                None => differences.push(format!("{name} does not exist")),
                Some(other) if method.hash() != other.hash() && !carries_transactions(&ours, &method) => {
                    differences.push(format!("{name}: the types differ"));
                }
                Some(_) => compared.push(name),
            }
        }
    }
    check(differences);
    for api in [
        "NeuronInfoRuntimeApi.get_neurons_lite",
        "SubnetInfoRuntimeApi.get_metagraph",
        "AccountNonceApi.account_nonce",
    ] {
        assert!(compared.iter().any(|name| name.ends_with(api)), "{api} is missing");
    }
}

/// Whether a method takes or returns blocks or transactions, whose calls list fewer pallets here.
fn carries_transactions(metadata: &Metadata, method: &subxt_metadata::RuntimeApiMethodMetadata<'_>) -> bool {
    let types = metadata.types();
    method
        .inputs()
        .map(|input| input.id)
        .chain([method.output_ty()])
        .any(|id| mentions_extrinsic(types, id, 0))
}

fn mentions_extrinsic(types: &PortableRegistry, id: u32, depth: u32) -> bool {
    let ty = types.resolve(id).unwrap();
    let named =
        ty.path.segments.last().is_some_and(|name| name == "UncheckedExtrinsic" || name == "LazyBlock");
    named
        || depth < 3
            && ty
                .type_params
                .iter()
                .filter_map(|param| param.ty)
                .any(|ty| mentions_extrinsic(types, ty.id, depth + 1))
        || matches!(&ty.type_def, TypeDef::Sequence(items) if depth < 3 && mentions_extrinsic(types, items.type_param.id, depth + 1))
}

#[test]
fn transactions_carry_the_extensions_of_the_real_ones() {
    let (ours, pinned) = (ours(), pinned());
    let extensions = |metadata: &Metadata| -> Vec<(String, [u8; 32], [u8; 32])> {
        metadata
            .extrinsic()
            .transaction_extensions_to_use_for_encoding()
            .map(|extension| {
                let hash = |id| metadata.type_hash(id).unwrap();
                (
                    extension.identifier().to_owned(),
                    hash(extension.extra_ty()),
                    hash(extension.additional_ty()),
                )
            })
            .collect()
    };
    assert_eq!(ours.extrinsic().supported_versions(), pinned.extrinsic().supported_versions());
    assert_eq!(extensions(&ours), extensions(&pinned));
}
