//! BERT: absolute positions, attention in both directions, norms after each half of a layer.

use burn::tensor::activation::{gelu, softmax};
use burn::tensor::{Device, Int, Tensor, TensorData};
use serde::Deserialize;
use serde_json::Value;

use crate::families::FamilyError;
use crate::weights::safetensors::Safetensors;

/// Sizes of a BERT, checked.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BertConfig {
    /// Number of layers.
    pub layers: usize,
    /// Width between layers.
    pub hidden: usize,
    /// Width inside of the feed-forward.
    pub feed_forward: usize,
    /// Heads.
    pub heads: usize,
    /// Number of tokens.
    pub vocabulary: usize,
    /// Positions.
    pub positions: usize,
    /// Rows of the embedding of token types, of which the first is used.
    pub types: usize,
    /// Added to the variance before its root.
    pub norm_epsilon: f64,
}

#[derive(Deserialize)]
struct Json {
    architectures: Vec<String>,
    hidden_act: String,
    num_hidden_layers: usize,
    hidden_size: usize,
    intermediate_size: usize,
    num_attention_heads: usize,
    vocab_size: usize,
    max_position_embeddings: usize,
    type_vocab_size: usize,
    layer_norm_eps: f64,
    position_embedding_type: Option<String>,
}

impl BertConfig {
    /// # Errors
    /// When a field is missing or makes no sense, or the model is another.
    pub fn from_json(config: &Value) -> Result<Self, FamilyError> {
        let json = Json::deserialize(config)?;
        if !json.architectures.iter().any(|name| name == "BertModel") {
            return Err(FamilyError::Unknown(json.architectures.join(", ")));
        }
        if json.hidden_act != "gelu" {
            return Err(FamilyError::Feature(format!("the activation {:?}", json.hidden_act)));
        }
        if let Some(kind) = json.position_embedding_type.filter(|kind| kind != "absolute") {
            return Err(FamilyError::Feature(format!("positions of the kind {kind:?}")));
        }
        const SIZE_MAX: usize = 1 << 28;
        let sizes = [
            ("number of layers", json.num_hidden_layers, 1 << 10),
            ("width", json.hidden_size, SIZE_MAX),
            ("feed-forward width", json.intermediate_size, SIZE_MAX),
            ("number of heads", json.num_attention_heads, json.hidden_size),
            ("vocabulary", json.vocab_size, SIZE_MAX),
            ("number of positions", json.max_position_embeddings, SIZE_MAX),
            ("number of token types", json.type_vocab_size, SIZE_MAX),
        ];
        for (what, value, limit) in sizes {
            if !(1..=limit).contains(&value) {
                return Err(FamilyError::Configuration { what: what.to_owned(), value: value.to_string() });
            }
        }
        if !json.hidden_size.is_multiple_of(json.num_attention_heads) {
            let value = json.num_attention_heads.to_string();
            return Err(FamilyError::Configuration { what: "number of heads".to_owned(), value });
        }
        Ok(Self {
            layers: json.num_hidden_layers,
            hidden: json.hidden_size,
            feed_forward: json.intermediate_size,
            heads: json.num_attention_heads,
            vocabulary: json.vocab_size,
            positions: json.max_position_embeddings,
            types: json.type_vocab_size,
            norm_epsilon: json.layer_norm_eps,
        })
    }
}

#[derive(Debug)]
pub(super) struct Bert {
    config: BertConfig,
    device: Device,
    words: Tensor<2>,
    /// Positions, with the first token type added.
    positions: Tensor<2>,
    norm: Norm,
    layers: Vec<Layer>,
}

#[derive(Debug)]
struct Layer {
    query: Linear,
    key: Linear,
    value: Linear,
    attended: Linear,
    attention_norm: Norm,
    up: Linear,
    down: Linear,
    norm: Norm,
}

#[derive(Debug)]
struct Linear {
    /// [input, output].
    weight: Tensor<2>,
    bias: Tensor<2>,
}

#[derive(Debug)]
struct Norm {
    weight: Tensor<2>,
    bias: Tensor<2>,
    epsilon: f64,
}

impl Linear {
    fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        x.matmul(self.weight.clone()) + self.bias.clone()
    }
}

impl Norm {
    fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        let centred = x.clone() - x.mean_dim(1);
        let variance = centred.clone().square().mean_dim(1);
        centred * variance.add_scalar(self.epsilon).sqrt().recip() * self.weight.clone() + self.bias.clone()
    }
}

impl Bert {
    pub(super) fn load(
        config: BertConfig,
        tensors: &Safetensors,
        device: &Device,
    ) -> Result<Self, FamilyError> {
        let prefix = if tensors.has_tensor("bert.embeddings.word_embeddings.weight") { "bert." } else { "" };
        let reader = Reader { tensors, prefix, device, epsilon: config.norm_epsilon };
        let BertConfig { hidden, vocabulary, types, .. } = config;
        let kind =
            reader.matrix("embeddings.token_type_embeddings.weight", types, hidden)?.slice([0..1, 0..hidden]);
        let positions = reader.matrix("embeddings.position_embeddings.weight", config.positions, hidden)?;
        Ok(Self {
            words: reader.matrix("embeddings.word_embeddings.weight", vocabulary, hidden)?,
            positions: positions + kind,
            norm: reader.norm("embeddings.LayerNorm", hidden)?,
            layers: (0..config.layers).map(|index| reader.layer(&config, index)).collect::<Result<_, _>>()?,
            device: device.clone(),
            config,
        })
    }

    pub(super) fn config(&self) -> &BertConfig {
        &self.config
    }

    /// [tokens, hidden], row by row. There must be 1 to `positions` tokens, all below the vocabulary's size.
    pub(super) fn forward(&self, tokens: &[u32]) -> Vec<f32> {
        let BertConfig { hidden, heads, .. } = self.config;
        let ids: Vec<i32> = tokens.iter().map(|token| token.cast_signed()).collect();
        let ids = Tensor::<1, Int>::from_data(TensorData::new(ids, [tokens.len()]), &self.device);
        let positions = self.positions.clone().slice([0..tokens.len(), 0..hidden]);
        let x = self.norm.forward(self.words.clone().select(0, ids) + positions);
        let x = self.layers.iter().fold(x, |x, layer| layer.forward(x, heads));
        x.into_data().try_into_vec().expect("all tensors of this model are f32")
    }
}

impl Layer {
    fn forward(&self, x: Tensor<2>, heads: usize) -> Tensor<2> {
        let [tokens, hidden] = x.dims();
        let head = hidden / heads;
        let split = |x: Tensor<2>| x.reshape([tokens, heads, head]).swap_dims(0, 1);
        let queries = split(self.query.forward(x.clone()).div_scalar((head as f32).sqrt()));
        let keys = split(self.key.forward(x.clone()));
        let values = split(self.value.forward(x.clone()));
        let mixed = softmax(queries.matmul(keys.swap_dims(1, 2)), 2).matmul(values);
        let mixed = mixed.swap_dims(0, 1).reshape([tokens, hidden]);
        let x = self.attention_norm.forward(x + self.attended.forward(mixed));
        let inner = gelu(self.up.forward(x.clone()));
        self.norm.forward(x + self.down.forward(inner))
    }
}

struct Reader<'a> {
    tensors: &'a Safetensors,
    prefix: &'static str,
    device: &'a Device,
    epsilon: f64,
}

impl Reader<'_> {
    fn layer(&self, config: &BertConfig, index: usize) -> Result<Layer, FamilyError> {
        let BertConfig { hidden, feed_forward, .. } = *config;
        let named = |name: &str| format!("encoder.layer.{index}.{name}");
        let linear = |name: &str, rows, columns| self.linear(&named(name), rows, columns);
        Ok(Layer {
            query: linear("attention.self.query", hidden, hidden)?,
            key: linear("attention.self.key", hidden, hidden)?,
            value: linear("attention.self.value", hidden, hidden)?,
            attended: linear("attention.output.dense", hidden, hidden)?,
            attention_norm: self.norm(&named("attention.output.LayerNorm"), hidden)?,
            up: linear("intermediate.dense", feed_forward, hidden)?,
            down: linear("output.dense", hidden, feed_forward)?,
            norm: self.norm(&named("output.LayerNorm"), hidden)?,
        })
    }

    fn linear(&self, name: &str, rows: usize, columns: usize) -> Result<Linear, FamilyError> {
        let weight = self.matrix(&format!("{name}.weight"), rows, columns)?.transpose();
        Ok(Linear { weight, bias: self.row(&format!("{name}.bias"), rows)? })
    }

    fn norm(&self, name: &str, width: usize) -> Result<Norm, FamilyError> {
        let part = |ending: &str| self.row(&format!("{name}.{ending}"), width);
        Ok(Norm { weight: part("weight")?, bias: part("bias")?, epsilon: self.epsilon })
    }

    fn matrix(&self, name: &str, rows: usize, columns: usize) -> Result<Tensor<2>, FamilyError> {
        self.tensor(name, &[rows, columns], [rows, columns])
    }

    /// A vector as [1, width].
    fn row(&self, name: &str, width: usize) -> Result<Tensor<2>, FamilyError> {
        self.tensor(name, &[width], [1, width])
    }

    fn tensor(&self, name: &str, expected: &[usize], shape: [usize; 2]) -> Result<Tensor<2>, FamilyError> {
        let name = format!("{}{name}", self.prefix);
        let view = self.tensors.tensor(&name)?;
        if view.dimensions != expected {
            let (expected, found) = (expected.to_vec(), view.dimensions.to_vec());
            return Err(FamilyError::Shape { name, expected, found });
        }
        Ok(Tensor::from_data(TensorData::new(view.kind.dequantize(view.bytes), shape), self.device))
    }
}
