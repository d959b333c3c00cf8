//! One pass: the formula of [`crate::decoder`], line by line.

use super::{Buffers, CpuModel};
use crate::decoder::{ForwardError, LayerWeights, Model, Part, Rows, Step};
use crate::kernels::positions::{Placing, place};
use crate::kernels::product::multiply;
use crate::kernels::rows::{Norm, add, gate, norm};
use crate::kernels::team::Turn;
use crate::kernels::{Activations, AttentionShape, Isa, PackedMatrix, PartRows, attention::attend};

impl Model for CpuModel {
    fn forward(&mut self, step: &Step<'_>) -> Result<Rows<'_>, ForwardError> {
        self.check(step.parts)?;
        let team = self.team.clone();
        let mut turn = team.enter();
        let parts = part_rows(step.parts);
        self.embed(step.parts);
        self.turn_angles(step.parts);
        for layer in 0..self.weights.layers.len() {
            self.attention(&mut turn, layer, &parts);
            self.feed_forward(&mut turn, layer);
        }
        self.output(&mut turn, step.parts);
        let (vocabulary, hidden_width) = (self.spec.vocabulary, self.spec.hidden);
        let logits = &self.buffers.logits;
        Ok(if step.hidden {
            let hidden = self.buffers.input.values();
            Rows { vocabulary, logits, hidden_width, hidden, places: &[] }
        } else {
            Rows { vocabulary, logits, hidden_width: 0, hidden: &[], places: &[] }
        })
    }

    /// Copies: the rows are what the output matrix was multiplied with.
    fn take_hidden(&mut self, mut emptied: Vec<f32>) -> Vec<f32> {
        emptied.clear();
        emptied.extend_from_slice(self.buffers.input.values());
        emptied
    }
}

fn part_rows<'a>(parts: &[Part<'a>]) -> Vec<PartRows<'a>> {
    let mut row = 0;
    let mut next = |part: &Part<'a>| {
        let rows = PartRows { pages: part.pages, start: part.start, tokens: part.tokens.len(), row };
        row += rows.tokens;
        rows
    };
    parts.iter().map(&mut next).collect()
}

impl CpuModel {
    fn check(&self, parts: &[Part<'_>]) -> Result<(), ForwardError> {
        let (vocabulary, context_max) = (self.spec.vocabulary, self.spec.context_max);
        for part in parts {
            let positions = part.start + part.tokens.len();
            if positions > context_max {
                return Err(ForwardError::Context { positions, context_max });
            }
            if !self.cache.covers(part.pages, positions) {
                return Err(ForwardError::Pages { positions });
            }
            if let Some(&token) = part.tokens.iter().find(|token| **token as usize >= vocabulary) {
                return Err(ForwardError::UnknownToken { token, vocabulary });
            }
        }
        Ok(())
    }

    fn embed(&mut self, parts: &[Part<'_>]) {
        let Buffers { x, .. } = &mut self.buffers;
        let tokens: usize = parts.iter().map(|part| part.tokens.len()).sum();
        x.resize(tokens * self.spec.hidden, 0.0);
        let all = parts.iter().flat_map(|part| part.tokens);
        for (token, row) in all.zip(x.chunks_exact_mut(self.spec.hidden)) {
            self.weights.embedding.read_row(*token as usize, row);
            if self.spec.embedding_scale != 1.0 {
                row.iter_mut().for_each(|value| *value *= self.spec.embedding_scale);
            }
        }
    }

    fn turn_angles(&mut self, parts: &[Part<'_>]) {
        self.buffers.turns.resize_with(self.ropes.len(), Default::default);
        for (rope, turns) in self.ropes.iter().zip(&mut self.buffers.turns) {
            turns.fill(rope, parts.iter().flat_map(|part| part.start..part.start + part.tokens.len()));
        }
    }

    fn attention(&mut self, turn: &mut Turn<'_>, layer: usize, parts: &[PartRows<'_>]) {
        let Self { spec, weights, cache, isa, buffers, .. } = self;
        let Buffers { x, input, output, turns, .. } = buffers;
        let (index, isa) = (layer, *isa);
        let layer: &LayerWeights<PackedMatrix> = &weights.layers[index];
        let epsilon = spec.norm_epsilon;
        let tokens = x.len() / spec.hidden;
        let before = Norm { weight: &layer.attention_norm, epsilon };
        norm(turn, isa, before, x, input.rows(tokens, spec.hidden));
        product(turn, isa, input, &[&layer.q, &layer.k, &layer.v], output);
        let placing = Placing {
            heads: spec.heads,
            biases: [layer.q_bias.as_deref(), layer.k_bias.as_deref(), layer.v_bias.as_deref()],
            norms: [layer.q_norm.as_deref(), layer.k_norm.as_deref()],
            epsilon,
            turns: &turns[self.rope_of_layer[index]],
            pairing: spec.layers[index].rope.pairing,
        };
        place(turn, isa, (cache, index), placing, parts, output);
        let shape = AttentionShape {
            heads: spec.heads,
            query_stride: (spec.heads + 2 * spec.kv_heads) * spec.head_dim,
            scale: spec.attention_scale,
            window: spec.layers[index].window,
        };
        attend(
            turn,
            isa,
            (cache, index),
            shape,
            parts,
            output,
            input.rows(tokens, spec.heads * spec.head_dim),
        );
        product(turn, isa, input, &[&layer.o], output);
        let after = layer.post_attention_norm.as_deref().map(|weight| Norm { weight, epsilon });
        add(turn, isa, after, spec.hidden, output, x);
    }

    fn feed_forward(&mut self, turn: &mut Turn<'_>, layer: usize) {
        let Self { spec, weights, isa, buffers, .. } = self;
        let Buffers { x, input, output, .. } = buffers;
        let (layer, isa, epsilon) = (&weights.layers[layer], *isa, spec.norm_epsilon);
        let tokens = x.len() / spec.hidden;
        let before = Norm { weight: &layer.feed_forward_norm, epsilon };
        norm(turn, isa, before, x, input.rows(tokens, spec.hidden));
        product(turn, isa, input, &[&layer.gate, &layer.up], output);
        let width = spec.feed_forward;
        gate(turn, isa, spec.activation, width, output, input.rows(tokens, width));
        product(turn, isa, input, &[&layer.down], output);
        let after = layer.post_feed_forward_norm.as_deref().map(|weight| Norm { weight, epsilon });
        add(turn, isa, after, spec.hidden, output, x);
    }

    /// Logits of the rows that were asked for; the normed rows stay in `input`.
    fn output(&mut self, turn: &mut Turn<'_>, parts: &[Part<'_>]) {
        let Self { spec, weights, isa, buffers, .. } = self;
        let Buffers { x, input, output, logits, .. } = buffers;
        let width = spec.hidden;
        output.clear();
        let mut row = 0;
        for part in parts {
            let end = row + part.tokens.len();
            output.extend_from_slice(&x[(row + part.rows_from.min(part.tokens.len())) * width..end * width]);
            row = end;
        }
        let rows = output.len() / width;
        let last = Norm { weight: &weights.output_norm, epsilon: spec.norm_epsilon };
        norm(turn, *isa, last, output, input.rows(rows, width));
        product(turn, *isa, input, &[weights.output.as_ref().unwrap_or(&weights.embedding)], logits);
        if let Some(cap) = spec.final_logit_softcap {
            logits.iter_mut().for_each(|logit| *logit = cap * (*logit / cap).tanh());
        }
    }
}

fn product(
    turn: &mut Turn<'_>,
    isa: Isa,
    input: &mut Activations,
    matrices: &[&PackedMatrix],
    output: &mut Vec<f32>,
) {
    if matrices.iter().any(|matrix| matrix.is_quantized()) {
        input.quantize(turn, isa);
    }
    multiply(turn, isa, input, matrices, output);
}
