//! Metadata in which named items are gone or have another shape.

use frame_metadata::{RuntimeMetadata, RuntimeMetadataPrefixed, v14::StorageEntryType};
use parity_scale_codec::{Decode, Encode};
use scale_info::{
    Field, PortableRegistry, TypeDef, TypeDefPrimitive, form::PortableForm, interner::UntrackedSymbol,
};
use serde::{Deserialize, Serialize};

/// An item that changed.
#[derive(Clone, Debug, Decode, Deserialize, Encode, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Drift {
    /// The item: `Pallet.call`, `Pallet.Storage`, `Pallet.Constant` or `Api.method`.
    pub item: String,
    /// What happened to it.
    pub change: Change,
}

/// What happened to an item.
#[derive(Clone, Copy, Debug, Decode, Deserialize, Encode, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Change {
    /// It is gone.
    Removed,
    /// A call has one more argument; a value, a constant or a result has another type.
    Reshaped,
}

type TypeId = UntrackedSymbol<std::any::TypeId>;

/// Applies the drifts to encoded metadata of any version.
pub(super) fn apply(encoded: Vec<u8>, drifts: &[Drift]) -> Vec<u8> {
    let Ok(mut metadata) = RuntimeMetadataPrefixed::decode(&mut &encoded[..]) else { return encoded };
    for drift in drifts {
        drift_one(&mut metadata.1, drift);
    }
    metadata.encode()
}

/// Whether the metadata has such an item.
pub fn is_known(encoded: &[u8], drift: &Drift) -> bool {
    let metadata = RuntimeMetadataPrefixed::decode(&mut &encoded[..]);
    metadata.is_ok_and(|mut metadata| drift_one(&mut metadata.1, drift))
}

/// Changes the pallets of one version's metadata; the versions share their fields' names and not their types.
macro_rules! drift_pallets {
    ($metadata:expr, $home:expr, $item:expr, $change:expr) => {{
        let mut found = false;
        for pallet in $metadata.pallets.iter_mut().filter(|pallet| pallet.name == $home) {
            if let Some(calls) = &pallet.calls {
                found |= drift_variant(&mut $metadata.types, calls.ty.id, $item, $change);
            }
            if let Some(storage) = &mut pallet.storage {
                for entry in storage.entries.iter_mut().filter(|entry| entry.name == $item) {
                    let (StorageEntryType::Plain(value) | StorageEntryType::Map { value, .. }) =
                        &mut entry.ty;
                    *value = another(&$metadata.types, value.id);
                    found = true;
                }
                if $change == Change::Removed {
                    storage.entries.retain(|entry| entry.name != $item);
                }
            }
            for constant in pallet.constants.iter_mut().filter(|constant| constant.name == $item) {
                constant.ty = another(&$metadata.types, constant.ty.id);
                found = true;
            }
            if $change == Change::Removed {
                pallet.constants.retain(|constant| constant.name != $item);
            }
        }
        found
    }};
}

/// Changes the runtime APIs of one version's metadata.
macro_rules! drift_apis {
    ($metadata:expr, $home:expr, $item:expr, $change:expr) => {{
        let mut found = false;
        for api in $metadata.apis.iter_mut().filter(|api| api.name == $home) {
            for method in api.methods.iter_mut().filter(|method| method.name == $item) {
                method.output = another(&$metadata.types, method.output.id);
                found = true;
            }
            if $change == Change::Removed {
                api.methods.retain(|method| method.name != $item);
            }
        }
        found
    }};
}

/// True when the item was there.
fn drift_one(metadata: &mut RuntimeMetadata, drift: &Drift) -> bool {
    let Some((home, item)) = drift.item.split_once('.') else { return false };
    match metadata {
        RuntimeMetadata::V14(metadata) => drift_pallets!(metadata, home, item, drift.change),
        RuntimeMetadata::V15(metadata) => {
            drift_pallets!(metadata, home, item, drift.change)
                | drift_apis!(metadata, home, item, drift.change)
        }
        RuntimeMetadata::V16(metadata) => {
            drift_pallets!(metadata, home, item, drift.change)
                | drift_apis!(metadata, home, item, drift.change)
        }
        _ => false,
    }
}

/// Changes a variant of an enum, which is what a call is.
fn drift_variant(types: &mut PortableRegistry, id: u32, name: &str, change: Change) -> bool {
    let more = another(types, id);
    let Some(ty) = types.types.get_mut(id as usize) else { return false };
    let TypeDef::Variant(variants) = &mut ty.ty.type_def else { return false };
    let Some(at) = variants.variants.iter().position(|variant| variant.name == name) else { return false };
    match change {
        Change::Removed => drop(variants.variants.remove(at)),
        Change::Reshaped => {
            let field: Field<PortableForm> = Field::new(Some("drift".into()), more, None, Vec::new());
            variants.variants[at].fields.push(field);
        }
    }
    true
}

/// A type other than this one.
fn another(types: &PortableRegistry, id: u32) -> TypeId {
    let primitive = |wanted: TypeDefPrimitive| {
        types.types.iter().find(|ty| ty.ty.type_def == TypeDef::Primitive(wanted.clone())).map(|ty| ty.id)
    };
    let candidates = [primitive(TypeDefPrimitive::Bool), primitive(TypeDefPrimitive::U8)];
    let other = candidates.into_iter().flatten().find(|candidate| *candidate != id);
    TypeId::from(other.unwrap_or_default())
}
