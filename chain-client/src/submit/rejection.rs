//! Why a node refused to take an extrinsic into its pool.
//!
//! Subtensor checks most conditions there, before any block is made, and answers with a bare number. The numbers are its
//! `CustomTransactionError`, part of its interface.

use subxt::rpcs::UserError;

/// The JSON-RPC error codes of Substrate's `author` methods.
const INVALID_TRANSACTION: i32 = 1010;
const UNKNOWN_VALIDITY: i32 = 1011;
const TEMPORARILY_BANNED: i32 = 1012;
const ALREADY_IMPORTED: i32 = 1013;
const TOO_LOW_PRIORITY: i32 = 1014;
const IMMEDIATELY_DROPPED: i32 = 1016;

macro_rules! rejections {
    ($($code:literal $name:ident $text:literal $hint:literal;)*) => {
        /// A refusal at the door of the transaction pool. Nothing was done and nothing was paid.
        #[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
        #[non_exhaustive]
        pub enum PoolRejection {
            $(
                #[doc = concat!($text, " (code ", stringify!($code), ").")]
                #[error($text)]
                $name,
            )*
            /// A code that this software does not know: the runtime is newer.
            #[error("the chain refuses it with code {0}")]
            UnknownCustom(u8),
            /// The signer cannot pay the fee.
            #[error("the signer's balance does not cover the fee")]
            CannotPayFee,
            /// The signature does not fit: most often the runtime was upgraded between signing and submitting.
            #[error("the signature does not fit the chain's current runtime")]
            BadProof,
            /// The nonce was used already.
            #[error("the nonce was already used")]
            Stale,
            /// The nonce is too far ahead.
            #[error("the nonce is ahead of the account")]
            Future,
            /// The same extrinsic is in the pool.
            #[error("the same extrinsic is already in the pool")]
            AlreadyImported,
            /// Another extrinsic with that nonce is in the pool.
            #[error("another extrinsic with the same nonce is already in the pool")]
            PriorityTooLow,
            /// It was invalid shortly before.
            #[error("the node refuses this extrinsic for a while because it was invalid before")]
            TemporarilyBanned,
            /// The pool is full.
            #[error("the node's pool is full")]
            PoolFull,
            /// Anything else that the node says.
            #[error("the node refuses it: {message}")]
            Other {
                /// The JSON-RPC error code.
                code: i32,
                /// The node's words.
                message: String,
            },
        }

        impl PoolRejection {
            /// Names a custom code.
            pub fn of_custom(code: u8) -> Self {
                match code {
                    $($code => Self::$name,)*
                    other => Self::UnknownCustom(other),
                }
            }

            /// The custom code, if the runtime gave one.
            pub fn custom_code(&self) -> Option<u8> {
                match self {
                    $(Self::$name => Some($code),)*
                    Self::UnknownCustom(code) => Some(*code),
                    _ => None,
                }
            }

            /// What the operator can do about it.
            pub fn hint(&self) -> &'static str {
                match self {
                    $(Self::$name => $hint,)*
                    Self::UnknownCustom(_) => "update this software: the chain's runtime knows reasons that it does not",
                    Self::CannotPayFee => "send TAO to the signing coldkey",
                    Self::BadProof => "try again; if it persists, update this software and check that the key is sr25519",
                    Self::Stale | Self::Future => "try again: another program submitted with the same key at the same time",
                    Self::AlreadyImported => "wait: the earlier copy is on its way",
                    Self::PriorityTooLow => "wait for the extrinsic that this key submitted before to be included",
                    Self::TemporarilyBanned | Self::PoolFull => "wait some minutes, or use another endpoint",
                    Self::Other { .. } => "see the node's message; try another endpoint",
                }
            }
        }

        #[cfg(test)]
        const KNOWN: &[u8] = &[$($code),*];
    };
}

rejections! {
    0 ColdkeyInSwapSchedule "the coldkey is scheduled to be swapped" "wait until the coldkey swap is done, or dispute it if it is not yours";
    1 StakeAmountTooLow "too little stake for this" "stake more to the hotkey: validators need the subnet's stake threshold to set weights, and one staking moves at least 0.002 TAO";
    2 BalanceTooLow "the coldkey's balance is too low" "send TAO to the coldkey";
    3 SubnetNotExists "the subnet does not exist" "check --netuid and --network";
    4 HotkeyAccountDoesntExist "the chain does not know the hotkey" "register the hotkey on a subnet first";
    5 NotEnoughStakeToWithdraw "the stake is smaller than what is to be withdrawn" "withdraw less";
    6 RateLimitExceeded "it is too early to do this again" "wait: weights can be set once per weights-rate-limit blocks, counted from the last setting or from registration";
    7 InsufficientLiquidity "the subnet's pool has too little liquidity" "use a smaller amount";
    8 SlippageTooHigh "the price would move further than allowed" "use a smaller amount or a wider price limit";
    9 TransferDisallowed "stake of this subnet cannot be transferred" "the subnet's owner has switched transfers off";
    10 HotkeyNotRegistered "the hotkey is not registered on the subnet" "register the hotkey on this subnet first (the register subcommand), and check --netuid, --wallet-hotkey and --network";
    11 InvalidIpAddress "the chain does not accept this IP address" "announce a public address: loopback and all-ones addresses are refused (--external-ip)";
    12 ServingRateLimitExceeded "the axon was announced too recently" "wait: an axon can be announced once per serving-rate-limit blocks";
    13 InvalidPort "the chain does not accept this port" "announce a port other than 0 (--external-port)";
    14 ZeroMaxAmount "the amount limit is zero at this price" "use a smaller amount or a wider price limit";
    15 InvalidRevealRound "the reveal round has already passed" "check this machine's clock and try again";
    16 CommitNotFound "there is no commitment to these weights" "commit first; a commit may have expired";
    17 CommitBlockNotInRevealRange "it is not the epoch to reveal these weights" "wait for the reveal epoch; if it has passed, commit again";
    18 InputLengthsUnequal "the lists have unequal lengths" "report this as a bug";
    19 UidNotFound "the subnet has no such uid" "read the metagraph again: a neuron may have been pruned";
    20 EvmKeyAssociateRateLimitExceeded "an EVM key was associated too recently" "wait";
    21 ColdkeySwapDisputed "the coldkey's swap is disputed" "wait until the dispute is settled";
    22 InvalidRealAccount "the proxied account is not valid" "check the proxied account";
    23 FailedShieldedTxParsing "the shielded extrinsic cannot be parsed" "submit it without a shield";
    24 InvalidShieldedTxPubKeyHash "the shielded extrinsic is for another key" "try again: the key changes often";
    25 NonAssociatedColdKey "another coldkey owns the hotkey" "use the coldkey that registered the hotkey, or another hotkey";
    26 DelegateTakeTooLow "the take is too low" "choose a higher take";
    27 DelegateTakeTooHigh "the take is too high" "choose a lower take";
    255 BadRequest "the chain refuses the request without a reason" "check every argument";
}

impl PoolRejection {
    /// Reads the node's answer: the code in numbers, the rest in words.
    pub(crate) fn of_answer(error: &UserError) -> Self {
        let data = error.data.as_ref().map(|data| data.get()).unwrap_or_default();
        let text = format!("{} {data}", error.message);
        match error.code {
            TEMPORARILY_BANNED => Self::TemporarilyBanned,
            ALREADY_IMPORTED => Self::AlreadyImported,
            TOO_LOW_PRIORITY => Self::PriorityTooLow,
            IMMEDIATELY_DROPPED => Self::PoolFull,
            INVALID_TRANSACTION | UNKNOWN_VALIDITY => match custom_code(&text) {
                Some(code) => Self::of_custom(code),
                None => Self::of_words(&text).unwrap_or_else(|| Self::other(error, data)),
            },
            _ => Self::other(error, data),
        }
    }

    /// Substrate's own reasons come as sentences only.
    fn of_words(text: &str) -> Option<Self> {
        const WORDS: &[(&str, PoolRejection)] = &[
            ("pay some fees", PoolRejection::CannotPayFee),
            ("bad signature", PoolRejection::BadProof),
            ("outdated", PoolRejection::Stale),
            ("valid in the future", PoolRejection::Future),
        ];
        WORDS.iter().find(|(words, _)| text.contains(words)).map(|(_, rejection)| rejection.clone())
    }

    fn other(error: &UserError, data: &str) -> Self {
        let message =
            if data.is_empty() { error.message.clone() } else { format!("{}: {data}", error.message) };
        Self::Other { code: error.code, message }
    }
}

/// `Custom error: 10` as Substrate writes it, or `{"custom":10}` as some proxies do.
fn custom_code(text: &str) -> Option<u8> {
    let lower = text.to_ascii_lowercase();
    let rest = &lower[lower.find("custom")?..];
    let digits = rest.trim_start_matches(|c: char| !c.is_ascii_digit());
    let end = digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len());
    digits[..end].parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(code: i32, message: &str, data: Option<&str>) -> PoolRejection {
        let data = data.map(|data| serde_json::value::to_raw_value(data).unwrap());
        PoolRejection::of_answer(&UserError { code, message: message.to_owned(), data })
    }

    #[test]
    fn custom_codes_are_named() {
        let ten = answer(1010, "Invalid Transaction", Some("Custom error: 10"));
        assert_eq!(ten, PoolRejection::HotkeyNotRegistered);
        let six = answer(1010, "Invalid Transaction", Some(r#"{"invalid":{"custom":6}}"#));
        assert_eq!(six, PoolRejection::RateLimitExceeded);
        assert_eq!(answer(1010, "Custom error: 255", None), PoolRejection::BadRequest);
        assert_eq!(answer(1010, "Custom error: 99", None), PoolRejection::UnknownCustom(99));
    }

    #[test]
    fn every_code_of_the_interface_has_a_name_and_a_hint() {
        let expected: Vec<u8> = (0..=27).chain([255]).collect();
        assert_eq!(KNOWN, expected);
        for &code in KNOWN {
            let rejection = PoolRejection::of_custom(code);
            assert_eq!(rejection.custom_code(), Some(code));
            assert!(!rejection.hint().is_empty());
        }
        assert_eq!(PoolRejection::of_custom(28), PoolRejection::UnknownCustom(28));
    }

    #[test]
    fn substrates_own_reasons_are_named() {
        let fee = Some("Inability to pay some fees (e.g. account balance too low)");
        assert_eq!(answer(1010, "Invalid Transaction", fee), PoolRejection::CannotPayFee);
        let proof = answer(1010, "Invalid Transaction", Some("Transaction has a bad signature"));
        assert_eq!(proof, PoolRejection::BadProof);
        let stale = answer(1010, "Invalid Transaction", Some("Transaction is outdated"));
        assert_eq!(stale, PoolRejection::Stale);
        let priority = answer(1014, "Priority is too low: (1 vs 2)", None);
        assert_eq!(priority, PoolRejection::PriorityTooLow);
        assert_eq!(answer(1013, "Transaction Already Imported", None), PoolRejection::AlreadyImported);
        assert_eq!(answer(1016, "Immediately Dropped", None), PoolRejection::PoolFull);
    }

    #[test]
    fn unknown_answers_keep_the_nodes_words() {
        let other = answer(-32000, "boom", Some("details"));
        assert_eq!(other, PoolRejection::Other { code: -32000, message: "boom: \"details\"".to_owned() });
    }
}
