//! Rotary positions: pairs of a head's numbers are turned by an angle that grows with the position.

use std::ops::Range;

use burn::tensor::{Device, Tensor, TensorData};

use super::LlamaConfig;

/// Cosines and sines of every position, computed once in f64.
#[derive(Debug)]
pub(super) struct RopeTable {
    cos: Tensor<2>,
    sin: Tensor<2>,
}

/// Cosines and sines of a run of positions: [tokens, 1, half a head].
pub(super) struct Rotation {
    cos: Tensor<3>,
    sin: Tensor<3>,
}

impl RopeTable {
    /// `factors` divide the frequencies one by one, as Llama 3 wants it.
    pub(super) fn new(config: &LlamaConfig, factors: Option<&[f32]>, device: &Device) -> Self {
        let half = config.head / 2;
        let frequency = |i: usize| {
            let factor = factors.and_then(|factors| factors.get(i)).map_or(1.0, |factor| f64::from(*factor));
            config.rope_base.powf(-(i as f64) / half as f64) / (factor * config.rope_factor)
        };
        let frequencies: Vec<f64> = (0..half).map(frequency).collect();
        let table = |turn: fn(f64) -> f64| {
            let angles = (0..config.context_tokens)
                .flat_map(|position| frequencies.iter().map(move |f| position as f64 * f));
            let values: Vec<f32> = angles.map(|angle| turn(angle) as f32).collect();
            Tensor::from_data(TensorData::new(values, [config.context_tokens, half]), device)
        };
        Self { cos: table(f64::cos), sin: table(f64::sin) }
    }

    pub(super) fn at(&self, positions: Range<usize>) -> Rotation {
        let [_, half] = self.cos.dims();
        let tokens = positions.len();
        let rows =
            |table: &Tensor<2>| table.clone().slice([positions.clone(), 0..half]).reshape([tokens, 1, half]);
        Rotation { cos: rows(&self.cos), sin: rows(&self.sin) }
    }
}

impl Rotation {
    /// Turns [tokens, heads, head]. The pair of number `i` is number `i + half`: loading put the rows in that order.
    pub(super) fn apply(&self, x: Tensor<3>) -> Tensor<3> {
        let [tokens, heads, head] = x.dims();
        let half = head / 2;
        let first = x.clone().slice([0..tokens, 0..heads, 0..half]);
        let second = x.slice([0..tokens, 0..heads, half..head]);
        let turned_first = first.clone() * self.cos.clone() - second.clone() * self.sin.clone();
        let turned_second = second * self.cos.clone() + first * self.sin.clone();
        Tensor::cat(vec![turned_first, turned_second], 2)
    }
}
