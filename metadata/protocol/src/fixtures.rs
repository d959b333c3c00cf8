//! The people and papers that the tests share.

use crate::account::AccountId;
use crate::catalogue::{Catalogue, Model};
use crate::digest::Digest;
use crate::head::TreeHead;
use crate::head::shards::Log;
use crate::receipt::{Countersigned, FinishReason, MinerSigned, Observation, Outcome, Receipt};
use crate::signing::Keypair;
use crate::ticket::{Kind, ModelId, Ticket};

pub(crate) fn key(name: &str) -> Keypair {
    Keypair::from_dev_uri(&format!("//{name}")).unwrap()
}

pub(crate) fn account(name: &str) -> AccountId {
    key(name).public()
}

pub(crate) fn model_id(name: &str) -> ModelId {
    ModelId::try_from(name).unwrap()
}

/// A chat ticket from Alice to Bob.
pub(crate) fn ticket() -> Ticket {
    Ticket {
        netuid: 64,
        validator: account("Alice"),
        miner: account("Bob"),
        model: model_id("SmolLM2-135M-Instruct"),
        weights_digest: Digest([0x11; 32]),
        request_sha256: Digest([0x22; 32]),
        sequence: 7,
        issued_at_ms: 1_752_076_800_000,
        deadline_ms: 1_752_076_860_000,
        prompt_tokens_max: 2_048,
        completion_tokens_max: 512,
        payer: Digest([0x33; 32]),
        kind: Kind::Chat,
    }
}

/// Bob's good answer to a ticket.
pub(crate) fn receipt(ticket: &Ticket) -> Receipt {
    Receipt {
        ticket_hash: ticket.hash(),
        output_sha256: Digest([0x44; 32]),
        prompt_tokens: 31,
        completion_tokens: 97,
        first_token_ms: 120,
        total_ms: 2_300,
        finish_reason: FinishReason::Stop,
        fingerprint: Some(Digest([0x55; 32])),
        previous: Digest::ZERO,
    }
}

/// What Alice saw of it.
pub(crate) fn observation() -> Observation {
    Observation {
        first_byte_ms: 131,
        last_byte_ms: 2_320,
        tokens_delivered: 97,
        output_sha256: Digest([0x44; 32]),
        outcome: Outcome::Delivered,
    }
}

/// Two models: 100 MiB and 1 GiB.
pub(crate) fn catalogue() -> Catalogue {
    let model = |name: &str, prompt_multiplier, completion_multiplier, memory_mib: u64| Model {
        id: model_id(name),
        weights_digest: Digest([0x11; 32]),
        prompt_multiplier,
        completion_multiplier,
        memory_bytes: memory_mib << 20,
    };
    Catalogue::new([
        model("SmolLM2-135M-Instruct", 100, 400, 100),
        model("org/large-7b", 1_000, 3_000, 1_024),
    ])
    .unwrap()
}

/// One whole call, varied by changing its parts before they are signed.
pub(crate) struct Call {
    pub(crate) miner: &'static str,
    pub(crate) ticket: Ticket,
    pub(crate) completion_tokens: u32,
    pub(crate) observation: Observation,
    pub(crate) finish_reason: FinishReason,
}

impl Call {
    pub(crate) fn to(miner: &'static str, sequence: u64) -> Self {
        let ticket = Ticket { miner: account(miner), sequence, ..ticket() };
        Self {
            miner,
            ticket,
            completion_tokens: 97,
            observation: observation(),
            finish_reason: FinishReason::Stop,
        }
    }

    /// Claims so many completion tokens, and has delivered them.
    pub(crate) fn of(miner: &'static str, sequence: u64, completion_tokens: u32) -> Self {
        let mut call = Self { completion_tokens, ..Self::to(miner, sequence) };
        call.observation.tokens_delivered = completion_tokens;
        call
    }

    fn receipt(&self) -> Receipt {
        Receipt {
            completion_tokens: self.completion_tokens,
            finish_reason: self.finish_reason,
            ..receipt(&self.ticket)
        }
    }

    /// Without the cost of signing.
    pub(crate) fn unsigned(&self) -> Countersigned {
        Countersigned::with_zero_signatures(self.ticket.clone(), self.receipt(), self.observation.clone())
    }

    pub(crate) fn countersigned(&self) -> Countersigned {
        let receipt = self.receipt();
        let ticket = self.ticket.clone().sign(&key("Alice")).verify().unwrap();
        let signed = MinerSigned::check(ticket, receipt.sign(&key(self.miner))).unwrap();
        signed.countersign(self.observation.clone(), &key("Alice")).unwrap()
    }
}

/// As many random cases as a test needs, or as `PROPTEST_CASES` asks for if that is more.
pub(crate) fn at_least(cases: u32) -> proptest::test_runner::Config {
    let config = proptest::test_runner::Config::default();
    proptest::test_runner::Config { cases: config.cases.max(cases), ..config }
}

/// The same head with another log of shard 0.
pub(crate) fn with_log(mut head: TreeHead, change: impl FnOnce(&mut Log)) -> TreeHead {
    change(head.log_mut(0).unwrap());
    head
}
