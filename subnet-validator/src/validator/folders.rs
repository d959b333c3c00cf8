//! What lies where inside the state folder.

/// The ledger's folder inside the state folder.
pub const LEDGER_DIR: &str = "ledger";
/// The file of API keys inside the state folder.
pub const KEYS_FILE: &str = "api-keys.json";
/// The file of what accounts have used inside the state folder.
pub const USAGE_FILE: &str = "usage.json";
/// The folder of the weights journal inside the state folder.
pub const JOURNAL_DIR: &str = "weights";
/// The folder of published bundles inside the state folder.
pub const AUDIT_DIR: &str = "audit";
/// The folder of other validators' bundles, with the verdicts, inside the state folder.
pub const PEERS_DIR: &str = "peers";
/// The folder of miners' copies of calls that another validator may have dropped, one SCALE `Countersigned` a file.
pub const DISPUTES_DIR: &str = "disputes";
/// The folder of what each tempo's weights were made from, inside the state folder.
pub const MERGES_DIR: &str = "merges";
/// The salt of payers' hashes inside the state folder.
pub const SALT_FILE: &str = "payer-salt";
