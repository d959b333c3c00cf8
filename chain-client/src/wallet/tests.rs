use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};

use protocol::signing::{Domain, verify};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::*;

const COLDKEY: &str = include_str!("../../tests/data/wallet-v11/coldkey");
const COLDKEY_PUB: &str = include_str!("../../tests/data/wallet-v11/coldkeypub.txt");
const HOTKEY: &str = include_str!("../../tests/data/wallet-v11/hotkeys/default");
const HOTKEY_PUB: &str = include_str!("../../tests/data/wallet-v11/hotkeys/defaultpub.txt");
const HOTKEY_ADDRESS: &str = "5Gy52SPDEM9NAfTXTCvoEsVe3UX7ywc438vsyrCpTwx3KNp3";

/// A folder of wallets with one hotkey file of this content.
fn wallet_with(content: &str) -> (TempDir, WalletPath) {
    let root = TempDir::new().unwrap();
    let path = WalletPath::new(root.path(), "cold", "hot");
    put(&path.file(Role::Hotkey).unwrap(), content);
    (root, path)
}

fn put(file: &Path, content: &str) {
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    fs::write(file, content).unwrap();
    fs::set_permissions(file, fs::Permissions::from_mode(0o600)).unwrap();
}

fn hotkey_json() -> Value {
    serde_json::from_str(HOTKEY).unwrap()
}

fn without(keys: &[&str]) -> String {
    let mut json = hotkey_json();
    keys.iter().for_each(|key| drop(json.as_object_mut().unwrap().remove(*key)));
    json.to_string()
}

fn address_of(content: &str) -> Result<String, WalletError> {
    let (_root, path) = wallet_with(content);
    load_hotkey(&path).map(|keypair| keypair.public().to_ss58())
}

#[test]
fn keys_written_by_the_python_sdk_are_read() {
    let (_root, path) = wallet_with(HOTKEY);
    put(&path.file(Role::Coldkey).unwrap(), COLDKEY);
    put(&path.public_file(Role::Coldkey).unwrap(), COLDKEY_PUB);
    put(&path.public_file(Role::Hotkey).unwrap(), HOTKEY_PUB);
    let hotkey = load_hotkey(&path).unwrap();
    assert_eq!(hotkey.public().to_ss58(), HOTKEY_ADDRESS);
    assert_eq!(load_public(&path, Role::Hotkey).unwrap(), hotkey.public());
    assert_eq!(load_coldkey(&path).unwrap().public(), load_public(&path, Role::Coldkey).unwrap());
    let signature = hotkey.sign(Domain::Extrinsic, b"message");
    verify(Domain::Extrinsic, &hotkey.public(), b"message", &signature).unwrap();
}

#[test]
fn each_secret_alone_gives_the_same_key() {
    for others in
        [["secretPhrase", "secretSeed"], ["secretPhrase", "privateKey"], ["secretSeed", "privateKey"]]
    {
        assert_eq!(address_of(&without(&others)).unwrap(), HOTKEY_ADDRESS, "without {others:?}");
    }
}

#[test]
fn older_variants_are_read() {
    let mut blank = hotkey_json();
    let address = blank.as_object_mut().unwrap().remove("ss58Address").unwrap();
    blank[" ss58Address"] = address;
    blank["cryptoType"] = json!("1");
    assert_eq!(address_of(&blank.to_string()).unwrap(), HOTKEY_ADDRESS);
    assert_eq!(address_of(&without(&["cryptoType", "accountId"])).unwrap(), HOTKEY_ADDRESS);
    let stateless = without(&["ss58Address", "accountId", "publicKey", "cryptoType"]);
    assert_eq!(address_of(&stateless).unwrap(), HOTKEY_ADDRESS);
    let json = hotkey_json();
    let seed = json["secretSeed"].as_str().unwrap();
    assert_eq!(address_of(seed).unwrap(), HOTKEY_ADDRESS);
    assert_eq!(address_of(&format!("{}\n", seed.trim_start_matches("0x"))).unwrap(), HOTKEY_ADDRESS);
    assert_eq!(address_of(json["secretPhrase"].as_str().unwrap()).unwrap(), HOTKEY_ADDRESS);
}

#[test]
fn private_key_in_the_polkadot_form_is_read() {
    let mut json = hotkey_json();
    let raw: [u8; 64] = hex::decode(&json["privateKey"].as_str().unwrap()[2..]).unwrap().try_into().unwrap();
    let polkadot = phrase::times_cofactor(&raw).unwrap();
    json["privateKey"] = json!(hex::encode(polkadot));
    for key in ["secretPhrase", "secretSeed"] {
        json.as_object_mut().unwrap().remove(key);
    }
    assert_eq!(address_of(&json.to_string()).unwrap(), HOTKEY_ADDRESS);
}

#[test]
fn a_secret_that_does_not_give_the_stated_address_is_refused() {
    let mut json = hotkey_json();
    let coldkey: Value = serde_json::from_str(COLDKEY).unwrap();
    json["ss58Address"] = coldkey["ss58Address"].clone();
    let error = address_of(&json.to_string()).unwrap_err();
    assert!(
        matches!(&error, WalletError::WrongAddress { derived, .. } if derived.to_ss58() == HOTKEY_ADDRESS),
        "{error}"
    );
    json["ss58Address"] = json!("5Gy52SPDEM9NAfTXTCvoEsVe3UX7ywc438vsyrCpTwx3KNp4");
    assert!(matches!(address_of(&json.to_string()), Err(WalletError::Malformed { .. })));
}

#[test]
fn a_key_that_others_can_read_is_refused() {
    for mode in [0o640, 0o604, 0o620, 0o601] {
        let (_root, path) = wallet_with(HOTKEY);
        let file = path.file(Role::Hotkey).unwrap();
        fs::set_permissions(file, fs::Permissions::from_mode(mode)).unwrap();
        let error = load_hotkey(&path).unwrap_err();
        assert!(
            matches!(error, WalletError::Exposed { mode: found, .. } if found == mode),
            "{mode:o}: {error}"
        );
        assert!(error.hint().contains("chmod 600"));
    }
}

#[test]
fn encrypted_keys_are_named_as_such() {
    for (content, format) in
        [("$NACLxx", "NaCl"), ("$ANSIBLE_VAULT;1.1", "Ansible Vault"), ("gAAAAABx", "Fernet")]
    {
        let error = address_of(content).unwrap_err();
        assert!(
            matches!(&error, WalletError::Encrypted { format: found, .. } if *found == format),
            "{error}"
        );
    }
}

#[test]
fn files_that_are_no_keys_are_refused() {
    let mut ed25519 = hotkey_json();
    ed25519["cryptoType"] = json!(0);
    let too_large = format!("{{\"secretPhrase\":\"{}\"}}", "a".repeat(70_000));
    for content in ["", "{", "{}", "not a phrase", "0x1234", &ed25519.to_string(), &too_large, "\u{0}"] {
        let error = address_of(content).unwrap_err();
        assert!(matches!(error, WalletError::Malformed { .. }), "{content:.20}: {error}");
    }
}

#[test]
fn errors_never_show_the_secret() {
    let mut json = hotkey_json();
    json["secretPhrase"] = json!(7);
    let error = address_of(&json.to_string()).unwrap_err();
    let seed = json["secretSeed"].as_str().unwrap();
    assert!(!format!("{error} {error:?}").contains(seed));
}

#[test]
fn a_missing_key_says_which_file() {
    let root = TempDir::new().unwrap();
    let error = load_hotkey(&WalletPath::new(root.path(), "cold", "hot")).unwrap_err();
    assert!(
        matches!(&error, WalletError::NotFound { path } if path.ends_with("cold/hotkeys/hot")),
        "{error}"
    );
}

#[test]
fn names_cannot_leave_the_folder() {
    for name in ["", ".", "..", "a/b", "/etc", "a/"] {
        let path = WalletPath::new("/wallets", name, "hot");
        assert!(matches!(path.file(Role::Coldkey), Err(WalletError::BadName { .. })), "{name:?}");
        let path = WalletPath::new("/wallets", "cold", name);
        assert!(matches!(path.file(Role::Hotkey), Err(WalletError::BadName { .. })), "{name:?}");
    }
}

#[test]
fn created_keys_have_the_layout_and_modes_of_version_11() {
    let root = TempDir::new().unwrap();
    let path = WalletPath::new(root.path().join("wallets"), "cold", "hot");
    let coldkey = create(&path, Role::Coldkey, KeySource::Generate).unwrap();
    let hotkey = create(&path, Role::Hotkey, KeySource::Generate).unwrap();
    assert_eq!(load_coldkey(&path).unwrap().public(), coldkey.account);
    assert_eq!(load_hotkey(&path).unwrap().public(), hotkey.account);
    assert_eq!(load_public(&path, Role::Coldkey).unwrap(), coldkey.account);
    assert_eq!(load_public(&path, Role::Hotkey).unwrap(), hotkey.account);
    let wallet = path.root.join("cold");
    for directory in [&wallet, &wallet.join("hotkeys")] {
        assert_eq!(fs::metadata(directory).unwrap().mode() & 0o777, 0o700, "{}", directory.display());
    }
    for file in ["coldkey", "coldkeypub.txt", "hotkeys/hot", "hotkeys/hotpub.txt"] {
        assert_eq!(fs::metadata(wallet.join(file)).unwrap().mode() & 0o777, 0o600, "{file}");
    }
    assert_eq!(fs::read_dir(wallet.join("hotkeys")).unwrap().count(), 2, "no draft is left behind");
}

#[test]
fn a_key_made_from_a_phrase_is_the_file_the_python_sdk_writes() {
    let root = TempDir::new().unwrap();
    let path = WalletPath::new(root.path(), "cold", "hot");
    let phrase = hotkey_json()["secretPhrase"].as_str().unwrap().to_owned();
    create(&path, Role::Hotkey, KeySource::Phrase(phrase.into())).unwrap();
    let written = fs::read_to_string(path.file(Role::Hotkey).unwrap()).unwrap();
    assert_eq!(serde_json::from_str::<Value>(&written).unwrap(), hotkey_json());
    let written = fs::read_to_string(path.public_file(Role::Hotkey).unwrap()).unwrap();
    let expected: Value = serde_json::from_str(HOTKEY_PUB).unwrap();
    assert_eq!(serde_json::from_str::<Value>(&written).unwrap(), expected);
}

#[test]
fn a_key_made_from_a_seed_has_no_phrase() {
    let root = TempDir::new().unwrap();
    let path = WalletPath::new(root.path(), "cold", "hot");
    let created = create(&path, Role::Hotkey, KeySource::Seed([7; 32].into())).unwrap();
    assert!(created.phrase.is_none());
    assert_eq!(load_hotkey(&path).unwrap().public(), created.account);
    assert!(!fs::read_to_string(path.file(Role::Hotkey).unwrap()).unwrap().contains("secretPhrase"));
}

#[test]
fn an_existing_key_is_never_overwritten() {
    let (_root, path) = wallet_with(HOTKEY);
    let error = create(&path, Role::Hotkey, KeySource::Generate).err().unwrap();
    assert!(matches!(error, WalletError::AlreadyExists { .. }), "{error}");
    assert_eq!(fs::read_to_string(path.file(Role::Hotkey).unwrap()).unwrap(), HOTKEY);
}

/// Written by bittensor 11.3.0 for the development phrase and this password.
const ENCRYPTED: &str = include_str!("../../tests/data/wallet-v11-encrypted/coldkey.hex");
const PASSWORD: &str = "correct horse battery staple";
const ENCRYPTED_ADDRESS: &str = "5DfhGyQdFobKM8NsWvEeAKk5EQQgYe9AydgJ7rMB6E1EqRzV";

fn encrypted() -> Vec<u8> {
    hex::decode(ENCRYPTED.split_whitespace().collect::<String>()).unwrap()
}

/// Argon2i takes seconds, so everything that needs it is one test.
#[test]
fn a_coldkey_encrypted_by_the_python_sdk_opens_with_its_password_and_ours_in_the_same_way() {
    let root = TempDir::new().unwrap();
    let path = WalletPath::new(root.path(), "cold", "hot");
    let file = path.file(Role::Coldkey).unwrap();
    put(&file, "");
    fs::write(&file, encrypted()).unwrap();
    let passwords = Passwords::of_variables(|name| (name == "BT_WALLET_PASSWORD").then(|| PASSWORD.into()));
    assert_eq!(unlock(&path, Role::Coldkey, &passwords).unwrap().public().to_ss58(), ENCRYPTED_ADDRESS);
    assert!(matches!(load_coldkey(&path), Err(WalletError::Encrypted { format: "NaCl", .. })));
    refuse_open_coldkey(&path).unwrap();

    let ours = WalletPath::new(root.path(), "ours", "hot");
    let password = Password::new("another").unwrap();
    let created = create_encrypted(&ours, Role::Coldkey, KeySource::Generate, &password).unwrap();
    let content = fs::read(ours.file(Role::Coldkey).unwrap()).unwrap();
    let opened = nacl::open(&nacl::derive("another").unwrap(), &content).unwrap();
    let json: Value = serde_json::from_slice(&opened).unwrap();
    assert_eq!(json["ss58Address"], created.account.to_ss58());
    assert_eq!(json["secretPhrase"], created.phrase.unwrap().as_str());
    assert_eq!(load_public(&ours, Role::Coldkey).unwrap(), created.account);
    let mode = fs::metadata(ours.file(Role::Coldkey).unwrap()).unwrap().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn sealed_content_opens_with_its_key_only_and_not_after_a_change() {
    let sealed = nacl::seal(&[7; 32], [9; 24], b"content");
    assert_eq!(nacl::open(&[7; 32], &sealed).unwrap().as_slice(), b"content");
    assert!(nacl::open(&[8; 32], &sealed).is_none());
    for index in 5..sealed.len() {
        let mut changed = sealed.clone();
        changed[index] ^= 1;
        assert!(nacl::open(&[7; 32], &changed).is_none(), "byte {index}");
    }
    for length in 0..sealed.len() {
        assert!(nacl::open(&[7; 32], &sealed[..length]).is_none(), "{length} bytes");
    }
}

/// The coldkey of [`COLDKEY`] under [`PASSWORD`]; see the README beside the files.
const VAULT: &str = include_str!("../../tests/data/wallet-legacy/ansible-vault");
const FERNET: &str = include_str!("../../tests/data/wallet-legacy/fernet");
/// What Python's hashlib makes of the password after ten million rounds, and after a thousand.
const FERNET_KEY: &str = "1a076baec3f9d8a98cf04b7926fde61650ccef0e3e8868ebbaf2d686adc531d6";
const FERNET_KEY_AFTER_1000: &str = "740eac8e921555041bd3a2524ed62887bb3c1575af9fe3acff2d47ad0292c5ce";

#[test]
fn an_ansible_vault_of_an_old_release_opens_with_its_password_alone() {
    let with = |password: &'static str| {
        let (root, path) = wallet_with(VAULT);
        let unlocked = unlock(&path, Role::Hotkey, &Passwords::of_variables(move |_| Some(password.into())));
        drop(root);
        unlocked
    };
    let coldkey: Value = serde_json::from_str(COLDKEY).unwrap();
    assert_eq!(with(PASSWORD).unwrap().public().to_ss58(), coldkey["ss58Address"]);
    assert!(matches!(with("another"), Err(WalletError::WrongPassword { .. })));
    for broken in
        [VAULT.replacen("34", "35", 1), VAULT[..VAULT.len() - 9].to_owned(), "$ANSIBLE_VAULT;1.1".into()]
    {
        assert!(legacy::open_vault(PASSWORD, broken.as_bytes()).is_none(), "{broken:.60}");
    }
}

/// Its ten million rounds take too long without optimisation, so the key is given and its derivation checked after fewer.
#[test]
fn a_fernet_token_of_an_old_release_opens_with_its_key_alone() {
    assert_eq!(hex::encode(*legacy::fernet_key(PASSWORD, 1_000)), FERNET_KEY_AFTER_1000);
    let mut key = [0; 32];
    hex::decode_to_slice(FERNET_KEY, &mut key).unwrap();
    let opened = legacy::open_token(&key, FERNET.as_bytes()).unwrap();
    assert_eq!(opened.as_slice(), COLDKEY.trim().as_bytes());
    for at in [10, 40, FERNET.len() - 8] {
        let mut changed = FERNET.as_bytes().to_vec();
        changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
        assert!(legacy::open_token(&key, &changed).is_none(), "byte {at}");
    }
    key[0] ^= 1;
    assert!(legacy::open_token(&key, FERNET.as_bytes()).is_none());
}

#[test]
fn a_folder_in_which_others_can_replace_the_key_is_refused() {
    let (_root, path) = wallet_with(HOTKEY);
    let folder = path.file(Role::Hotkey).unwrap().parent().unwrap().to_owned();
    for (mode, accepted) in [(0o770, false), (0o702, false), (0o1777, true), (0o755, true), (0o700, true)] {
        fs::set_permissions(&folder, fs::Permissions::from_mode(mode)).unwrap();
        let loaded = load_hotkey(&path);
        match accepted {
            true => assert!(loaded.is_ok(), "{mode:o}"),
            false => assert!(matches!(loaded, Err(WalletError::ExposedFolder { .. })), "{mode:o}"),
        }
    }
}

#[test]
fn an_open_coldkey_is_noticed_whatever_its_form_and_mode() {
    let (_root, path) = wallet_with(HOTKEY);
    refuse_open_coldkey(&path).unwrap();
    let coldkey = path.file(Role::Coldkey).unwrap();
    for content in [COLDKEY, "bottom drive obey lake curtain smoke basket hold race lonely fit walk", "0xab"]
    {
        put(&coldkey, content);
        fs::set_permissions(&coldkey, fs::Permissions::from_mode(0o644)).unwrap();
        assert!(matches!(refuse_open_coldkey(&path), Err(WalletError::OpenColdkey { .. })), "{content}");
    }
    for content in ["$NACLxx", "$ANSIBLE_VAULT;1.1", "gAAAAABx", ""] {
        put(&coldkey, content);
        refuse_open_coldkey(&path).unwrap();
    }
}
