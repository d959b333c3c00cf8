//! The formula of [`crate::decoder`] on a board.
//!
//! Rows of a pass, whoever's they are, go through the same launches. Their number is rounded up to one of a few, and rows too many write to
//! a page of their own that nobody reads. All that changes from pass to pass lies in [`crate::cube::inputs`], so a pass of each size is recorded
//! when it first runs and replayed from then on: a card starts a hundred kernels in the time of one.
//!
//! A row's numbers come from its own inputs in an order that the others do not change.

mod launches;

use std::collections::BTreeMap;
use std::ops::Range;

pub use self::launches::Kinds;
use self::launches::Passes;
use super::attend::SPLIT_FROM;
use super::board::Board;
use super::choose::NONE;
use super::inputs::{FORBIDDEN, TABLES};
use super::store::{PICKS_MAX, ROWS_MAX, Store};
use crate::decoder::{
    DecoderSpec, DecoderWeights, ForwardError, MatrixView, Model, PAGE_TOKENS, Part, Place, Rows, Step,
};

/// A decoder on a board.
pub struct CubeDecoder<B: Board> {
    // Before the buffers it was recorded with.
    recorded: BTreeMap<Pass, B::Recording>,
    passes: Passes<B>,
    pages: usize,
    /// What was last written to the board.
    picks: Vec<u32>,
    forbidden: Vec<u32>,
    logits: Vec<f32>,
    hidden: Vec<f32>,
    places: Vec<Place>,
}

/// What is launched together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Pass {
    /// From tokens to the last layer's sums.
    Body { rows: usize, split: bool },
    /// From those to logits; and their likeliest.
    Head { rows: usize, choose: bool },
    /// Both, for passes all of whose rows are wanted.
    Whole { rows: usize, split: bool, choose: bool },
}

/// A new token on its way through a pass.
#[derive(Clone, Copy)]
struct Row<'a> {
    part: &'a Part<'a>,
    index: usize,
}

impl Row<'_> {
    fn position(&self) -> usize {
        self.part.start + self.index
    }

    fn is_wanted(&self) -> bool {
        self.index >= self.part.rows_from
    }
}

impl<B: Board> CubeDecoder<B> {
    /// Puts the weights on the board, with a cache of `pages` pages. Exact is for weights of f32: rows keep 16 significant bits instead of 8
    /// on their way into products, and the cache 24 instead of 11.
    ///
    /// # Errors
    /// When the board has no memory for them, in its own words.
    ///
    /// # Panics
    /// When sizes are not those that [`crate::cpu::check`] and [`crate::cube::check`] accept.
    pub fn new(
        spec: DecoderSpec,
        weights: &DecoderWeights<MatrixView<'_>>,
        mut board: B,
        pages: usize,
        exact: bool,
    ) -> Result<Self, String> {
        let store = Store::new(&mut board, &spec, weights, pages, exact)?;
        let passes = Passes { board, spec, exact, store, kinds: Kinds::all() };
        Ok(Self {
            recorded: BTreeMap::new(),
            passes,
            pages,
            picks: Vec::new(),
            forbidden: Vec::new(),
            logits: Vec::new(),
            hidden: Vec::new(),
            places: Vec::new(),
        })
    }

    /// Compiles what every answer needs, and records it: the first tokens then come as fast as all others.
    ///
    /// # Errors
    /// When the card failed.
    pub fn warm_up(&mut self) -> Result<(), ForwardError> {
        let rows = [1, 128.min(self.passes.spec.context_max.min(self.pages * PAGE_TOKENS))];
        let pages: Vec<u32> = (0..self.pages as u32).collect();
        for rows in rows {
            let tokens = vec![0; rows];
            let part =
                Part { tokens: &tokens, start: 0, pages: &pages, rows_from: rows - 1, likeliest: Some(&[]) };
            self.forward(&Step { parts: &[part], hidden: false })?;
        }
        Ok(())
    }

    /// Launches only kernels of some kinds from now on: what is computed is nonsense, how long it takes is not.
    pub fn restrict(&mut self, kinds: Kinds) {
        self.recorded.clear();
        self.passes.kinds = kinds;
    }

    fn check(&self, part: &Part<'_>) -> Result<(), ForwardError> {
        let DecoderSpec { vocabulary, context_max, .. } = self.passes.spec;
        if let Some(&token) = part.tokens.iter().find(|token| **token as usize >= vocabulary) {
            return Err(ForwardError::UnknownToken { token, vocabulary });
        }
        let positions = part.start + part.tokens.len();
        if positions > context_max {
            return Err(ForwardError::Context { positions, context_max });
        }
        let exist = part.pages.iter().all(|page| (*page as usize) < self.pages);
        if positions.div_ceil(PAGE_TOKENS) > part.pages.len() || !exist {
            return Err(ForwardError::Pages { positions });
        }
        Ok(())
    }

    /// Runs a pass: the first time launch by launch, recording it, and as recorded from then on.
    fn run(&mut self, pass: Pass) -> Result<(), ForwardError> {
        let failed = ForwardError::Device;
        let Self { passes, recorded, .. } = self;
        if let Some(recording) = recorded.get(&pass) {
            return passes.board.replay(recording).map_err(failed);
        }
        let Passes { board, spec, exact, store, kinds } = passes;
        let mut work = |board: &mut B| {
            let mut launches = launches::Launches { board, spec, exact: *exact, store, kinds: *kinds };
            match pass {
                Pass::Body { rows, split } => launches.body(rows, split),
                Pass::Head { rows, choose } => launches.head(rows, choose),
                Pass::Whole { rows, split, choose } => {
                    launches.body(rows, split);
                    launches.head(rows, choose);
                }
            }
        };
        work(board);
        if let Some(recording) = board.record(&mut work).map_err(failed)? {
            recorded.insert(pass, recording);
        }
        Ok(())
    }

    /// A pass of at most [`ROWS_MAX`] rows, whose tables are the given ones.
    fn pass(&mut self, rows: &[(Row<'_>, usize)], tables: &[u32], hidden: bool) -> Result<(), ForwardError> {
        let spare = (self.pages * PAGE_TOKENS) as u32;
        let mut inputs = vec![0; TABLES * ROWS_MAX];
        let [tokens, positions, slots, bases] =
            inputs.get_disjoint_mut([0, 1, 2, 3].map(|at| at * ROWS_MAX..(at + 1) * ROWS_MAX)).expect("four");
        slots.fill(spare);
        for (at, (row, base)) in rows.iter().enumerate() {
            let position = row.position();
            tokens[at] = row.part.tokens[row.index];
            positions[at] = position as u32;
            slots[at] =
                row.part.pages[position / PAGE_TOKENS] * PAGE_TOKENS as u32 + (position % PAGE_TOKENS) as u32;
            bases[at] = *base as u32;
        }
        inputs.extend_from_slice(tables);
        let buffer = self.passes.store.work.inputs.clone();
        self.passes.board.write(&buffer, &inputs).map_err(ForwardError::Device)?;
        let longest = rows.iter().map(|(row, _)| row.position() + 1).max().unwrap_or(0);
        let (count, split) = (bucket(rows.len()), longest >= SPLIT_FROM);
        let wanted: Vec<(usize, Row<'_>)> =
            rows.iter().map(|(row, _)| *row).enumerate().filter(|(_, row)| row.is_wanted()).collect();
        if wanted.len() == rows.len() && rows.len() <= PICKS_MAX {
            return self.head(&wanted, hidden, Some(split));
        }
        self.run(Pass::Body { rows: count, split })?;
        wanted.chunks(PICKS_MAX).try_for_each(|wanted| self.head(wanted, hidden, None))
    }

    /// Logits or likeliest tokens of rows of the pass just computed; or of one that is computed first, whose rows they all are.
    fn head(
        &mut self,
        wanted: &[(usize, Row<'_>)],
        hidden: bool,
        body: Option<bool>,
    ) -> Result<(), ForwardError> {
        let rows = bucket(wanted.len());
        let DecoderSpec { vocabulary, hidden: width, .. } = self.passes.spec;
        let mut picks: Vec<u32> = wanted.iter().map(|(at, _)| *at as u32).collect();
        picks.resize(rows, 0);
        let choices: Vec<Option<&[u32]>> = wanted
            .iter()
            .map(|(_, row)| row.part.likeliest.filter(|forbidden| forbidden.len() <= FORBIDDEN))
            .collect();
        let choose = choices.iter().any(Option::is_some);
        let work = &self.passes.store.work;
        let board = &mut self.passes.board;
        if self.picks != picks {
            board.write(&work.picks, &picks).map_err(ForwardError::Device)?;
            self.picks = picks;
        }
        if choose {
            let mut forbidden = vec![NONE; rows * FORBIDDEN];
            for (row, choice) in forbidden.chunks_exact_mut(FORBIDDEN).zip(&choices) {
                let tokens = choice.unwrap_or_default();
                row[..tokens.len()].copy_from_slice(tokens);
            }
            if self.forbidden != forbidden {
                board.write(&work.forbidden, &forbidden).map_err(ForwardError::Device)?;
                self.forbidden = forbidden;
            }
        }
        self.run(match body {
            Some(split) => Pass::Whole { rows, split, choose },
            None => Pass::Head { rows, choose },
        })?;

        // Rows without a choice, in as few stretches as they are.
        let mut stretches: Vec<Range<usize>> = Vec::new();
        for row in (0..wanted.len()).filter(|row| choices[*row].is_none()) {
            match stretches.last_mut() {
                Some(last) if last.end == row => last.end += 1,
                _ => stretches.push(row..row + 1),
            }
        }
        let work = &self.passes.store.work;
        let of = |rows: Range<usize>, numbers: usize| rows.start * numbers..rows.end * numbers;
        let mut ranges: Vec<(&B::Buffer, Range<usize>)> =
            stretches.iter().map(|rows| (&work.logits, of(rows.clone(), vocabulary))).collect();
        ranges.push((&work.chosen, if choose { 0..wanted.len() } else { 0..1 }));
        if hidden {
            ranges.push((&work.hidden, of(0..wanted.len(), width)));
        }
        let mut next = self.logits.len() / vocabulary;
        let mut chosen = Vec::new();
        let mut take = |index: usize, words: &[u32]| {
            let floats = words.iter().copied().map(f32::from_bits);
            match index.checked_sub(stretches.len()) {
                None => self.logits.extend(floats),
                Some(0) => chosen.extend_from_slice(words),
                Some(_) => self.hidden.extend(floats),
            }
        };
        self.passes.board.read(&ranges, &mut take).map_err(ForwardError::Device)?;
        for (row, choice) in choices.iter().enumerate() {
            self.places.push(if choice.is_some() {
                Place::Likeliest((chosen[row] != NONE).then_some(chosen[row]))
            } else {
                next += 1;
                Place::Logits(next - 1)
            });
        }
        Ok(())
    }
}

impl<B: Board> Model for CubeDecoder<B> {
    fn forward(&mut self, step: &Step<'_>) -> Result<Rows<'_>, ForwardError> {
        step.parts.iter().try_for_each(|part| self.check(part))?;
        self.logits.clear();
        self.hidden.clear();
        self.places.clear();
        let (mut rows, mut tables): (Vec<(Row<'_>, usize)>, Vec<u32>) = (Vec::new(), Vec::new());
        for part in step.parts {
            // Only the pages it reads.
            let pages = &part.pages[..(part.start + part.tokens.len()).div_ceil(PAGE_TOKENS)];
            let mut base = None;
            for index in 0..part.tokens.len() {
                let full = base.is_none() && tables.len() + pages.len() > self.passes.store.work.table_words;
                if rows.len() == ROWS_MAX || full {
                    self.pass(&rows, &tables, step.hidden)?;
                    (rows, tables, base) = (Vec::new(), Vec::new(), None);
                }
                let base = *base.get_or_insert_with(|| {
                    let base = tables.len();
                    tables.extend_from_slice(pages);
                    base
                });
                rows.push((Row { part, index }, base));
            }
        }
        self.pass(&rows, &tables, step.hidden)?;
        Ok(Rows {
            vocabulary: self.passes.spec.vocabulary,
            logits: &self.logits,
            hidden_width: if step.hidden { self.passes.spec.hidden } else { 0 },
            hidden: &self.hidden,
            places: &self.places,
        })
    }

    fn take_hidden(&mut self, mut emptied: Vec<f32>) -> Vec<f32> {
        emptied.clear();
        std::mem::replace(&mut self.hidden, emptied)
    }
}

/// Rows that are computed for so many.
fn bucket(rows: usize) -> usize {
    if rows <= PICKS_MAX { rows.next_power_of_two() } else { rows.next_multiple_of(128) }
}
