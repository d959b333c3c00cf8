//! Keys and values of a request's tokens, one pair of tensors per layer, grown by doubling.

use burn::tensor::{Device, Tensor};

/// Positions the first allocation holds.
const TOKENS_FIRST: usize = 256;

/// Sizes of a cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CacheShape {
    /// Number of layers.
    pub layers: usize,
    /// Key and value heads.
    pub heads: usize,
    /// Width of a head.
    pub head: usize,
    /// Positions it may grow to.
    pub tokens_max: usize,
}

/// The cache of one request.
#[derive(Debug)]
pub struct KvCache {
    layers: Vec<LayerCache>,
    length: usize,
}

impl KvCache {
    pub(crate) fn new(shape: CacheShape, device: &Device) -> Self {
        let layer = || LayerCache { shape, device: device.clone(), length: 0, stored: None };
        Self { layers: (0..shape.layers).map(|_| layer()).collect(), length: 0 }
    }

    /// Number of positions held.
    #[must_use]
    pub fn len(&self) -> usize {
        self.length
    }

    /// Whether nothing is held yet.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// Layers that can take so many more positions.
    pub(crate) fn layers_for(&mut self, tokens: usize) -> &mut [LayerCache] {
        for layer in &mut self.layers {
            layer.length = self.length;
            layer.reserve(self.length + tokens);
        }
        &mut self.layers
    }

    pub(crate) fn advance(&mut self, tokens: usize) {
        self.length += tokens;
    }
}

/// Keys and values of one layer, [heads, capacity, head] each.
#[derive(Debug)]
pub(crate) struct LayerCache {
    shape: CacheShape,
    device: Device,
    length: usize,
    stored: Option<Stored>,
}

#[derive(Debug)]
struct Stored {
    keys: Tensor<3>,
    values: Tensor<3>,
}

impl LayerCache {
    fn reserve(&mut self, length: usize) {
        let capacity = self.stored.as_ref().map_or(0, |stored| stored.keys.dims()[1]);
        if length <= capacity {
            return;
        }
        let capacity = length.next_power_of_two().max(TOKENS_FIRST).min(self.shape.tokens_max.max(length));
        let empty = || Tensor::zeros([self.shape.heads, capacity, self.shape.head], &self.device);
        let kept = [0..self.shape.heads, 0..self.length, 0..self.shape.head];
        self.stored = Some(match self.stored.take() {
            None => Stored { keys: empty(), values: empty() },
            Some(Stored { keys, values }) => Stored {
                keys: empty().slice_assign(kept.clone(), keys.slice(kept.clone())),
                values: empty().slice_assign(kept.clone(), values.slice(kept)),
            },
        });
    }

    /// Appends [heads, tokens, head] and answers all keys and values so far.
    pub(crate) fn append(&mut self, keys: Tensor<3>, values: Tensor<3>) -> (Tensor<3>, Tensor<3>) {
        let [heads, tokens, head] = keys.dims();
        let end = self.length + tokens;
        let stored = self.stored.take().expect("layers_for reserved room");
        // Taken out first: a tensor nobody else holds is written in place.
        let new = [0..heads, self.length..end, 0..head];
        let keys = stored.keys.slice_assign(new.clone(), keys);
        let values = stored.values.slice_assign(new, values);
        let all = [0..heads, 0..end, 0..head];
        let seen = (keys.clone().slice(all.clone()), values.clone().slice(all));
        self.stored = Some(Stored { keys, values });
        seen
    }
}
