use std::ops::Range;

use burn::tensor::{Device, Int, Tensor, TensorData};

use crate::decoder::{PAGE_TOKENS, Part};

/// Keys and values of one layer: [pages * PAGE_TOKENS, kv heads * head].
#[derive(Debug)]
pub(super) struct LayerCache {
    width: usize,
    /// `None` only while it is being written: a tensor nobody else holds is written in place.
    keys: Option<Tensor<2>>,
    values: Option<Tensor<2>>,
}

impl LayerCache {
    pub(super) fn new(slots: usize, width: usize, device: &Device) -> Self {
        let empty = || Some(Tensor::zeros([slots, width], device));
        Self { width, keys: empty(), values: empty() }
    }

    /// Writes the keys and values of a part's new tokens, [tokens, width] each, to its pages.
    pub(super) fn write(&mut self, part: &Part<'_>, keys: Tensor<2>, values: Tensor<2>) {
        let width = self.width;
        for (slots, rows) in runs(part) {
            for (stored, new) in [(&mut self.keys, &keys), (&mut self.values, &values)] {
                let tensor = stored.take().expect("it was put back");
                let new = new.clone().slice([rows.clone(), 0..width]);
                *stored = Some(tensor.slice_assign([slots.clone(), 0..width], new));
            }
        }
    }

    /// Keys and values at `slots`.
    pub(super) fn read(&self, slots: &Tensor<1, Int>) -> (Tensor<2>, Tensor<2>) {
        let at =
            |stored: &Option<Tensor<2>>| stored.clone().expect("it was put back").select(0, slots.clone());
        (at(&self.keys), at(&self.values))
    }
}

/// Where a part's new tokens go: slots of a page, and the tokens' indices.
fn runs(part: &Part<'_>) -> impl Iterator<Item = (Range<usize>, Range<usize>)> {
    let end = part.start + part.tokens.len();
    let pages = part.start / PAGE_TOKENS..end.div_ceil(PAGE_TOKENS);
    pages.map(move |page| {
        let positions = part.start.max(page * PAGE_TOKENS)..end.min((page + 1) * PAGE_TOKENS);
        let first = slot(part, positions.start);
        (first..first + positions.len(), positions.start - part.start..positions.end - part.start)
    })
}

/// Slots of a run of positions.
pub(super) fn slots(part: &Part<'_>, positions: Range<usize>, device: &Device) -> Tensor<1, Int> {
    let slots: Vec<i32> = positions.map(|position| slot(part, position) as i32).collect();
    let count = slots.len();
    Tensor::from_data(TensorData::new(slots, [count]), device)
}

fn slot(part: &Part<'_>, position: usize) -> usize {
    part.pages[position / PAGE_TOKENS] as usize * PAGE_TOKENS + position % PAGE_TOKENS
}
