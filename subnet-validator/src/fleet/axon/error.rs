//! What a miner's answer means when it is not the answer: the only place on the miners' side that knows HTTP statuses.

use http::StatusCode;
use protocol::inventory;
use protocol::openai::ErrorBody;
use protocol::receipt::ReceiptError;

use crate::fleet::sse::EventTooLong;
use crate::ledger::AppendError;

/// One miner did not answer one call.
#[derive(Debug, thiserror::Error)]
pub enum AttemptError {
    /// It could not be reached, or the connection broke before an answer.
    #[error("the miner could not be reached")]
    Connection(#[source] hyper_util::client::legacy::Error),
    /// Its answer broke off or was too large.
    #[error("the miner's answer could not be read")]
    Body(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// It was silent for too long.
    #[error("the miner was silent for {waited_ms} ms")]
    Silent {
        /// How long it was given.
        waited_ms: u64,
    },
    /// It has no room now.
    #[error("the miner is busy")]
    Busy,
    /// It refuses the request itself; another miner would too.
    #[error("the miner refuses the request")]
    Request(Box<RequestRefusal>),
    /// It failed or refused us.
    #[error("the miner answered with status {status}")]
    Failed {
        /// Its HTTP status.
        status: u16,
    },
    /// It reported an error inside its stream.
    #[error("the miner reported a failure")]
    Reported,
    /// An event of its stream is too long.
    #[error("the miner's stream is malformed")]
    Event(#[source] EventTooLong),
    /// Its answer is not what was asked for.
    #[error("the miner's answer is not of the form that was asked for")]
    Malformed,
    /// It ended without a receipt.
    #[error("the miner gave no receipt")]
    NoReceipt,
    /// Its receipt cannot be read.
    #[error("the miner's receipt is unreadable")]
    UnreadableReceipt,
    /// Its receipt does not hold.
    #[error("the miner's receipt is refused")]
    Receipt(#[source] ReceiptError),
    /// Its receipt signs other bytes than it sent.
    #[error("the miner's receipt is for another output than it sent")]
    OutputMismatch,
    /// Its receipt claims more tokens than its own answer states.
    #[error("the miner's receipt claims {claimed} tokens, its answer states {stated}")]
    TokenMismatch {
        /// By the receipt.
        claimed: u32,
        /// By the answer's usage.
        stated: u64,
    },
    /// A header could not be built.
    #[error("the request holds a value that cannot be sent")]
    UnsendableHeader,
    /// Our own ledger failed: no miner's fault.
    #[error("the receipt could not be stored")]
    Ledger(#[source] AppendError),
}

/// A refusal that is about the user's request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestRefusal {
    /// Whether the request was too large, as opposed to wrong.
    pub too_large: bool,
    /// For the user.
    pub message: String,
    /// The field at fault, if named.
    pub param: Option<String>,
    /// The machine-readable reason, if given.
    pub code: Option<String>,
}

/// What to do after a failed attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Ask another miner; this one is only busy.
    AskAnother,
    /// Ask another miner, and hold this failure against the one that caused it.
    BlameAndAskAnother,
    /// Give up: nobody would do better.
    GiveUp,
}

impl AttemptError {
    /// What to do next.
    #[must_use]
    pub fn next(&self) -> Next {
        match self {
            Self::Busy => Next::AskAnother,
            Self::Request(_) | Self::UnsendableHeader | Self::Ledger(_) => Next::GiveUp,
            _ => Next::BlameAndAskAnother,
        }
    }
}

/// A miner's inventory could not be had.
#[derive(Debug, thiserror::Error)]
pub enum InventoryError {
    /// It did not answer in time.
    #[error("the miner did not answer in time")]
    Timeout,
    /// It did not answer.
    #[error("the miner did not answer")]
    NoAnswer(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The answer is not an inventory.
    #[error("the miner's inventory is unreadable")]
    Unreadable(#[source] serde_json::Error),
    /// Its checks fail.
    #[error("the miner's inventory is refused")]
    Refused(#[source] inventory::InventoryError),
    /// It is for another subnet.
    #[error("the miner's inventory is for subnet {netuid}")]
    OtherSubnet {
        /// The one it names.
        netuid: u16,
    },
}

/// What a miner that failed calls it, with the status of one that is busy.
const FAILURE_CODES: [&str; 3] = ["generation_failed", "receipt_store_unavailable", "deadline_exceeded"];

/// Reads a miner's answer that is not a success.
pub(super) fn refusal(status: StatusCode, words: &[u8]) -> AttemptError {
    let too_large = status == StatusCode::PAYLOAD_TOO_LARGE;
    let code = || serde_json::from_slice::<ErrorBody>(words).ok()?.error.code;
    match status {
        // It took the request and could not do it: a broken card or a full disk is not a queue.
        StatusCode::SERVICE_UNAVAILABLE
            if code().is_some_and(|code| FAILURE_CODES.contains(&code.as_str())) =>
        {
            AttemptError::Failed { status: status.as_u16() }
        }
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => AttemptError::Busy,
        StatusCode::BAD_REQUEST | StatusCode::UNPROCESSABLE_ENTITY | StatusCode::PAYLOAD_TOO_LARGE => {
            let error = serde_json::from_slice::<ErrorBody>(words).ok().map(|body| body.error);
            let (message, param, code) = match error {
                Some(error) => (error.message, error.param, error.code),
                None => ("the model refused this request".into(), None, None),
            };
            AttemptError::Request(Box::new(RequestRefusal { too_large, message, param, code }))
        }
        _ => AttemptError::Failed { status: status.as_u16() },
    }
}

#[cfg(test)]
mod tests {
    use super::{AttemptError, Next, refusal};
    use http::StatusCode;

    #[test]
    fn a_busy_miner_is_passed_over_without_blame() {
        for status in [StatusCode::TOO_MANY_REQUESTS, StatusCode::SERVICE_UNAVAILABLE] {
            assert_eq!(refusal(status, b"").next(), Next::AskAnother);
        }
        let words =
            |code: &str| format!(r#"{{"error":{{"message":"m","type":"t","param":null,"code":"{code}"}}}}"#);
        let unavailable =
            |code: &str| refusal(StatusCode::SERVICE_UNAVAILABLE, words(code).as_bytes()).next();
        assert_eq!(unavailable("metagraph_stale"), Next::AskAnother);
        for code in ["generation_failed", "receipt_store_unavailable", "deadline_exceeded"] {
            assert_eq!(unavailable(code), Next::BlameAndAskAnother, "{code}");
        }
    }

    #[test]
    fn a_bad_request_is_the_users_and_keeps_the_miners_words() {
        let words = br#"{"error":{"message":"too long","type":"invalid_request_error","param":"messages","code":"x"}}"#;
        let error = refusal(StatusCode::BAD_REQUEST, words);
        assert_eq!(error.next(), Next::GiveUp);
        let AttemptError::Request(refused) = error else { panic!("{error:?}") };
        assert_eq!((refused.message.as_str(), refused.param.as_deref()), ("too long", Some("messages")));
    }

    #[test]
    fn every_other_status_is_the_miners_failure() {
        for status in
            [StatusCode::UNAUTHORIZED, StatusCode::NOT_FOUND, StatusCode::FOUND, StatusCode::BAD_GATEWAY]
        {
            assert_eq!(refusal(status, b"").next(), Next::BlameAndAskAnother);
        }
    }
}
