//! The `chain` commands, as people and scripts see them.

use chain_client::cli::{Axon, ChainCommand, Output, Register, StakeView, Weights};
use chain_client::command::{self, CommandError, Site};
use chain_client::wallet::{self, KeySource, Role, WalletPath};
use chain_client::{AnnounceError, RegistrationObstacle};
use serde_json::Value;
use tempfile::TempDir;

use crate::support::{NETUID, TAO, VALIDATOR, World, account, key, until};
use crate::weights::Setting;

const JSON: Output = Output { json: true };
const TEXT: Output = Output { json: false };

/// A wallet on a chain.
struct Operator {
    _folder: TempDir,
    site: Site,
}

impl Operator {
    /// With a coldkey that has 100 TAO.
    async fn on(world: &World) -> Self {
        let folder = TempDir::new().unwrap();
        let wallet = WalletPath::new(folder.path().join("wallets"), "cold", "hot");
        for role in [Role::Coldkey, Role::Hotkey] {
            wallet::create(&wallet, role, KeySource::Generate).unwrap();
        }
        let site = Site {
            program: "subnet-miner",
            network: world.localnet.ws_url(),
            local_endpoint: None,
            fallback_endpoints: None,
            netuid: NETUID,
            wallet,
            password_file: None,
            request_timeout_ms: 20_000,
        };
        let coldkey = site.coldkey_account().unwrap();
        world.chain.transfer(&key("//Alice"), &coldkey, 100 * TAO).await.unwrap();
        Self { _folder: folder, site }
    }

    async fn text(&self, command: ChainCommand) -> Result<String, CommandError> {
        let mut out = Vec::new();
        command::chain(&self.site, &command, &mut out).await?;
        Ok(String::from_utf8(out).unwrap())
    }

    async fn json(&self, command: ChainCommand) -> Result<Value, CommandError> {
        Ok(serde_json::from_str(&self.text(command).await?).unwrap())
    }
}

fn register(change: impl FnOnce(&mut Register)) -> ChainCommand {
    let mut flags = Register { yes: true, output: JSON, ..Register::default() };
    change(&mut flags);
    ChainCommand::Register(flags)
}

#[tokio::test]
async fn registering_is_previewed_paid_and_reported() {
    let world = World::instant().await;
    let operator = Operator::on(&world).await;
    let preview = operator.json(register(|flags| flags.dry_run = true)).await.unwrap();
    assert_eq!((&preview["outcome"], &preview["uid"]), (&"would register".into(), &Value::Null));
    assert_eq!(preview["burn_rao"], "100000000");
    let dear = register(|flags| (flags.dry_run, flags.burn_max_rao) = (true, Some(1)));
    let preview = operator.json(dear).await.unwrap();
    assert!(preview["outcome"].as_str().unwrap().starts_with("would fail"), "{preview}");
    let error = operator.json(register(|flags| flags.burn_max_rao = Some(1))).await.unwrap_err();
    assert!(matches!(error, CommandError::Obstacle(RegistrationObstacle::Price { .. })), "{error:?}");
    let unasked = register(|flags| flags.yes = false);
    let error = operator.json(unasked).await.unwrap_err();
    assert!(matches!(error, CommandError::NotConfirmed { .. }), "{error:?}");

    let done = operator.json(register(|flags| flags.burn_max_tao = Some(TAO))).await.unwrap();
    assert_eq!((&done["outcome"], &done["uid"]), (&"registered".into(), &0.into()));
    let again = operator.json(register(|_| {})).await.unwrap();
    assert_eq!((&again["outcome"], &again["uid"]), (&"already registered".into(), &0.into()));
}

#[tokio::test]
async fn a_price_above_the_limit_is_waited_out() {
    let world = World::with_subnet(|subnet| subnet.tempo_blocks = 10).await;
    let operator = Operator::on(&world).await;
    world.chain.register_burned(&key("//Bob"), &account("//Other"), NETUID).await.unwrap();
    let limit = TAO / 10;
    let error = operator.json(register(|flags| flags.burn_max_rao = Some(limit))).await.unwrap_err();
    assert!(error.next_step().unwrap().contains("--wait-blocks"), "{error:?}");
    let patient = register(|flags| (flags.burn_max_rao, flags.wait_blocks) = (Some(limit), 40));
    let blocks = async {
        let mut tick = tokio::time::interval(std::time::Duration::from_millis(20));
        loop {
            tick.tick().await;
            world.localnet.produce_blocks(1).await.unwrap();
        }
    };
    let done = tokio::select! {
        done = operator.json(patient) => done.unwrap(),
        () = blocks => unreachable!("blocks come for ever"),
    };
    assert_eq!(done["outcome"], "registered");
    assert!(done["burn_rao"].as_str().unwrap().parse::<u64>().unwrap() <= limit, "{done}");
}

#[tokio::test]
async fn a_registration_that_is_not_final_in_time_is_reported_with_its_block() {
    let world = World::instant().await;
    let operator = Operator::on(&world).await;
    world.localnet.stall_finality(true);
    let hasty = register(|flags| flags.waiting.submit_timeout_ms = Some(500));
    let done = operator.json(hasty).await.unwrap();
    let block = world.localnet.best_number();
    assert_eq!(done["outcome"], format!("registered in block {block}, not yet final"));
    assert_eq!((&done["uid"], &done["final"]), (&0.into(), &false.into()));
}

#[tokio::test]
async fn what_follows_from_registering_is_explained_before_and_after() {
    let world = World::with_subnet(|subnet| {
        (subnet.immunity_blocks, subnet.weights_rate_limit_blocks) = (70, 30);
    })
    .await;
    let operator = Operator::on(&world).await;
    let preview = operator.json(register(|flags| flags.dry_run = true)).await.unwrap();
    let next = u64::from(world.localnet.best_number()) + 1;
    assert_eq!(preview["immune_until_block"], next + 70);
    let text = |dry_run| {
        let output = TEXT;
        ChainCommand::Register(Register { yes: true, dry_run, output, ..Register::default() })
    };
    let words = operator.text(text(true)).await.unwrap();
    assert!(words.contains(&format!("until block {}", next + 70)), "{words}");
    let words = operator.text(text(false)).await.unwrap();
    let block = u64::from(world.localnet.best_number());
    for part in [format!("until block {}", block + 70), format!("from block {}", block + 30)] {
        assert!(words.contains(&part), "{part} is not in:\n{words}");
    }
}

#[tokio::test]
async fn a_full_subnet_of_protected_neurons_is_waited_for_until_there_is_room() {
    let world = World::with_validator(|subnet| {
        subnet.uids_max = 1;
        subnet.neurons.truncate(1);
    })
    .await;
    let operator = Operator::on(&world).await;
    let error = operator.json(register(|_| {})).await.unwrap_err();
    assert!(error.next_step().unwrap().contains("--wait-blocks"), "{:?}", error.next_step());
    let preview = operator.json(register(|flags| flags.dry_run = true)).await.unwrap();
    assert_eq!((&preview["neurons"], &preview["immune_neurons"]), (&1.into(), &1.into()), "{preview}");
    let room = async {
        until("some attempts", || world.localnet.best_number() >= 5).await;
        world.set_storage(&uids_max_key(), "0x0200").await;
        std::future::pending::<()>().await;
    };
    let done = tokio::select! {
        done = operator.json(register(|flags| flags.wait_blocks = 200)) => done.unwrap(),
        () = room => unreachable!("it never ends"),
    };
    assert_eq!((&done["outcome"], &done["uid"]), (&"registered".into(), &1.into()));
}

/// Where the chain keeps how many neurons fit.
fn uids_max_key() -> String {
    let names =
        ["SubtensorModule", "MaxAllowedUids"].map(|name| sp_crypto_hashing::twox_128(name.as_bytes()));
    format!("0x{}{}", hex::encode(names.concat()), hex::encode(NETUID.to_le_bytes()))
}

#[tokio::test]
async fn working_for_a_uid_is_refused_where_the_chain_does_not_know_it() {
    let world = World::without_work().await;
    let operator = Operator::on(&world).await;
    let error = operator.json(register(|flags| flags.pow = true)).await.unwrap_err();
    assert!(matches!(error, CommandError::Work(_)), "{error:?}");
    assert!(error.next_step().unwrap().contains("without --pow"));
}

#[tokio::test]
async fn an_axon_is_shown_previewed_and_announced() {
    let world = World::with_subnet(|subnet| subnet.serving_rate_limit_blocks = 5).await;
    let operator = Operator::on(&world).await;
    let axon = |port: Option<u16>, dry_run: bool, wait_blocks: u32| {
        let address = port.map(|port| ([203, 0, 113, 7], port).into());
        ChainCommand::Axon(Axon { address, dry_run, wait_blocks, output: JSON, ..Axon::default() })
    };
    let error = operator.json(axon(None, false, 0)).await.unwrap_err();
    assert_eq!(error.exit_code(), 3, "{error:?}");
    operator.json(register(|_| {})).await.unwrap();
    assert_eq!(operator.json(axon(None, false, 0)).await.unwrap()["axon"], Value::Null);
    let preview = operator.json(axon(Some(1), true, 0)).await.unwrap();
    assert_eq!(
        (&preview["axon"], &preview["outcome"]),
        (&Value::Null, &"would announce 203.0.113.7:1".into())
    );
    let announced = operator.json(axon(Some(1), false, 0)).await.unwrap();
    assert_eq!(announced["axon"], "203.0.113.7:1");
    assert_eq!(operator.json(axon(Some(1), false, 0)).await.unwrap()["outcome"], "already announced");
    let error = operator.json(axon(Some(2), false, 0)).await.unwrap_err();
    assert!(matches!(error, CommandError::Axon(AnnounceError::TooEarly { .. })), "{error:?}");
    let blocks = async {
        let mut tick = tokio::time::interval(std::time::Duration::from_millis(20));
        loop {
            tick.tick().await;
            world.localnet.produce_blocks(1).await.unwrap();
        }
    };
    let moved = tokio::select! {
        moved = operator.json(axon(Some(2), false, 10)) => moved.unwrap(),
        () = blocks => unreachable!("blocks come for ever"),
    };
    assert_eq!(moved["axon"], "203.0.113.7:2");
}

#[tokio::test]
async fn fallback_endpoints_are_used_by_commands_too() {
    let world = World::instant().await;
    let mut operator = Operator::on(&world).await;
    let chain = std::mem::replace(&mut operator.site.network, "ws://127.0.0.1:1".to_owned());
    let error = operator.json(ChainCommand::Status(JSON)).await.unwrap_err();
    assert!(matches!(error, CommandError::Connect(_)), "{error:?}");
    operator.site.fallback_endpoints = Some(chain);
    operator.json(ChainCommand::Status(JSON)).await.unwrap();
}

#[tokio::test]
async fn everything_that_is_read_is_shown_to_people_and_to_scripts() {
    let world = World::with_validator(|_| {}).await;
    let operator = Operator::on(&world).await;
    operator.json(register(|_| {})).await.unwrap();
    Setting::of(&world.chain, VALIDATOR).await.land(&[(1, 1.0), (2, 0.5)]).await;
    world.chain.set_commitment(&key("//Miner"), NETUID, &[7; 32]).await.unwrap();

    let status = operator.json(ChainCommand::Status(JSON)).await.unwrap();
    assert_eq!((&status["neurons"], &status["neuron"]["uid"]), (&3.into(), &2.into()));
    assert_eq!(status["validators_with_permit"], 1);
    let metagraph = operator.json(ChainCommand::Metagraph(JSON)).await.unwrap();
    assert_eq!(metagraph["neurons"][1]["hotkey"], account("//Miner").to_string());
    let digest = &metagraph["neurons"][1]["commitment"]["fields"][0];
    assert_eq!(
        (&digest["kind"], &digest["hex"]),
        (&"sha256".into(), &format!("0x{}", "07".repeat(32)).into())
    );
    let rules = operator.json(ChainCommand::Hyperparameters(JSON)).await.unwrap();
    assert_eq!(rules["hyperparameters"]["tempo"], localnet::Genesis::default().subnets[0].tempo_blocks);
    let weights = operator.json(ChainCommand::Weights(Weights { uid: Some(0), output: JSON })).await.unwrap();
    assert_eq!(weights["validators"][0]["weights"], serde_json::json!({ "1": 65_535, "2": 32_768 }));
    let stake = StakeView { coldkey: Some(account("//Alice")), amount_rao: Some(TAO), output: JSON };
    let stake = operator.json(ChainCommand::Stake(stake)).await.unwrap();
    assert_eq!(stake["positions"][0]["hotkey"], account("//Validator").to_string());
    assert!(stake["quote"]["alpha_rao"].is_string() && stake["price_rao"].is_string(), "{stake}");

    for (command, words) in [
        (ChainCommand::Status(TEXT), ["uid 2", "finalised"]),
        (ChainCommand::Metagraph(TEXT), ["hotkey", "3 neurons on subnet 64"]),
        (ChainCommand::Hyperparameters(TEXT), ["tempo", "hyperparameters of subnet 64"]),
        (ChainCommand::Weights(Weights::default()), ["validator", "0.6667"]),
        (
            ChainCommand::Stake(StakeView { amount_rao: Some(TAO), ..StakeView::default() }),
            ["price", "quote"],
        ),
        (ChainCommand::Axon(Axon::default()), ["axon", "never"]),
    ] {
        let text = operator.text(command).await.unwrap();
        for word in words {
            assert!(text.contains(word), "{word} is missing in:\n{text}");
        }
    }
}
