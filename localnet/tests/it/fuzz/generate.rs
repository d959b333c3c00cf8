//! Random values of the runtime's own types.

use frame_metadata::v14::RuntimeMetadataV14;
use parity_scale_codec::{Compact, Encode as _};
use scale_info::{Field, PortableRegistry, TypeDef, TypeDefPrimitive, form::PortableForm};
use serde_json::{Value as Json, json};

/// How deep values nest before the shortest is taken.
const DEPTH_MAX: u32 = 10;
/// How deep calls hold calls.
const CALLS_DEPTH_MAX: u32 = 2;

/// A generator of the same noise every time.
pub struct Noise(u64);

impl Noise {
    pub fn new(seed: u64) -> Self {
        Self(seed | 1)
    }

    pub fn next(&mut self) -> u64 {
        // xorshift64
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    pub fn below(&mut self, end: u64) -> u64 {
        self.next() % end.max(1)
    }

    pub fn pick<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        &items[self.below(items.len() as u64) as usize]
    }

    /// A number in which both ends, small ones and usual amounts are likely.
    fn number(&mut self) -> u128 {
        match self.below(8) {
            0 => 0,
            1 => u128::MAX,
            2 | 3 => self.below(8).into(),
            4 => self.below(70_000).into(),
            5 => u128::from(self.below(5_000)) * 1_000_000_000,
            6 => 1 << self.below(128),
            _ => self.next().into(),
        }
    }

    /// The body of a request: a valid one, one with wrong parameters, a batch, or bytes that mean nothing.
    pub fn body(&mut self, methods: &[String]) -> Vec<u8> {
        let mut body = match self.below(8) {
            0 => return (0..self.below(200)).map(|_| self.next() as u8).collect(),
            1 => {
                let calls: Vec<Json> = (0..self.below(6)).map(|_| self.request(methods)).collect();
                json!(calls).to_string().into_bytes()
            }
            _ => self.request(methods).to_string().into_bytes(),
        };
        for _ in 0..self.below(6).saturating_sub(3) {
            let at = self.below(body.len() as u64) as usize;
            match self.below(3) {
                0 => body[at] = self.next() as u8,
                1 => body.truncate(at + 1),
                _ => body.insert(at, b"{}[]\",:0xnull-1e999"[self.below(19) as usize]),
            }
        }
        body
    }

    fn request(&mut self, methods: &[String]) -> Json {
        let method = self.pick(methods).clone();
        let params: Vec<Json> = (0..self.below(5)).map(|_| self.json(3)).collect();
        json!({ "jsonrpc": "2.0", "id": self.below(1_000), "method": method, "params": params })
    }

    fn json(&mut self, depth: u32) -> Json {
        let hex = |bytes: Vec<u8>| json!(format!("0x{}", hex::encode(bytes)));
        match self.below(if depth == 0 { 8 } else { 10 }) {
            0 => Json::Null,
            1 => json!(self.below(70_000)),
            2 => json!(self.next()),
            3 => json!(-(self.below(1_000) as i64)),
            4 => hex((0..self.below(40)).map(|_| self.next() as u8).collect()),
            5 => hex((0..32).map(|_| self.next() as u8).collect()),
            6 => json!("5GrwvaEF5zXb26Fz9rcQpDWS57CtERHpNehXCPcNoHGKutQY"),
            7 => json!(["Core_version", "Metadata_metadata_at_version", "no_such"][self.below(3) as usize]),
            8 => Json::Array((0..self.below(4)).map(|_| self.json(depth - 1)).collect()),
            _ => json!({ "at": self.json(depth - 1) }),
        }
    }
}

/// Makes calls.
pub struct Generator<'a> {
    pub noise: Noise,
    types: &'a PortableRegistry,
    /// The type of all calls.
    call: u32,
    accounts: Vec<[u8; 32]>,
}

impl<'a> Generator<'a> {
    pub fn new(metadata: &'a RuntimeMetadataV14, accounts: Vec<[u8; 32]>, seed: u64) -> Self {
        let is_call = |path: &[String]| path.last().is_some_and(|name| name == "RuntimeCall");
        let call = metadata.types.types.iter().find(|ty| is_call(&ty.ty.path.segments)).unwrap().id;
        Self { noise: Noise::new(seed), types: &metadata.types, call, accounts }
    }

    /// A call, encoded.
    pub fn call(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.value(self.call, 0, 0, &mut bytes);
        bytes
    }

    fn value(&mut self, id: u32, depth: u32, calls: u32, bytes: &mut Vec<u8>) {
        let ty = self.types.resolve(id).expect("the metadata describes every type it names");
        match ty.path.segments.last().map(String::as_str) {
            Some("AccountId32") => {
                let random: [u8; 32] = std::array::from_fn(|_| self.noise.next() as u8);
                let known = *self.noise.pick(&self.accounts);
                return bytes.extend(if self.noise.below(10) == 0 { random } else { known });
            }
            Some("NetUid") => {
                let netuid = [64, 64, 64, 64, 0, 1, 65, u16::MAX][self.noise.below(8) as usize];
                return netuid.encode_to(bytes);
            }
            // The other forms of an address belong to nobody.
            Some("MultiAddress") if self.noise.below(10) > 0 => {
                bytes.push(0);
                return bytes.extend(*self.noise.pick(&self.accounts));
            }
            // System.remark of nothing.
            Some("RuntimeCall") if calls > CALLS_DEPTH_MAX => return bytes.extend([0, 0, 0]),
            _ => {}
        }
        let calls = calls + u32::from(id == self.call);
        match &ty.type_def {
            TypeDef::Primitive(primitive) => self.primitive(primitive, bytes),
            TypeDef::Compact(compact) => {
                let max = self.bits(compact.type_param.id);
                let number = self.noise.number();
                Compact(if max == 128 { number } else { number & ((1 << max) - 1) }).encode_to(bytes);
            }
            TypeDef::Sequence(sequence) => {
                let length = match self.noise.below(20) {
                    0 if depth < 4 => self.noise.below(300),
                    _ if depth > DEPTH_MAX => 0,
                    _ => self.noise.below(5),
                };
                Compact(length as u32).encode_to(bytes);
                (0..length).for_each(|_| self.value(sequence.type_param.id, depth + 1, calls, bytes));
            }
            TypeDef::Array(array) => {
                (0..array.len).for_each(|_| self.value(array.type_param.id, depth + 1, calls, bytes));
            }
            TypeDef::Tuple(tuple) => {
                tuple.fields.iter().for_each(|field| self.value(field.id, depth + 1, calls, bytes));
            }
            TypeDef::Composite(composite) => self.fields(&composite.fields, depth, calls, bytes),
            TypeDef::Variant(variants) if variants.variants.is_empty() => {}
            TypeDef::Variant(variants) => {
                let variant = self.noise.pick(&variants.variants);
                bytes.push(variant.index);
                self.fields(&variant.fields, depth, calls, bytes);
            }
            TypeDef::BitSequence(_) => bytes.push(0),
        }
    }

    fn fields(&mut self, fields: &[Field<PortableForm>], depth: u32, calls: u32, bytes: &mut Vec<u8>) {
        fields.iter().for_each(|field| self.value(field.ty.id, depth + 1, calls, bytes));
    }

    fn primitive(&mut self, primitive: &TypeDefPrimitive, bytes: &mut Vec<u8>) {
        let width = match primitive {
            TypeDefPrimitive::Bool => return bytes.push(self.noise.below(2) as u8),
            TypeDefPrimitive::Str => return "text".encode_to(bytes),
            TypeDefPrimitive::Char => return bytes.extend([0; 4]),
            TypeDefPrimitive::U8 | TypeDefPrimitive::I8 => 1,
            TypeDefPrimitive::U16 | TypeDefPrimitive::I16 => 2,
            TypeDefPrimitive::U32 | TypeDefPrimitive::I32 => 4,
            TypeDefPrimitive::U64 | TypeDefPrimitive::I64 => 8,
            TypeDefPrimitive::U128 | TypeDefPrimitive::I128 => 16,
            TypeDefPrimitive::U256 | TypeDefPrimitive::I256 => return bytes.extend([0; 32]),
        };
        bytes.extend(&self.noise.number().to_le_bytes()[..width]);
    }

    /// Bits of a compact number's type, which may be wrapped.
    fn bits(&self, id: u32) -> u32 {
        match &self.types.resolve(id).expect("the metadata describes every type it names").type_def {
            TypeDef::Primitive(TypeDefPrimitive::U8) => 8,
            TypeDef::Primitive(TypeDefPrimitive::U16) => 16,
            TypeDef::Primitive(TypeDefPrimitive::U32) => 32,
            TypeDef::Primitive(TypeDefPrimitive::U64) => 64,
            TypeDef::Composite(composite) if composite.fields.len() == 1 => {
                self.bits(composite.fields[0].ty.id)
            }
            _ => 128,
        }
    }
}
