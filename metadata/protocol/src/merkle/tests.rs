//! The Certificate Transparency reference vectors, and every small tree exhaustively.

use super::*;

const LEAVES: [&str; 8] =
    ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"];

const ROOTS: [&str; 8] = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
];

const N96A2: &str = "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7";
const N5F08: &str = "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e";
const N6B47: &str = "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4";
const NBC1A: &str = "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b";
const NCA85: &str = "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0";
const N0EBC: &str = "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a";

fn digest(text: &str) -> Digest {
    format!("0x{text}").parse().unwrap()
}

fn reference_leaves() -> Vec<Digest> {
    LEAVES.iter().map(|leaf| leaf_hash(&hex::decode(leaf).unwrap())).collect()
}

fn numbered_leaves(count: u64) -> Vec<Digest> {
    (0..count).map(|number| leaf_hash(&number.to_le_bytes())).collect()
}

#[test]
fn roots_are_those_of_certificate_transparency() {
    let leaves = reference_leaves();
    assert_eq!(root(&[]), digest("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"));
    for (count, expected) in (1..).zip(ROOTS) {
        assert_eq!(root(&leaves[..count]), digest(expected), "{count} leaves");
    }
}

#[test]
fn inclusion_proofs_are_those_of_certificate_transparency() {
    let known: [(usize, usize, &[&str]); 5] = [
        (0, 1, &[]),
        (0, 8, &[N96A2, N5F08, N6B47]),
        (5, 8, &[NBC1A, NCA85, ROOTS[3]]),
        (2, 3, &[ROOTS[1]]),
        (1, 5, &[ROOTS[0], N5F08, NBC1A]),
    ];
    for (index, size, path) in known {
        let path: Vec<_> = path.iter().map(|node| digest(node)).collect();
        assert_eq!(inclusion_proof(&reference_leaves()[..size], index), Some(path), "leaf {index} of {size}");
    }
}

#[test]
fn consistency_proofs_are_those_of_certificate_transparency() {
    let known: [(usize, usize, &[&str]); 4] = [
        (1, 1, &[]),
        (1, 8, &[N96A2, N5F08, N6B47]),
        (6, 8, &[N0EBC, NCA85, ROOTS[3]]),
        (2, 5, &[N5F08, NBC1A]),
    ];
    for (old, new, path) in known {
        let path: Vec<_> = path.iter().map(|node| digest(node)).collect();
        assert_eq!(consistency_proof(&reference_leaves()[..new], old), Some(path), "{old} in {new}");
    }
}

#[test]
fn every_leaf_of_every_small_tree_has_a_proof_and_no_other_place() {
    for size in 1..=20_u64 {
        let leaves = numbered_leaves(size);
        let tree_root = root(&leaves);
        for index in 0..size {
            let leaf = leaves[index as usize];
            let proof = inclusion_proof(&leaves, index as usize).unwrap();
            assert!(verify_inclusion(&leaf, index, size, &proof, &tree_root), "leaf {index} of {size}");
            for other in (0..=size).filter(|other| *other != index) {
                assert!(
                    !verify_inclusion(&leaf, other, size, &proof, &tree_root),
                    "leaf {index} as {other} of {size}"
                );
            }
            assert!(!verify_inclusion(&Digest::ZERO, index, size, &proof, &tree_root));
            assert!(!verify_inclusion(&leaf, index, size, &proof, &Digest::ZERO));
            let mut longer = proof.clone();
            longer.push(Digest::ZERO);
            assert!(!verify_inclusion(&leaf, index, size, &longer, &tree_root));
            if let Some((_, shorter)) = proof.split_last() {
                assert!(!verify_inclusion(&leaf, index, size, shorter, &tree_root));
            }
            for damaged in 0..proof.len() {
                let mut proof = proof.clone();
                proof[damaged].0[0] ^= 1;
                assert!(!verify_inclusion(&leaf, index, size, &proof, &tree_root));
            }
        }
        assert_eq!(inclusion_proof(&leaves, leaves.len()), None);
    }
}

#[test]
fn every_small_tree_is_the_beginning_of_every_larger_one_and_of_no_fork() {
    for new_size in 0..=20_u64 {
        let leaves = numbered_leaves(new_size);
        for old_size in 0..=new_size {
            let claim = ConsistencyClaim {
                old_size,
                old_root: root(&leaves[..old_size as usize]),
                new_size,
                new_root: root(&leaves),
            };
            let proof = consistency_proof(&leaves, old_size as usize).unwrap();
            assert!(verify_consistency(&claim, &proof), "{old_size} in {new_size}");
            assert!(
                !verify_consistency(&ConsistencyClaim { old_root: Digest::ZERO, ..claim }, &proof),
                "{old_size} in {new_size}"
            );
            // From nothing anything may grow; otherwise the new root is bound too.
            let forked = ConsistencyClaim { new_root: Digest::ZERO, ..claim };
            assert_eq!(
                verify_consistency(&forked, &proof),
                old_size == 0 && new_size > 0,
                "{old_size} in {new_size}"
            );
            let mut longer = proof.clone();
            longer.push(Digest::ZERO);
            assert!(!verify_consistency(&claim, &longer), "{old_size} in {new_size}");
            for damaged in 0..proof.len() {
                let mut proof = proof.clone();
                proof[damaged].0[0] ^= 1;
                assert!(!verify_consistency(&claim, &proof), "{old_size} in {new_size}");
            }
        }
        assert_eq!(consistency_proof(&leaves, leaves.len() + 1), None);
    }
}

#[test]
fn a_leaf_never_passes_for_a_node() {
    let leaves = numbered_leaves(2);
    let content = [leaves[0].0, leaves[1].0].concat();
    assert_ne!(leaf_hash(&content), root(&leaves));
}

#[test]
fn a_frontier_has_the_root_of_all_leaves_pushed() {
    let leaves = numbered_leaves(70);
    let mut frontier = Frontier::new();
    for count in 0..leaves.len() {
        assert_eq!((frontier.size(), frontier.root()), (count as u64, root(&leaves[..count])));
        let bytes = parity_scale_codec::Encode::encode(&frontier);
        let again = <Frontier as parity_scale_codec::DecodeAll>::decode_all(&mut bytes.as_slice()).unwrap();
        assert_eq!(again, frontier);
        frontier.push(leaves[count]);
    }
}

#[test]
fn a_frontier_with_the_wrong_number_of_peaks_does_not_decode() {
    use parity_scale_codec::{DecodeAll, Encode};
    let peaks = |count: usize| vec![Digest::ZERO; count];
    for (size, count) in [(3_u64, 1), (3, 3), (0, 1), (u64::MAX, 63)] {
        let bytes = (size, peaks(count)).encode();
        assert!(Frontier::decode_all(&mut bytes.as_slice()).is_err(), "{size} {count}");
    }
}

#[test]
fn proofs_from_roots_of_ranges_are_those_from_all_leaves() {
    for size in 0..=40_u64 {
        let leaves = numbered_leaves(size);
        let by = |range: std::ops::Range<u64>| {
            Ok::<_, std::convert::Infallible>(root(&leaves[range.start as usize..range.end as usize]))
        };
        for number in 0..=size + 1 {
            let from_leaves = inclusion_proof(&leaves, number as usize);
            assert_eq!(inclusion_proof_by(number, size, by).unwrap(), from_leaves, "{number} of {size}");
            let from_leaves = consistency_proof(&leaves, number as usize);
            assert_eq!(consistency_proof_by(number, size, by).unwrap(), from_leaves, "{number} in {size}");
        }
    }
}
