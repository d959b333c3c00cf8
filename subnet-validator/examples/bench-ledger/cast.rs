//! Who takes part, and the calls that they sign.

use std::error::Error;
use std::ops::Range;

use protocol::catalogue::{Catalogue, Model};
use protocol::digest::Digest;
use protocol::receipt::{Countersigned, FinishReason, MinerSigned, Observation, Outcome, Receipt};
use protocol::scoring::HOUR_MS;
use protocol::signing::Keypair;
use protocol::ticket::{Kind, Ticket, first_sequence};

pub const NETUID: u16 = 64;
pub const NOW_MS: u64 = 1_000_000 * HOUR_MS;
const PAYERS: u64 = 64;

pub struct Cast {
    pub validator: Keypair,
    pub miners: Vec<Keypair>,
    pub catalogue: Catalogue,
}

/// The calls of one shard's log.
#[derive(Clone, Copy)]
pub struct Log {
    pub shard: u8,
    pub calls: u64,
}

impl Cast {
    pub fn new(miners: u64) -> Result<Self, Box<dyn Error>> {
        let miners = (0..miners).map(|number| Keypair::from_dev_uri(&format!("//Miner{number}")));
        let model = Model {
            id: "echo".parse()?,
            weights_digest: Digest::of(b"echo"),
            prompt_multiplier: 250,
            completion_multiplier: 1_000,
            memory_bytes: 1 << 30,
        };
        Ok(Self {
            validator: Keypair::from_dev_uri("//Alice")?,
            miners: miners.collect::<Result<_, _>>()?,
            catalogue: Catalogue::new([model])?,
        })
    }

    fn miner(&self, number: u64) -> &Keypair {
        &self.miners[(number % self.miners.len() as u64) as usize]
    }

    /// Call `number` of a log, spread over the last 100 hours or less: those under way together must be of one hour, or the log would
    /// refuse the older ones.
    pub fn call(&self, log: Log, number: u64, previous: Digest) -> Result<Countersigned, Box<dyn Error>> {
        let (ticket, receipt) = self.papers(log, number, previous)?;
        let output_sha256 = receipt.output_sha256;
        let observation = Observation {
            first_byte_ms: 90,
            last_byte_ms: 2_050,
            tokens_delivered: 200,
            output_sha256,
            outcome: Outcome::Delivered,
        };
        let ticket = ticket.sign(&self.validator).verify()?;
        let signed = MinerSigned::check(ticket, receipt.sign(self.miner(number)))?;
        Ok(signed.countersign(observation, &self.validator)?)
    }

    /// A call's papers before they are signed.
    fn papers(&self, log: Log, number: u64, previous: Digest) -> Result<(Ticket, Receipt), Box<dyn Error>> {
        let step_ms = (100 * HOUR_MS / log.calls).min(1_000);
        let issued_at_ms = NOW_MS - (log.calls - number) * step_ms;
        let unique = [&[log.shard], number.to_be_bytes().as_slice()].concat();
        let ticket = Ticket {
            netuid: NETUID,
            validator: self.validator.public(),
            miner: self.miner(number).public(),
            model: "echo".parse()?,
            weights_digest: Digest::of(b"echo"),
            request_sha256: Digest::of(&unique),
            sequence: first_sequence(log.shard) + number / self.miners.len() as u64,
            issued_at_ms,
            deadline_ms: issued_at_ms + 60_000,
            prompt_tokens_max: 4_096,
            completion_tokens_max: 4_096,
            payer: Digest::of(&(number % PAYERS).to_le_bytes()),
            kind: Kind::Chat,
        };
        let output_sha256 = Digest::of(&[b"output", unique.as_slice()].concat());
        let receipt = Receipt {
            ticket_hash: ticket.hash(),
            output_sha256,
            prompt_tokens: 300,
            completion_tokens: 200,
            first_token_ms: 80,
            total_ms: 2_000,
            finish_reason: FinishReason::Stop,
            fingerprint: None,
            previous,
        };
        Ok((ticket, receipt))
    }

    /// What each of these calls' receipts names as the one before it: each miner's own, as honest miners do. `last` is carried on.
    fn previous(
        &self,
        log: Log,
        numbers: Range<u64>,
        last: &mut [Digest],
    ) -> Result<Vec<Digest>, Box<dyn Error>> {
        let mut named = Vec::new();
        for number in numbers {
            let last = &mut last[(number % self.miners.len() as u64) as usize];
            named.push(*last);
            *last = self.papers(log, number, *last)?.1.hash();
        }
        Ok(named)
    }

    /// Signs calls on all cores, in order.
    pub fn sign_all(
        &self,
        log: Log,
        numbers: Range<u64>,
        last: &mut [Digest],
    ) -> Result<Vec<Countersigned>, Box<dyn Error>> {
        let previous = self.previous(log, numbers.clone(), last)?;
        let threads = std::thread::available_parallelism()?.get() as u64;
        let share = (numbers.end - numbers.start).div_ceil(threads).max(1);
        std::thread::scope(|scope| {
            let shares = numbers.clone().step_by(share as usize).map(|first| {
                let part = first..numbers.end.min(first + share);
                let (previous, start) = (&previous, numbers.start);
                let sign = move |number| {
                    let previous = previous[(number - start) as usize];
                    self.call(log, number, previous).map_err(|error| error.to_string())
                };
                scope.spawn(move || part.map(sign).collect::<Result<Vec<_>, _>>())
            });
            let mut calls = Vec::new();
            for share in shares.collect::<Vec<_>>() {
                calls.extend(share.join().map_err(|_| "signing stopped")??);
            }
            Ok(calls)
        })
    }
}
