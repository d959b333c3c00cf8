//! What keeps a validator from starting, before it has spoken to any chain.

use std::path::Path;

use chain_client::command::CommandError as Shared;
use chain_client::wallet::{self, KeySource, Role, WalletError, WalletPath};
use clap::Parser;
use subnet_validator::cli::Cli;
use subnet_validator::command::{self, CommandError};
use zeroize::Zeroizing;

/// A wallet whose keys are open, as dev wallets are.
fn create(folder: &Path, role: Role) {
    let source = KeySource::Seed(Zeroizing::new([7; 32]));
    wallet::create(&WalletPath::new(folder, "default", "default"), role, source).unwrap();
}

/// Starts a validator that would reach no chain; answers why it did not start.
async fn start(folder: &Path, flags: &[&str]) -> CommandError {
    let wallets = folder.to_str().unwrap();
    let fixed = ["subnet-validator", "run", "--wallet-path", wallets, "--network", "ws://127.0.0.1:9"];
    let cli = Cli::try_parse_from(fixed.iter().chain(flags)).unwrap();
    Box::pin(command::run(cli, &mut Vec::new())).await.unwrap_err()
}

#[tokio::test]
async fn an_unencrypted_coldkey_keeps_a_validator_from_starting() {
    let folder = tempfile::tempdir().unwrap();
    create(folder.path(), Role::Coldkey);
    create(folder.path(), Role::Hotkey);
    let error = start(folder.path(), &[]).await;
    assert!(
        matches!(error, CommandError::Shared(Shared::Wallet(WalletError::OpenColdkey { .. }))),
        "{error:?}"
    );
    assert!(error.next_step().unwrap().contains("--allow-coldkey-present"));
}

#[tokio::test]
async fn whoever_allows_an_open_coldkey_gets_past_it() {
    let folder = tempfile::tempdir().unwrap();
    create(folder.path(), Role::Coldkey);
    let error = start(folder.path(), &["--allow-coldkey-present"]).await;
    assert!(
        matches!(&error, CommandError::Shared(Shared::Wallet(wallet)) if !matches!(wallet, WalletError::OpenColdkey { .. })),
        "only the hotkey is missing: {error:?}"
    );
}
