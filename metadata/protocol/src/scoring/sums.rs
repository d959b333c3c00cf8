//! What a scorer holds, as bytes: the sums of one gateway's window, for the gateway that signs the head of all.
//!
//! Only the validator's own gateways exchange sums. A reviewer believes none: it adds up the receipts again.

use std::collections::{BTreeMap, BTreeSet};

use parity_scale_codec::{Decode, DecodeAll, Encode, Error, Input};

use super::scorer::{HourTally, Hours, PayerTally};
use super::{HOUR_MS, Policy, Scorer, SetAside};
use crate::account::AccountId;
use crate::bounded::decode_list;
use crate::catalogue::Catalogue;
use crate::digest::Digest;
use crate::ticket::ModelId;

/// The form of the bytes.
const VERSION: u8 = 1;

/// Models that one answer can name.
const MODELS_MAX: usize = 1 << 16;

/// Lines of one answer: one for each miner, hour and payer.
pub const LINES_MAX: usize = 1 << 24;

/// The sums of a window: nothing has been checked.
#[derive(Debug, Clone, PartialEq, Eq, Encode)]
pub struct Sums {
    version: u8,
    /// Hash of the policy document that they were made by.
    pub policy: Digest,
    /// The window's first millisecond.
    pub window_start_ms: u64,
    /// The first millisecond after it.
    pub window_end_ms: u64,
    /// Receipts that did not count.
    pub set_aside: SetAside,
    models: Vec<ModelId>,
    hours: Vec<Hour>,
    lines: Vec<Line>,
}

/// What a miner did in one hour, its payers apart.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
struct Hour {
    miner: AccountId,
    hour: u64,
    busy_ms: u128,
    /// How many of the lines are its payers'.
    payers: u32,
}

/// What one payer brought.
#[derive(Debug, Clone, PartialEq, Eq, Encode)]
struct Line {
    payer: Digest,
    compute_units: u128,
    invocations: u64,
    bounties: u64,
    /// Places among the models.
    models: Vec<u16>,
}

/// Sums cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SumsError {
    /// Not one whole answer, or of another version of this program.
    #[error("the sums do not decode: the gateways must run the same version")]
    Decode,
    /// Made by other rules.
    #[error(
        "the sums were made by the policy document {found}, this head's is {expected}: the gateways must have the same rules"
    )]
    Policy {
        /// The head's.
        expected: Digest,
        /// The sums'.
        found: Digest,
    },
    /// A model that the catalogue lacks.
    #[error("the sums name the model {0}, which the catalogue lacks")]
    Model(ModelId),
    /// They contradict themselves: an hour outside of the window, or lines that belong to none.
    #[error("the sums contradict themselves")]
    Shape,
    /// The scorer remembers single tickets, which sums do not name.
    #[error("sums are made of tickets that are known to differ")]
    Tickets,
}

impl Sums {
    /// Reads one whole answer; trailing bytes are refused.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, SumsError> {
        Self::decode_all(&mut &*bytes).map_err(|_| SumsError::Decode)
    }

    /// What a scorer has added up by the rules of a policy document ([`Scorer::add_once`]).
    pub fn of(scorer: &Scorer<'_>, policy: Digest) -> Result<Self, SumsError> {
        if !scorer.tickets.is_empty() {
            return Err(SumsError::Tickets);
        }
        let of_hour = |tally: &HourTally<'_>| -> BTreeSet<ModelId> {
            let models = tally.payers.values().flat_map(|payer| &payer.models);
            models.map(|model| (*model).clone()).collect()
        };
        let models: BTreeSet<ModelId> = scorer.hours_once.values().flat_map(of_hour).collect();
        let places: BTreeMap<&ModelId, u16> = models.iter().zip(0..=u16::MAX).collect();
        if places.len() != models.len() {
            return Err(SumsError::Shape);
        }
        let (mut hours, mut lines) = (Vec::new(), Vec::new());
        for ((miner, hour), tally) in &scorer.hours_once {
            let payers = u32::try_from(tally.payers.len()).map_err(|_| SumsError::Shape)?;
            hours.push(Hour { miner: *miner, hour: *hour, busy_ms: tally.busy_ms, payers });
            for (payer, of_payer) in &tally.payers {
                let PayerTally { compute_units, invocations, bounties, models } = of_payer;
                let models = models.iter().filter_map(|model| places.get(*model).copied()).collect();
                let (compute_units, invocations, bounties) = (*compute_units, *invocations, *bounties);
                lines.push(Line { payer: *payer, compute_units, invocations, bounties, models });
            }
        }
        drop(places);
        Ok(Self {
            version: VERSION,
            policy,
            window_start_ms: scorer.window_ms.start,
            window_end_ms: scorer.window_ms.end,
            set_aside: scorer.set_aside,
            models: models.into_iter().collect(),
            hours,
            lines,
        })
    }

    /// A scorer that has added what these say, for the rules of this policy document.
    pub fn scorer<'c>(
        &self,
        policy: &Policy,
        catalogue: &'c Catalogue,
        document: Digest,
    ) -> Result<Scorer<'c>, SumsError> {
        if self.policy != document {
            return Err(SumsError::Policy { expected: document, found: self.policy });
        }
        let mut scorer = Scorer::new(policy, catalogue, self.window_end_ms);
        if scorer.window_start_ms() != self.window_start_ms {
            return Err(SumsError::Shape);
        }
        let models: Vec<&'c ModelId> = self
            .models
            .iter()
            .map(|id| catalogue.get(id).map(|model| &model.id).ok_or_else(|| SumsError::Model(id.clone())))
            .collect::<Result<_, _>>()?;
        let window = self.window_start_ms / HOUR_MS..self.window_end_ms.div_ceil(HOUR_MS);
        let mut lines = self.lines.iter();
        let mut hours: Hours<'c> = BTreeMap::new();
        for Hour { miner, hour, busy_ms, payers } in &self.hours {
            let mut tally = HourTally { busy_ms: *busy_ms, payers: BTreeMap::new() };
            for _ in 0..*payers {
                let Line { payer, compute_units, invocations, bounties, models: places } =
                    lines.next().ok_or(SumsError::Shape)?;
                let served = places.iter().map(|place| models.get(usize::from(*place)).copied());
                let models = served.collect::<Option<BTreeSet<_>>>().ok_or(SumsError::Shape)?;
                let (compute_units, invocations, bounties) = (*compute_units, *invocations, *bounties);
                let of_payer = PayerTally { compute_units, invocations, bounties, models };
                if tally.payers.insert(*payer, of_payer).is_some() {
                    return Err(SumsError::Shape);
                }
            }
            if !window.contains(hour) || hours.insert((*miner, *hour), tally).is_some() {
                return Err(SumsError::Shape);
            }
        }
        if lines.next().is_some() {
            return Err(SumsError::Shape);
        }
        scorer.hours_once = hours;
        scorer.set_aside = self.set_aside;
        Ok(scorer)
    }
}

impl Decode for Sums {
    fn decode<I: Input>(input: &mut I) -> Result<Self, Error> {
        let version = u8::decode(input)?;
        if version != VERSION {
            return Err("unknown version of sums".into());
        }
        let (policy, window_start_ms, window_end_ms, set_aside) = Decode::decode(input)?;
        Ok(Self {
            version,
            policy,
            window_start_ms,
            window_end_ms,
            set_aside,
            models: decode_list(input, MODELS_MAX)?,
            hours: decode_list(input, LINES_MAX)?,
            lines: decode_list(input, LINES_MAX)?,
        })
    }
}

impl Decode for Line {
    fn decode<I: Input>(input: &mut I) -> Result<Self, Error> {
        let (payer, compute_units, invocations, bounties) = Decode::decode(input)?;
        let models = decode_list(input, MODELS_MAX)?;
        Ok(Self { payer, compute_units, invocations, bounties, models })
    }
}
