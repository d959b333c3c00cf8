//! Strips a runtime's metadata to what this software uses: `strip IN OUT`. `scripts/update-metadata` calls it.
//!
//! IN is SCALE-encoded `RuntimeMetadataPrefixed` of version 15, as `Metadata_metadata_at_version(15)` returns it behind its
//! option byte and length. Pallets and runtime APIs outside the lists below go, and so does every doc text. The enums of all
//! calls, events and errors stay whole, so that calls encode as before. Prints the result's spec version, size and SHA-256.
#![allow(clippy::print_stdout, reason = "its output is its purpose")]

use anyhow::{Context, bail};
use frame_metadata::v15::{RuntimeMetadataV15, StorageEntryMetadata};
use frame_metadata::{RuntimeMetadata, RuntimeMetadataPrefixed};
use parity_scale_codec::{Decode, Encode};
use scale_info::form::PortableForm;
use scale_info::{Field, TypeDef};
use sha2::{Digest, Sha256};
use subxt_utils_stripmetadata::StripMetadata;

const PALLETS: &[&str] = &[
    "System",
    "Timestamp",
    "Balances",
    "TransactionPayment",
    "SubtensorModule",
    "Utility",
    "Proxy",
    "Commitments",
    "Drand",
    "Swap",
];

const RUNTIME_APIS: &[&str] = &[
    "Core",
    "Metadata",
    "AccountNonceApi",
    "TransactionPaymentApi",
    "NeuronInfoRuntimeApi",
    "SubnetInfoRuntimeApi",
    "StakeInfoRuntimeApi",
    "DelegateInfoRuntimeApi",
    "SubnetRegistrationRuntimeApi",
    "SwapRuntimeApi",
];

fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let (Some(input), Some(output)) = (arguments.next(), arguments.next()) else {
        bail!("usage: strip IN OUT");
    };
    let bytes = std::fs::read(&input).with_context(|| format!("reading {input}"))?;
    let RuntimeMetadataPrefixed(magic, metadata) = RuntimeMetadataPrefixed::decode(&mut bytes.as_slice())?;
    let RuntimeMetadata::V15(mut metadata) = metadata else {
        bail!("{input} is version {}, not 15", metadata.version());
    };
    let count = metadata.pallets.len();
    let has_pallet = |name: &&&str| metadata.pallets.iter().any(|pallet| pallet.name == **name);
    let has_api = |name: &&&str| metadata.apis.iter().any(|api| api.name == **name);
    let lacking: Vec<_> = PALLETS.iter().filter(|name| !has_pallet(name)).collect();
    let lacking_apis: Vec<_> = RUNTIME_APIS.iter().filter(|name| !has_api(name)).collect();
    if !lacking.is_empty() || !lacking_apis.is_empty() {
        bail!("this is not the metadata of subtensor: it lacks {lacking:?} {lacking_apis:?}");
    }
    metadata.strip_metadata(|pallet| PALLETS.contains(&pallet), |api| RUNTIME_APIS.contains(&api));
    drop_docs(&mut metadata);
    let (name, version) = spec(&metadata)?;
    let kept: Vec<_> = metadata.pallets.iter().map(|pallet| pallet.name.as_str()).collect();
    let apis: Vec<_> = metadata.apis.iter().map(|api| api.name.as_str()).collect();
    println!("pallets: {} of {count}: {}", kept.len(), kept.join(" "));
    println!("runtime APIs: {}", apis.join(" "));
    let stripped = RuntimeMetadataPrefixed(magic, RuntimeMetadata::V15(metadata)).encode();
    std::fs::write(&output, &stripped).with_context(|| format!("writing {output}"))?;
    println!("spec: {name} {version}");
    println!("bytes: {}", stripped.len());
    println!("sha256: {}", hex::encode(Sha256::digest(&stripped)));
    Ok(())
}

/// The runtime's name and version, from the constant that every runtime has.
fn spec(metadata: &RuntimeMetadataV15) -> anyhow::Result<(String, u32)> {
    let system =
        metadata.pallets.iter().find(|pallet| pallet.name == "System").context("no System pallet")?;
    let version = system.constants.iter().find(|constant| constant.name == "Version");
    let version = &version.context("no constant System.Version")?.value;
    let (name, _, _, version) = <(String, String, u32, u32)>::decode(&mut version.as_slice())?;
    Ok((name, version))
}

fn drop_docs(metadata: &mut RuntimeMetadataV15) {
    for pallet in &mut metadata.pallets {
        pallet.docs.clear();
        pallet.constants.iter_mut().for_each(|constant| constant.docs.clear());
        let entries = pallet.storage.iter_mut().flat_map(|storage| &mut storage.entries);
        entries.for_each(|entry: &mut StorageEntryMetadata<PortableForm>| entry.docs.clear());
    }
    for api in &mut metadata.apis {
        api.docs.clear();
        api.methods.iter_mut().for_each(|method| method.docs.clear());
    }
    for ty in &mut metadata.types.types {
        ty.ty.docs.clear();
        match &mut ty.ty.type_def {
            TypeDef::Composite(composite) => drop_field_docs(&mut composite.fields),
            TypeDef::Variant(variants) => {
                for variant in &mut variants.variants {
                    variant.docs.clear();
                    drop_field_docs(&mut variant.fields);
                }
            }
            _ => {}
        }
    }
}

fn drop_field_docs(fields: &mut [Field<PortableForm>]) {
    fields.iter_mut().for_each(|field| field.docs.clear());
}
