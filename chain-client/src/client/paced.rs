//! Politeness towards the node: what cannot change is asked once, the rest not faster than agreed, and a node that says
//! "too many requests" is asked again later.
//!
//! This sits below everything that talks JSON-RPC, subxt included.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use subxt::ext::jsonrpsee::ws_client::WsClient;
use subxt::rpcs::client::{RawRpcFuture, RawRpcSubscription, RawValue, RpcClientT};
use tokio::time::{Instant, sleep, sleep_until};

use crate::error::is_rate_limit;

/// Answers about one block that are kept.
const ANSWERS_MAX: usize = 1_024;
/// Their bytes together.
const ANSWER_BYTES_MAX: usize = 16 * 1024 * 1024;
/// An answer larger than this is not kept.
const ANSWER_BYTES_EACH_MAX: usize = 1024 * 1024;
/// How many seconds' worth of requests may be made at once after a pause.
const BURST_SECONDS: u32 = 5;
/// Waits after "too many requests"; then the caller hears of it.
const RETRY_AFTER: [Duration; 3] =
    [Duration::from_millis(500), Duration::from_millis(1_000), Duration::from_millis(2_000)];

/// A socket with manners.
pub(super) struct Paced {
    pub(super) socket: Arc<WsClient>,
    pub(super) answers: Arc<Answers>,
    /// `None`: as fast as it goes.
    pub(super) pace: Option<Arc<Pace>>,
}

/// A steady rate with some slack.
#[derive(Debug)]
pub(super) struct Pace {
    interval: Duration,
    burst: Duration,
    /// When the requests made so far would be over at the steady rate.
    busy_until: Mutex<Option<Instant>>,
}

/// Answers that name the block they are about, so they never change.
#[derive(Debug, Default)]
pub(super) struct Answers(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    by_question: HashMap<Arc<str>, Box<RawValue>>,
    oldest_first: VecDeque<Arc<str>>,
    bytes: usize,
}

impl Pace {
    /// So many requests a second; 0 for no limit.
    pub(super) fn new(requests_per_second_max: u32) -> Option<Self> {
        let interval = Duration::from_secs(1).checked_div(requests_per_second_max)?;
        let burst = interval.saturating_mul(requests_per_second_max.saturating_mul(BURST_SECONDS));
        Some(Self { interval, burst, busy_until: Mutex::default() })
    }

    /// When a request asked for `now` may be made; it counts as made.
    fn reserve(&self, now: Instant) -> Instant {
        let mut busy_until = self.busy_until.lock().unwrap_or_else(PoisonError::into_inner);
        let from = busy_until.map_or(now, |until| until.max(now));
        *busy_until = Some(from + self.interval);
        from.checked_sub(self.burst).map_or(now, |at| at.max(now))
    }
}

impl Answers {
    fn get(&self, question: &str) -> Option<Box<RawValue>> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.by_question.get(question).cloned()
    }

    fn keep(&self, question: String, answer: &RawValue) {
        let size = question.len() + answer.get().len();
        if size > ANSWER_BYTES_EACH_MAX || answer.get() == "null" {
            return;
        }
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let question: Arc<str> = question.into();
        if kept.by_question.insert(Arc::clone(&question), answer.to_owned()).is_some() {
            return;
        }
        kept.oldest_first.push_back(question);
        kept.bytes += size;
        while kept.oldest_first.len() > ANSWERS_MAX || kept.bytes > ANSWER_BYTES_MAX {
            let Some(oldest) = kept.oldest_first.pop_front() else { break };
            if let Some(answer) = kept.by_question.remove(&oldest) {
                kept.bytes = kept.bytes.saturating_sub(oldest.len() + answer.get().len());
            }
        }
    }
}

/// The question as text, if it names the block it is about: then the answer never changes.
fn question_about_a_block(method: &str, params: Option<&RawValue>) -> Option<String> {
    let position = match method {
        "chain_getHeader" | "chain_getBlock" | "state_getRuntimeVersion" | "state_getMetadata" => 0,
        "state_getStorage" | "state_queryStorageAt" => 1,
        "state_call" => 2,
        "state_getKeysPaged" => 3,
        _ => return None,
    };
    let params = params?.get();
    let list: Vec<&RawValue> = serde_json::from_str(params).ok()?;
    // A hash of 32 bytes in hex, with its quotes.
    let is_hash = list.get(position)?.get().len() == 68;
    is_hash.then(|| format!("{method}{params}"))
}

impl RpcClientT for Paced {
    fn request_raw<'a>(
        &'a self,
        method: &'a str,
        params: Option<Box<RawValue>>,
    ) -> RawRpcFuture<'a, Box<RawValue>> {
        Box::pin(async move {
            let question = question_about_a_block(method, params.as_deref());
            if let Some(answer) = question.as_deref().and_then(|question| self.answers.get(question)) {
                return Ok(answer);
            }
            let mut retry_after = RETRY_AFTER.into_iter();
            loop {
                if let Some(pace) = &self.pace {
                    sleep_until(pace.reserve(Instant::now())).await;
                }
                match self.socket.request_raw(method, params.clone()).await {
                    Ok(answer) => {
                        if let Some(question) = question {
                            self.answers.keep(question, &answer);
                        }
                        return Ok(answer);
                    }
                    Err(error) if is_rate_limit(&error) => match retry_after.next() {
                        Some(wait) => {
                            tracing::debug!(method, %error, "the node limits its rate; asking again later");
                            sleep(wait).await;
                        }
                        None => return Err(error),
                    },
                    Err(error) => return Err(error),
                }
            }
        })
    }

    fn subscribe_raw<'a>(
        &'a self,
        sub: &'a str,
        params: Option<Box<RawValue>>,
        unsub: &'a str,
    ) -> RawRpcFuture<'a, RawRpcSubscription> {
        Box::pin(async move {
            if let Some(pace) = &self.pace {
                sleep_until(pace.reserve(Instant::now())).await;
            }
            self.socket.subscribe_raw(sub, params, unsub).await
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(text: &str) -> Box<RawValue> {
        RawValue::from_string(text.to_owned()).unwrap()
    }

    #[test]
    fn requests_come_at_the_agreed_rate_after_a_burst() {
        let pace = Pace::new(10).unwrap();
        let start = Instant::now();
        let waits: Vec<u128> =
            (0..60).map(|_| pace.reserve(start).duration_since(start).as_millis()).collect();
        assert!(waits[..=50].iter().all(|wait| *wait == 0), "{waits:?}");
        assert_eq!(waits[51..], (1..=9).map(|step| step * 100).collect::<Vec<_>>());
        // After a pause there is slack again.
        let later = start + Duration::from_secs(60);
        assert_eq!(pace.reserve(later), later);
        assert!(Pace::new(0).is_none());
    }

    #[test]
    fn only_questions_that_name_a_block_are_kept() {
        let hash = format!("\"0x{}\"", "ab".repeat(32));
        let about = |method: &str, params: &str| question_about_a_block(method, Some(&raw(params))).is_some();
        assert!(about("chain_getHeader", &format!("[{hash}]")));
        assert!(about("state_queryStorageAt", &format!("[[\"0x00\"],{hash}]")));
        assert!(about("state_call", &format!("[\"Core_version\",\"0x\",{hash}]")));
        assert!(!about("chain_getHeader", "[]") && !about("chain_getHeader", "[null]"));
        assert!(!about("chain_getBlockHash", "[7]"), "a fork may win");
        assert!(!about("system_accountNextIndex", &format!("[{hash}]")));
        assert!(question_about_a_block("chain_getHeader", None).is_none());
    }

    #[test]
    fn kept_answers_are_limited_in_number_and_size_and_nothing_is_no_answer() {
        let answers = Answers::default();
        answers.keep("none".to_owned(), &raw("null"));
        assert!(answers.get("none").is_none(), "another node may have the block");
        for number in 0..2 * ANSWERS_MAX {
            answers.keep(number.to_string(), &raw("\"0x00\""));
        }
        assert!(answers.get("0").is_none() && answers.get("2047").is_some());
        let large = raw(&format!("\"{}\"", "0".repeat(ANSWER_BYTES_EACH_MAX - 100)));
        for number in 0..40 {
            answers.keep(format!("large {number}"), &large);
        }
        let kept = answers.0.lock().unwrap();
        assert!(kept.bytes <= ANSWER_BYTES_MAX && kept.by_question.len() == kept.oldest_first.len());
        assert!(kept.by_question.contains_key("large 39"));
    }
}
