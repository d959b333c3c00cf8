//! Files that are broken, cut short, or made to hurt.

use model_runtime::decoder::BlockKind;
use model_runtime::weights::blocks::TensorType;
use model_runtime::weights::gguf::{Gguf, GgufError};
use proptest::prelude::*;

use super::reference::weight;
use super::tiny::{File, Meta, Random, SIZES, Weights, encode, llama};

const KINDS: [BlockKind; 6] =
    [BlockKind::F32, BlockKind::F16, BlockKind::BF16, BlockKind::Q4_0, BlockKind::Q4_1, BlockKind::Q8_0];

fn small() -> File {
    let mut file = File::default();
    file.meta("general.architecture", Meta::Text("llama".into()));
    file.meta("numbers", Meta::I32s(vec![1, -2]));
    file.meta("texts", Meta::Texts(vec!["a".into(), "bc".into()]));
    file.meta("flag", Meta::Bool(true));
    file.meta("ratio", Meta::F32(0.5));
    let values = Random::new(1).values(64, 1.0);
    file.tensors.push(Weights { name: "t".into(), sizes: vec![32, 2], kind: BlockKind::Q8_0.into(), values });
    file
}

#[test]
fn what_was_written_is_read() {
    let gguf = Gguf::from_bytes(small().bytes()).unwrap();
    assert_eq!(gguf.version(), 3);
    assert_eq!(gguf.text("general.architecture").unwrap(), "llama");
    assert_eq!(gguf.integers("numbers").unwrap(), [1, -2]);
    assert_eq!(gguf.texts("texts").unwrap(), ["a", "bc"]);
    assert!(gguf.flag("flag", false).unwrap() && gguf.flag("other", true).unwrap());
    assert!((gguf.float("ratio").unwrap() - 0.5).abs() < 1e-9);
    assert_eq!(gguf.tensor("t").unwrap().dimensions, [32, 2]);
    assert!(matches!(gguf.unsigned("flag"), Err(GgufError::WrongKind { .. })));
    assert!(matches!(gguf.text("nothing"), Err(GgufError::MissingKey { .. })));
    assert!(matches!(gguf.tensor("u"), Err(GgufError::MissingTensor { .. })));
}

#[test]
fn every_tensor_type_gives_the_numbers_of_its_formula() {
    let values = Random::new(2).values(32 * 300, 3.0);
    for kind in KINDS {
        let bytes = encode(kind, &values);
        let read = kind.dequantize(&bytes);
        assert_eq!(read.len(), values.len());
        for (i, read) in read.iter().enumerate() {
            let expected = weight(kind, &bytes, i);
            let error = (f64::from(*read) - expected).abs();
            assert!(
                error <= expected.abs() * 1e-6 + 1e-7,
                "{kind:?} weight {i}: {read} instead of {expected}"
            );
        }
    }
}

#[test]
fn a_file_cut_anywhere_is_an_error() {
    let bytes = small().bytes();
    for length in 0..bytes.len() - 28 {
        // The last 28 bytes pad the last tensor, and are not needed.
        assert!(Gguf::from_bytes(bytes[..length].to_vec()).is_err(), "cut to {length} of {}", bytes.len());
    }
}

#[test]
fn other_formats_and_versions_are_named() {
    assert!(
        matches!(Gguf::from_bytes(b"PK\x03\x04 and more".to_vec()), Err(GgufError::Magic { found }) if &found == b"PK\x03\x04")
    );
    let mut bytes = small().bytes();
    bytes[4] = 1;
    assert!(matches!(Gguf::from_bytes(bytes), Err(GgufError::Version(1))));
}

#[test]
fn counts_beyond_the_file_allocate_nothing() {
    let header = |tensors: u64, entries: u64, rest: &[u8]| {
        let mut bytes = b"GGUF\x03\0\0\0".to_vec();
        bytes.extend(tensors.to_le_bytes());
        bytes.extend(entries.to_le_bytes());
        bytes.extend(rest);
        Gguf::from_bytes(bytes)
    };
    assert!(matches!(header(u64::MAX, 0, b""), Err(GgufError::TooMany { .. })));
    assert!(matches!(header(0, u64::MAX, b""), Err(GgufError::TooMany { .. })));
    assert!(matches!(header(60_000, 0, b""), Err(GgufError::Truncated { .. })));
    // A key of 2^63 bytes.
    assert!(matches!(header(0, 1, &(1_u64 << 63).to_le_bytes()), Err(GgufError::Truncated { .. })));
    // A list of 2^62 texts, and one of 2^62 numbers of eight bytes.
    for kind in [8_u32, 10] {
        let mut entry = 1_u64.to_le_bytes().to_vec();
        entry.push(b'k');
        entry.extend(9_u32.to_le_bytes());
        entry.extend(kind.to_le_bytes());
        entry.extend((1_u64 << 62).to_le_bytes());
        assert!(matches!(header(0, 1, &entry), Err(GgufError::Truncated { .. })));
    }
    // Lists in lists in lists ...
    let mut entry = 1_u64.to_le_bytes().to_vec();
    entry.push(b'k');
    entry.extend(9_u32.to_le_bytes());
    for _ in 0..100_000 {
        entry.extend(9_u32.to_le_bytes());
        entry.extend(1_u64.to_le_bytes());
    }
    assert!(matches!(header(0, 1, &entry), Err(GgufError::TooMany { what: "lists inside of lists", .. })));
    // A value of a type there is none of.
    let mut entry = 1_u64.to_le_bytes().to_vec();
    entry.push(b'k');
    entry.extend(13_u32.to_le_bytes());
    assert!(matches!(header(0, 1, &entry), Err(GgufError::UnknownValueType { id: 13, .. })));
}

#[test]
fn impossible_tensors_are_refused() {
    let with = |change: fn(&mut Weights)| {
        let mut file = small();
        change(file.tensor("t"));
        Gguf::from_bytes(file.bytes()).unwrap_err()
    };
    assert!(matches!(with(|t| t.sizes = vec![usize::MAX, 2]), GgufError::Shape { .. }));
    assert!(matches!(with(|t| t.sizes = vec![1 << 40, 1 << 40]), GgufError::Shape { .. }));
    assert!(matches!(with(|t| t.sizes = vec![0, 2]), GgufError::Shape { .. }));
    assert!(matches!(with(|t| t.sizes = vec![33, 2]), GgufError::Shape { .. }), "rows are whole blocks");
    assert!(matches!(with(|t| t.sizes = vec![32, 3]), GgufError::OutOfBounds { .. }));
    assert!(matches!(with(|t| t.sizes = vec![1 << 50]), GgufError::OutOfBounds { .. }));
    assert!(matches!(with(|t| t.sizes = vec![32, 1, 1, 1, 1]), GgufError::TooMany { .. }));
}

#[test]
fn names_may_not_appear_twice() {
    let mut file = small();
    file.tensors.push(file.tensors[0].clone());
    assert!(matches!(Gguf::from_bytes(file.bytes()), Err(GgufError::Duplicate { what: "tensor", .. })));
    let mut file = small();
    file.meta.push(file.meta[0].clone());
    assert!(matches!(Gguf::from_bytes(file.bytes()), Err(GgufError::Duplicate { what: "metadata", .. })));
}

#[test]
fn a_strange_alignment_is_refused() {
    for alignment in [0, 3, 1 << 20] {
        let mut file = small();
        file.meta("general.alignment", Meta::U32(alignment));
        assert!(matches!(Gguf::from_bytes(file.bytes()), Err(GgufError::Alignment(_))), "{alignment}");
    }
}

#[test]
fn a_type_we_cannot_compute_with_is_listed_but_not_given_out() {
    let mut file = small();
    file.tensor("t").kind = TensorType::Other(10);
    let gguf = Gguf::from_bytes(file.bytes()).unwrap();
    assert_eq!(gguf.tensors().next().unwrap().1.kind, TensorType::Other(10));
    let error = gguf.tensor("t").unwrap_err();
    assert!(matches!(&error, GgufError::UnsupportedType { kind, .. } if kind == "type 10"), "{error}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    /// Whatever the damage: an error or a file, never a panic, and no tensor outside of the file.
    #[test]
    fn damaged_headers_never_panic(changes in prop::collection::vec((0_usize..4096, any::<u8>()), 1..8)) {
        let mut bytes = small().bytes();
        for (at, byte) in changes {
            let at = at % bytes.len();
            bytes[at] = byte;
        }
        if let Ok(gguf) = Gguf::from_bytes(bytes) {
            for (name, info) in gguf.tensors() {
                if let Ok(view) = gguf.tensor(name) {
                    prop_assert_eq!(view.dequantize().len(), info.weights);
                }
            }
            for (key, _) in gguf.metadata() {
                drop((gguf.texts(key), gguf.text(key), gguf.integers(key)));
            }
        }
    }
}

#[test]
fn a_file_on_disk_is_mapped_and_hashed() {
    use sha2::{Digest as _, Sha256};
    let file = llama(1, BlockKind::Q8_0, SIZES);
    let (_folder, path) = file.on_disk();
    let gguf = Gguf::open(&path).unwrap();
    assert_eq!(gguf.sha256(), <[u8; 32]>::from(Sha256::digest(file.bytes())));
    assert!(matches!(Gguf::open(&path.with_extension("missing")), Err(GgufError::Open { .. })));
}
