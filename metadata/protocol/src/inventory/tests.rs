//! Inventories: round trips, and each way that one may be bad.

use parity_scale_codec::DecodeAll;

use super::*;
use crate::fixtures::{account, key, model_id};

const NOW_MS: u64 = 1_752_076_800_000;

fn inventory() -> Inventory {
    let model = HotModel {
        id: model_id("SmolLM2-135M-Instruct"),
        weights_digest: Digest([0x11; 32]),
        context_tokens: 2_048,
        slots: 4,
        in_flight: 1,
    };
    let device = "cpu".to_owned();
    Inventory {
        netuid: 64,
        miner: account("Bob"),
        issued_at_ms: NOW_MS,
        device,
        memory_bytes: 8 << 30,
        models: vec![model],
    }
}

fn verify(signed: SignedInventory, now_ms: u64) -> Result<Inventory, InventoryError> {
    signed.verify(now_ms, 60_000, &account("Bob"))
}

#[test]
fn an_inventory_survives_json_and_scale_and_verifies() {
    let signed = inventory().sign(&key("Bob"));
    let from_json: SignedInventory = serde_json::from_str(&serde_json::to_string(&signed).unwrap()).unwrap();
    let from_scale = SignedInventory::decode_all(&mut signed.encode().as_slice()).unwrap();
    assert_eq!((&from_json, &from_scale), (&signed, &signed));
    assert_eq!(verify(from_json, NOW_MS), Ok(inventory()));
}

#[test]
fn a_stale_future_foreign_or_forged_inventory_is_refused() {
    let signed = || inventory().sign(&key("Bob"));
    assert_eq!(verify(signed(), NOW_MS + 60_000), Ok(inventory()));
    assert_eq!(verify(signed(), NOW_MS + 60_001), Err(InventoryError::Stale { age_ms: 60_001 }));
    assert_eq!(verify(signed(), NOW_MS - 2_000), Ok(inventory()));
    assert_eq!(verify(signed(), NOW_MS - 2_001), Err(InventoryError::IssuedAhead { ahead_ms: 2_001 }));
    assert_eq!(signed().verify(NOW_MS, 60_000, &account("Charlie")), Err(InventoryError::Miner));
    assert_eq!(
        verify(inventory().sign(&key("Charlie")), NOW_MS),
        Err(InventoryError::Signature(BadSignature))
    );
    let mut changed = signed();
    changed.inventory.models[0].slots = 400;
    assert_eq!(verify(changed, NOW_MS), Err(InventoryError::Signature(BadSignature)));
}

#[test]
fn an_inventory_over_its_limits_is_refused_whatever_the_transport() {
    let model = inventory().models[0].clone();
    let too_many = Inventory { models: vec![model; MODELS_MAX + 1], ..inventory() }.sign(&key("Bob"));
    let too_long = Inventory { device: "x".repeat(DEVICE_BYTES_MAX + 1), ..inventory() }.sign(&key("Bob"));
    for signed in [too_many, too_long] {
        assert!(SignedInventory::decode_all(&mut signed.encode().as_slice()).is_err());
        assert_eq!(verify(signed, NOW_MS), Err(InventoryError::TooLarge));
    }
}
