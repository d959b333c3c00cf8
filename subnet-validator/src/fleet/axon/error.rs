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
    /// The prompt is longer than the context that it holds the model with; another may hold it with a longer one.
    #[error("the prompt is too long for this miner")]
    TooLong(Box<RequestRefusal>),
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
    /// Ask another miner, if there is one with a longer context.
    AskLonger,
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
            Self::TooLong(_) => Next::AskLonger,
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

/// What a miner calls a prompt that does not fit.
const TOO_LONG_CODE: &str = "context_length_exceeded";

/// Whether a miner refuses the ticket, which the gateway made, and not the request, which is the user's.
fn is_of_ticket(code: &str) -> bool {
    // A ticket has no tokens where the user's own limit leaves none.
    code.starts_with("ticket_") && code != "ticket_without_tokens"
}

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
            let code = error.as_ref().and_then(|error| error.code.as_deref()).unwrap_or_default();
            if is_of_ticket(code) {
                return AttemptError::Failed { status: status.as_u16() };
            }
            let is_too_long = code == TOO_LONG_CODE;
            let (message, param, code) = match error {
                Some(error) => (error.message, error.param, error.code),
                None => ("the model refused this request".into(), None, None),
            };
            let refusal = Box::new(RequestRefusal { too_large, message, param, code });
            if is_too_long { AttemptError::TooLong(refusal) } else { AttemptError::Request(refusal) }
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
    fn a_refused_ticket_is_not_the_users_and_a_prompt_too_long_is_asked_of_others() {
        let refused = |code: &str| {
            let words = format!(r#"{{"error":{{"message":"m","type":"t","param":null,"code":"{code}"}}}}"#);
            refusal(StatusCode::BAD_REQUEST, words.as_bytes()).next()
        };
        for code in ["ticket_issued_ahead", "ticket_expired", "ticket_sequence_used"] {
            assert_eq!(refused(code), Next::BlameAndAskAnother, "{code}");
        }
        assert_eq!(refused("ticket_without_tokens"), Next::GiveUp);
        assert_eq!(refused("context_length_exceeded"), Next::AskLonger);
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
