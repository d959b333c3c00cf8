use std::ops::Range;

use burn::tensor::{Device, Tensor, TensorData};

use crate::decoder::{RopePairing, RopeSpec};

/// Cosines and sines of a run of positions, computed in f64: [tokens, 1, half of the turned numbers].
pub(super) struct Rotation {
    pairing: RopePairing,
    cos: Tensor<3>,
    sin: Tensor<3>,
}

impl Rotation {
    pub(super) fn new(rope: &RopeSpec, positions: Range<usize>, device: &Device) -> Self {
        let (tokens, half) = (positions.len(), rope.frequencies.len());
        let table = |turn: fn(f64) -> f64| {
            let angles = positions.clone().flat_map(|at| rope.frequencies.iter().map(move |f| at as f64 * f));
            let values: Vec<f32> =
                angles.map(|angle| (turn(angle) * f64::from(rope.magnitude)) as f32).collect();
            Tensor::from_data(TensorData::new(values, [tokens, 1, half]), device)
        };
        Self { pairing: rope.pairing, cos: table(f64::cos), sin: table(f64::sin) }
    }

    /// Turns [tokens, heads, head]; numbers of a head beyond the turned ones stay.
    pub(super) fn apply(&self, x: Tensor<3>) -> Tensor<3> {
        let [tokens, heads, head] = x.dims();
        let [_, _, half] = self.cos.dims();
        let turned = x.clone().slice([0..tokens, 0..heads, 0..2 * half]);
        let (first, second) = match self.pairing {
            RopePairing::Halves => {
                let part = |start: usize| turned.clone().slice([0..tokens, 0..heads, start..start + half]);
                (part(0), part(half))
            }
            RopePairing::Adjacent => {
                let pairs = turned.reshape([tokens, heads, half, 2]);
                let part = |which: usize| {
                    let numbers = pairs.clone().slice([0..tokens, 0..heads, 0..half, which..which + 1]);
                    numbers.reshape([tokens, heads, half])
                };
                (part(0), part(1))
            }
        };
        let (cos, sin) = (self.cos.clone(), self.sin.clone());
        let new_first = first.clone() * cos.clone() - second.clone() * sin.clone();
        let new_second = second * cos + first * sin;
        let turned = match self.pairing {
            RopePairing::Halves => Tensor::cat(vec![new_first, new_second], 2),
            RopePairing::Adjacent => {
                Tensor::stack::<4>(vec![new_first, new_second], 3).reshape([tokens, heads, 2 * half])
            }
        };
        if 2 * half == head {
            return turned;
        }
        Tensor::cat(vec![turned, x.slice([0..tokens, 0..heads, 2 * half..head])], 2)
    }
}
