//! Values that a genesis sets by name: anything `SubtensorModule` stores for the whole chain or for a subnet.
//!
//! The runtime's own metadata says what there is, under which key, and of which type, so every hyperparameter can be set and
//! no list of them can go stale.

use frame_metadata::{
    RuntimeMetadata, RuntimeMetadataPrefixed,
    v14::{RuntimeMetadataV14, StorageEntryMetadata, StorageEntryType, StorageHasher},
};
use parity_scale_codec::Encode as _;
use scale_info::{PortableRegistry, TypeDef, TypeDefPrimitive, form::PortableForm};
use sp_crypto_hashing::{blake2_128, twox_64, twox_128};
use thiserror::Error;

use crate::config::{Setting, SettingValue};

const PALLET: &str = "SubtensorModule";

/// Why a value was not set.
#[derive(Clone, Debug, Error, Eq, PartialEq)]
pub enum SettingError {
    /// There is no such value.
    #[error("there is no value {name} {of}; there are: {known}")]
    Unknown {
        /// Its name.
        name: String,
        /// Of what it would be.
        of: &'static str,
        /// Those there are.
        known: String,
    },
    /// It is not of the type.
    #[error("{name} does not take this value: {expected}")]
    Value {
        /// Its name.
        name: String,
        /// What it takes.
        expected: String,
    },
    /// The metadata is of another version.
    #[error("the runtime's metadata cannot be read")]
    Metadata,
}

/// Writes the settings to the state. Runs in the runtime.
pub(super) fn write(metadata: RuntimeMetadataPrefixed, settings: &[Setting]) -> Result<(), SettingError> {
    if settings.is_empty() {
        return Ok(());
    }
    let RuntimeMetadata::V14(metadata) = metadata.1 else { return Err(SettingError::Metadata) };
    for setting in settings {
        let (key, value) = encode(&metadata, setting)?;
        sp_io::storage::set(&key, &value);
    }
    Ok(())
}

/// The key and the bytes of a setting.
fn encode(metadata: &RuntimeMetadataV14, setting: &Setting) -> Result<(Vec<u8>, Vec<u8>), SettingError> {
    let pallet = metadata.pallets.iter().find(|pallet| pallet.name == PALLET);
    let storage = pallet.and_then(|pallet| pallet.storage.as_ref()).ok_or(SettingError::Metadata)?;
    let types = &metadata.types;
    let fits =
        |entry: &&StorageEntryMetadata<PortableForm>| is_of(types, &entry.ty, setting.netuid.is_some());
    let found = storage.entries.iter().filter(fits).find(|entry| snake(&entry.name) == setting.name);
    let entry = found.ok_or_else(|| {
        let known: Vec<String> =
            storage.entries.iter().filter(fits).map(|entry| snake(&entry.name)).collect();
        let of = if setting.netuid.is_some() { "of a subnet" } else { "of the chain" };
        SettingError::Unknown { name: setting.name.clone(), of, known: known.join(", ") }
    })?;

    let mut key = [twox_128(storage.prefix.as_bytes()), twox_128(entry.name.as_bytes())].concat();
    let value_type = match &entry.ty {
        StorageEntryType::Plain(value) => value.id,
        StorageEntryType::Map { hashers, value, .. } => {
            let netuid = setting.netuid.unwrap_or_default().encode();
            key.extend(hashed(hashers.first().ok_or(SettingError::Metadata)?, &netuid));
            value.id
        }
    };
    let mut bytes = Vec::new();
    encode_value(types, value_type, &setting.value, &mut bytes)
        .map_err(|expected| SettingError::Value { name: setting.name.clone(), expected })?;
    Ok((key, bytes))
}

/// Whether an entry is a value of a subnet, or one of the whole chain.
fn is_of(types: &PortableRegistry, entry: &StorageEntryType<PortableForm>, subnet: bool) -> bool {
    match entry {
        StorageEntryType::Plain(_) => !subnet,
        StorageEntryType::Map { hashers, key, .. } => {
            let is_netuid = types
                .resolve(key.id)
                .is_some_and(|ty| ty.path.segments.last().is_some_and(|name| name == "NetUid"));
            subnet && hashers.len() == 1 && is_netuid
        }
    }
}

fn hashed(hasher: &StorageHasher, key: &[u8]) -> Vec<u8> {
    match hasher {
        StorageHasher::Identity => key.to_vec(),
        StorageHasher::Twox64Concat => [&twox_64(key)[..], key].concat(),
        StorageHasher::Blake2_128Concat => [&blake2_128(key)[..], key].concat(),
        StorageHasher::Blake2_128 => blake2_128(key).to_vec(),
        StorageHasher::Blake2_256 => sp_crypto_hashing::blake2_256(key).to_vec(),
        StorageHasher::Twox128 => twox_128(key).to_vec(),
        StorageHasher::Twox256 => sp_crypto_hashing::twox_256(key).to_vec(),
    }
}

/// Encodes a value as this type, or says what the type takes.
fn encode_value(
    types: &PortableRegistry,
    ty: u32,
    value: &SettingValue,
    bytes: &mut Vec<u8>,
) -> Result<(), String> {
    let ty = types.resolve(ty).ok_or("a type the metadata does not describe")?;
    let parts: Vec<u32> = match &ty.type_def {
        TypeDef::Primitive(primitive) => return encode_primitive(primitive, value, bytes),
        TypeDef::Variant(variants) => {
            let SettingValue::Text(name) = value else { return Err("a name".into()) };
            let variant =
                variants.variants.iter().find(|variant| variant.name == *name && variant.fields.is_empty());
            let Some(variant) = variant else {
                let names: Vec<&str> =
                    variants.variants.iter().map(|variant| variant.name.as_str()).collect();
                return Err(format!("one of {}", names.join(", ")));
            };
            bytes.push(variant.index);
            return Ok(());
        }
        TypeDef::Composite(composite) => composite.fields.iter().map(|field| field.ty.id).collect(),
        TypeDef::Tuple(tuple) => tuple.fields.iter().map(|field| field.id).collect(),
        _ => return Err("its type has no form in a genesis file".into()),
    };
    match (&parts[..], value) {
        ([one], value) => encode_value(types, *one, value, bytes),
        (parts, SettingValue::List(values)) if values.len() == parts.len() => {
            parts.iter().zip(values).try_for_each(|(part, value)| encode_value(types, *part, value, bytes))
        }
        (parts, _) => Err(format!("a list of {}", parts.len())),
    }
}

fn encode_primitive(
    primitive: &TypeDefPrimitive,
    value: &SettingValue,
    bytes: &mut Vec<u8>,
) -> Result<(), String> {
    let number = || match value {
        SettingValue::Number(number) => Ok(*number),
        SettingValue::Text(digits) => digits.parse().map_err(|_| "a number".to_owned()),
        _ => Err("a number".to_owned()),
    };
    macro_rules! integer {
        ($type:ty) => {
            <$type>::try_from(number()?)
                .map_err(|_| format!("a number from {} to {}", <$type>::MIN, <$type>::MAX))?
                .encode_to(bytes)
        };
    }
    match primitive {
        TypeDefPrimitive::Bool => match value {
            SettingValue::Bool(bool) => bool.encode_to(bytes),
            _ => return Err("true or false".into()),
        },
        TypeDefPrimitive::U8 => integer!(u8),
        TypeDefPrimitive::U16 => integer!(u16),
        TypeDefPrimitive::U32 => integer!(u32),
        TypeDefPrimitive::U64 => integer!(u64),
        TypeDefPrimitive::U128 => integer!(u128),
        TypeDefPrimitive::I8 => integer!(i8),
        TypeDefPrimitive::I16 => integer!(i16),
        TypeDefPrimitive::I32 => integer!(i32),
        TypeDefPrimitive::I64 => integer!(i64),
        TypeDefPrimitive::I128 => integer!(i128),
        _ => return Err("its type has no form in a genesis file".into()),
    }
    Ok(())
}

/// `BondsMovingAverage` as `bonds_moving_average`.
fn snake(name: &str) -> String {
    let mut snake = String::new();
    let characters: Vec<char> = name.chars().collect();
    for (at, character) in characters.iter().enumerate() {
        let after_lower = at > 0 && !characters[at - 1].is_uppercase();
        let before_lower = at > 0
            && characters[at - 1].is_uppercase()
            && characters.get(at + 1).is_some_and(|next| next.is_lowercase());
        if character.is_uppercase() && (after_lower || before_lower) {
            snake.push('_');
        }
        snake.extend(character.to_lowercase());
    }
    snake
}

#[cfg(test)]
mod tests {
    use super::snake;

    #[test]
    fn names_are_written_with_underscores() {
        for (name, expected) in [
            ("Kappa", "kappa"),
            ("BondsMovingAverage", "bonds_moving_average"),
            ("Yuma3On", "yuma3_on"),
            ("SubnetTAO", "subnet_tao"),
            ("TAOWeight", "tao_weight"),
        ] {
            assert_eq!(snake(name), expected);
        }
    }
}
