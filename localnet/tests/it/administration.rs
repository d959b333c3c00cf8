//! AdminUtils: who sets what, how often, when, and within which bounds.

use subxt::dynamic::Value;
use subxt_signer::sr25519::Keypair;

use crate::client::{Client, NETUID, Outcome, TAO, account, key, number};

/// Blocks between two epochs of the dev subnet.
const TEMPO: u32 = 20;

/// A call of AdminUtils inside another call.
fn admin(call: &str, arguments: Vec<(&'static str, Value)>) -> Value {
    Value::unnamed_variant("AdminUtils", [Value::named_variant(call, arguments)])
}

/// The arguments of a setter of a subnet.
fn of_subnet(name: &'static str, value: Value) -> Vec<(&'static str, Value)> {
    vec![("netuid", number(NETUID)), (name, value)]
}

async fn sudo(client: &Client, call: Value) -> Outcome {
    client.submit("Sudo", "sudo", vec![call], &key("//Alice")).await
}

async fn owner(client: &Client, call: &str, value: Value) -> Outcome {
    client.submit("AdminUtils", call, vec![number(NETUID), value], &key("//Alice")).await
}

/// What a storage item of the dev subnet holds.
async fn subnet_value(client: &Client, item: &str) -> u64 {
    let at = client.api.at_current_block().await.unwrap();
    let address = subxt::dynamic::storage::<(u16,), u64>("SubtensorModule", item);
    at.storage().fetch(address, (NETUID,)).await.unwrap().decode().unwrap()
}

fn failed(error: &str) -> Outcome {
    Outcome::Failed(format!("Pallet error: {error}"))
}

/// Makes blocks until the first of an epoch's blocks, in which an owner may change things.
async fn into_open_window(client: &Client) {
    let left = TEMPO - client.chain.best_number() % TEMPO;
    client.blocks(left).await;
}

#[tokio::test]
async fn an_owner_sets_a_hyperparameter_once_in_two_tempos_and_the_sudo_key_always() {
    let client = Client::instant().await;
    into_open_window(&client).await;
    assert_eq!(owner(&client, "sudo_set_immunity_period", number(77u16)).await, Outcome::Success);
    assert_eq!(subnet_value(&client, "ImmunityPeriod").await, 77);
    let again = owner(&client, "sudo_set_immunity_period", number(78u16)).await;
    assert_eq!(again, failed("SubtensorModule::TxRateLimitExceeded"));
    // Another hyperparameter has its own count.
    assert_eq!(owner(&client, "sudo_set_rho", number(11u16)).await, Outcome::Success);
    let by_sudo = admin("sudo_set_immunity_period", of_subnet("immunity_period", number(79u16)));
    client.succeed("Sudo", "sudo", vec![by_sudo], &key("//Alice")).await;
    assert_eq!(subnet_value(&client, "ImmunityPeriod").await, 79);

    client.blocks(2 * TEMPO).await;
    into_open_window(&client).await;
    assert_eq!(owner(&client, "sudo_set_immunity_period", number(80u16)).await, Outcome::Success);
}

#[tokio::test]
async fn in_the_blocks_before_an_epoch_nothing_changes() {
    let client = Client::instant().await;
    into_open_window(&client).await;
    client.blocks(TEMPO - 8).await;
    let outcome = owner(&client, "sudo_set_rho", number(11u16)).await;
    assert_eq!(outcome, failed("SubtensorModule::AdminActionProhibitedDuringWeightsWindow"));
    assert_eq!(subnet_value(&client, "Rho").await, 10);
}

#[tokio::test]
async fn a_stranger_sets_nothing_and_an_owner_not_what_only_the_sudo_key_may() {
    let client = Client::instant().await;
    into_open_window(&client).await;
    let arguments = || vec![number(NETUID), number(11u16)];
    let stranger = client.submit("AdminUtils", "sudo_set_rho", arguments(), &key("//Bob")).await;
    assert_eq!(stranger, Outcome::Failed("Bad origin.".into()));
    let by_owner = client.submit("AdminUtils", "sudo_set_kappa", arguments(), &key("//Alice")).await;
    assert_eq!(by_owner, Outcome::Failed("Bad origin.".into()));
}

#[tokio::test]
async fn values_out_of_bounds_are_refused_by_name() {
    let client = Client::instant().await;
    into_open_window(&client).await;
    for (call, value, error) in [
        ("sudo_set_min_burn", number(TAO), "AdminUtils::ValueNotInBounds"),
        ("sudo_set_max_burn", number(TAO / 10), "AdminUtils::ValueNotInBounds"),
        ("sudo_set_bonds_moving_average", number(975_001u32), "AdminUtils::BondsMovingAverageMaxReached"),
        ("sudo_set_burn_half_life", number(0u8), "AdminUtils::InvalidValue"),
        (
            "sudo_set_max_allowed_uids",
            number(257u16),
            "AdminUtils::MaxAllowedUidsGreaterThanDefaultMaxAllowedUids",
        ),
        ("sudo_set_alpha_sigmoid_steepness", Value::i128(-1), "AdminUtils::NegativeSigmoidSteepness"),
        ("sudo_set_collateral_lock_share", number(62_259u16), "AdminUtils::CollateralLockShareTooHigh"),
        ("sudo_set_commit_reveal_weights_interval", number(101u8), "SubtensorModule::RevealPeriodTooLarge"),
        ("sudo_set_owner_immune_neuron_limit", number(11u8), "SubtensorModule::InvalidValue"),
        (
            "sudo_set_activity_cutoff_factor",
            number(999u16),
            "SubtensorModule::ActivityCutoffFactorMilliOutOfBounds",
        ),
        ("sudo_set_tempo", number(359u16), "SubtensorModule::TempoOutOfBounds"),
        ("sudo_set_mechanism_count", number(3u8), "SubtensorModule::InvalidValue"),
        ("sudo_set_mechanism_count", number(2u8), "SubtensorModule::TooManyUIDsPerMechanism"),
        (
            "sudo_set_network_pow_registration_allowed",
            Value::bool(true),
            "AdminUtils::POWRegistrationDisabled",
        ),
    ] {
        // Each takes a block; the window for changes is half a tempo.
        if client.chain.best_number() % TEMPO > 8 {
            into_open_window(&client).await;
        }
        assert_eq!(owner(&client, call, value).await, failed(error), "{call}");
    }
}

#[tokio::test]
async fn a_tempo_that_is_set_starts_the_epoch_anew() {
    let client = Client::instant().await;
    into_open_window(&client).await;
    let call = admin("sudo_set_tempo", of_subnet("tempo", number(50u16)));
    client.succeed("Sudo", "sudo", vec![call], &key("//Alice")).await;
    assert_eq!(subnet_value(&client, "Tempo").await, 50);
    assert_eq!(subnet_value(&client, "LastEpochBlock").await, u64::from(client.chain.best_number()));
}

#[tokio::test]
async fn chain_wide_settings_are_the_sudo_key_s() {
    let client = Client::instant().await;
    for (call, argument, value, item) in [
        ("sudo_set_tx_rate_limit", "tx_rate_limit", 7u64, "TxRateLimit"),
        ("sudo_set_network_rate_limit", "rate_limit", 8, "NetworkRateLimit"),
        ("sudo_set_stake_threshold", "min_stake", 9, "StakeThreshold"),
        ("sudo_set_start_call_delay", "delay", 10, "StartCallDelay"),
        ("sudo_set_admin_freeze_window", "window", 3, "AdminFreezeWindow"),
        ("sudo_set_owner_hparam_rate_limit", "epochs", 4, "OwnerHyperparamRateLimit"),
        ("sudo_set_network_min_lock_cost", "lock_cost", 12, "NetworkMinLockCost"),
    ] {
        assert_eq!(sudo(&client, admin(call, vec![(argument, number(value))])).await, Outcome::Success);
        let at = client.api.at_current_block().await.unwrap();
        let address = subxt::dynamic::storage::<(), u64>("SubtensorModule", item);
        let stored = at.storage().fetch(address, ()).await.unwrap().decode().unwrap();
        assert_eq!(stored, value, "{call}");
    }
    let direct =
        client.submit("AdminUtils", "sudo_set_tx_rate_limit", vec![number(1u8)], &key("//Bob")).await;
    assert_eq!(direct, Outcome::Failed("Bad origin.".into()));
}

#[tokio::test]
async fn mechanisms_come_and_go_with_what_they_hold() {
    let client = Client::instant().await;
    into_open_window(&client).await;
    let fewer = admin("sudo_set_max_allowed_uids", of_subnet("max_allowed_uids", number(128u16)));
    assert_eq!(sudo(&client, fewer).await, Outcome::Success);
    assert_eq!(owner(&client, "sudo_set_mechanism_count", number(2u8)).await, Outcome::Success);
    let split =
        |shares: [u16; 2]| Value::unnamed_variant("Some", [Value::unnamed_composite(shares.map(number))]);
    let wrong = owner(&client, "sudo_set_mechanism_emission_split", split([1, 2])).await;
    assert_eq!(wrong, failed("SubtensorModule::InvalidValue"));
    let right = owner(&client, "sudo_set_mechanism_emission_split", split([60_000, 5_535])).await;
    assert_eq!(right, Outcome::Success);
    assert_eq!(subnet_value(&client, "MechanismCountCurrent").await, 2);
    let back = admin("sudo_set_mechanism_count", of_subnet("mechanism_count", number(1u8)));
    assert_eq!(sudo(&client, back).await, Outcome::Success);
    assert_eq!(subnet_value(&client, "MechanismCountCurrent").await, 1);
}

#[tokio::test]
async fn trimming_removes_the_neurons_that_earn_least_and_closes_the_gaps() {
    let client = Client::instant().await;
    let coldkey = key("//Charlie");
    let hotkeys: Vec<Keypair> = (0..6).map(|number| key(&format!("//Charlie//{number}"))).collect();
    for hotkey in &hotkeys {
        assert_eq!(client.register(&coldkey, hotkey).await, Outcome::Success);
    }
    // Past their immunity, or none could go.
    for call in [
        admin("sudo_set_immunity_period", of_subnet("immunity_period", number(1u8))),
        admin("sudo_set_min_allowed_uids", of_subnet("min_allowed_uids", number(2u8))),
    ] {
        into_open_window(&client).await;
        assert_eq!(sudo(&client, call).await, Outcome::Success);
    }
    into_open_window(&client).await;
    let too_few = owner(&client, "sudo_trim_to_max_allowed_uids", number(1u8)).await;
    assert_eq!(too_few, failed("SubtensorModule::InvalidValue"));
    assert_eq!(owner(&client, "sudo_trim_to_max_allowed_uids", number(4u8)).await, Outcome::Success);
    let neurons = client.neurons().await;
    // All earned nothing: the first stay.
    let expected: Vec<_> =
        hotkeys[..4].iter().map(|key| key.public_key().to_account_id().to_string()).collect();
    assert_eq!(neurons.iter().map(|neuron| neuron.hotkey.to_string()).collect::<Vec<_>>(), expected);
    assert_eq!(neurons.iter().map(|neuron| neuron.uid).collect::<Vec<_>>(), [0, 1, 2, 3]);
    assert_eq!(subnet_value(&client, "MaxAllowedUids").await, 4);
}

#[tokio::test]
async fn an_owner_names_another_hotkey_once_a_week() {
    let client = Client::instant().await;
    client.blocks(1).await;
    let arguments = |hotkey| vec![number(NETUID), account(&key(hotkey))];
    client.succeed("AdminUtils", "sudo_set_sn_owner_hotkey", arguments("//first"), &key("//Alice")).await;
    let again =
        client.submit("AdminUtils", "sudo_set_sn_owner_hotkey", arguments("//second"), &key("//Alice")).await;
    assert_eq!(again, failed("SubtensorModule::TxRateLimitExceeded"));
}
