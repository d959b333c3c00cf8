//! Writes small GGUF files: a Llama with random weights that a seed decides, and a byte-level tokenizer.

use half::{bf16, f16};
use model_runtime::decoder::BlockKind;
use model_runtime::weights::blocks::TensorType;

/// Metadata of a file.
#[derive(Clone, Debug)]
pub enum Meta {
    U32(u32),
    F32(f32),
    Bool(bool),
    Text(String),
    Texts(Vec<String>),
    I32s(Vec<i32>),
    F32s(Vec<f32>),
}

/// A tensor before it is written: sizes with the fastest running first, values in row order.
#[derive(Clone, Debug)]
pub struct Weights {
    pub name: String,
    pub sizes: Vec<usize>,
    pub kind: TensorType,
    pub values: Vec<f32>,
}

/// A file before it is written.
#[derive(Clone, Debug, Default)]
pub struct File {
    pub meta: Vec<(String, Meta)>,
    pub tensors: Vec<Weights>,
}

impl File {
    pub fn meta(&mut self, key: &str, value: Meta) {
        self.meta.retain(|(other, _)| other != key);
        self.meta.push((key.to_owned(), value));
    }

    pub fn tensor(&mut self, name: &str) -> &mut Weights {
        self.tensors.iter_mut().find(|tensor| tensor.name == name).unwrap()
    }

    pub fn bytes(&self) -> Vec<u8> {
        let mut out = b"GGUF".to_vec();
        out.extend(3_u32.to_le_bytes());
        out.extend((self.tensors.len() as u64).to_le_bytes());
        out.extend((self.meta.len() as u64).to_le_bytes());
        for (key, value) in &self.meta {
            text(&mut out, key);
            write_meta(&mut out, value);
        }
        let mut data = Vec::new();
        for tensor in &self.tensors {
            text(&mut out, &tensor.name);
            out.extend((tensor.sizes.len() as u32).to_le_bytes());
            tensor.sizes.iter().for_each(|size| out.extend((*size as u64).to_le_bytes()));
            out.extend(id(tensor.kind).to_le_bytes());
            out.extend((data.len() as u64).to_le_bytes());
            data.extend(tensor.kind.known().map_or_else(Vec::new, |kind| encode(kind, &tensor.values)));
            data.resize(data.len().next_multiple_of(32), 0);
        }
        out.resize(out.len().next_multiple_of(32), 0);
        out.extend(data);
        out
    }

    /// Writes the file into a folder that lives as long as the answer.
    pub fn on_disk(&self) -> (tempfile::TempDir, std::path::PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tiny.gguf");
        std::fs::write(&path, self.bytes()).unwrap();
        (folder, path)
    }
}

fn text(out: &mut Vec<u8>, text: &str) {
    out.extend((text.len() as u64).to_le_bytes());
    out.extend(text.as_bytes());
}

fn write_meta(out: &mut Vec<u8>, value: &Meta) {
    let mut kind = |id: u32| out.extend(id.to_le_bytes());
    match value {
        Meta::U32(number) => {
            kind(4);
            out.extend(number.to_le_bytes());
        }
        Meta::F32(number) => {
            kind(6);
            out.extend(number.to_le_bytes());
        }
        Meta::Bool(flag) => {
            kind(7);
            out.push(u8::from(*flag));
        }
        Meta::Text(value) => {
            kind(8);
            text(out, value);
        }
        Meta::Texts(values) => {
            kind(9);
            kind_of_list(out, 8, values.len());
            values.iter().for_each(|value| text(out, value));
        }
        Meta::I32s(values) => {
            kind(9);
            kind_of_list(out, 5, values.len());
            values.iter().for_each(|value| out.extend(value.to_le_bytes()));
        }
        Meta::F32s(values) => {
            kind(9);
            kind_of_list(out, 6, values.len());
            values.iter().for_each(|value| out.extend(value.to_le_bytes()));
        }
    }
}

fn kind_of_list(out: &mut Vec<u8>, kind: u32, count: usize) {
    out.extend(kind.to_le_bytes());
    out.extend((count as u64).to_le_bytes());
}

fn id(kind: TensorType) -> u32 {
    match kind {
        TensorType::Known(kind) => kind.gguf_id(),
        TensorType::Other(id) => id,
    }
}

/// Rounds values to a type's blocks, the plain way.
pub fn encode(kind: BlockKind, values: &[f32]) -> Vec<u8> {
    match kind {
        BlockKind::F32 => values.iter().flat_map(|value| value.to_le_bytes()).collect(),
        BlockKind::F16 => values.iter().flat_map(|value| f16::from_f32(*value).to_le_bytes()).collect(),
        BlockKind::BF16 => values.iter().flat_map(|value| bf16::from_f32(*value).to_le_bytes()).collect(),
        BlockKind::Q8_0 => values.chunks(32).flat_map(q8_0).collect(),
        BlockKind::Q4_0 => values.chunks(32).flat_map(q4_0).collect(),
        BlockKind::Q4_1 => values.chunks(32).flat_map(q4_1).collect(),
        _ => unreachable!("tests write no other type"),
    }
}

fn q8_0(block: &[f32]) -> Vec<u8> {
    let scale = f16::from_f32(block.iter().fold(0.0, |max: f32, value| max.max(value.abs())) / 127.0);
    let quants = block.iter().map(|value| ((value / scale.to_f32()).round() as i8).cast_unsigned());
    scale.to_le_bytes().into_iter().chain(quants).collect()
}

fn q4_0(block: &[f32]) -> Vec<u8> {
    let scale = f16::from_f32(block.iter().fold(0.0, |max: f32, value| max.max(value.abs())) / 7.0);
    let quants: Vec<u8> = block.iter().map(|value| ((value / scale.to_f32()).round() + 8.0) as u8).collect();
    scale.to_le_bytes().into_iter().chain(packed(&quants)).collect()
}

fn q4_1(block: &[f32]) -> Vec<u8> {
    let minimum = block.iter().copied().fold(f32::INFINITY, f32::min);
    let maximum = block.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let (scale, minimum) = (f16::from_f32((maximum - minimum) / 15.0), f16::from_f32(minimum));
    let quant = |value: &f32| ((value - minimum.to_f32()) / scale.to_f32()).round().clamp(0.0, 15.0) as u8;
    let quants: Vec<u8> = block.iter().map(quant).collect();
    scale.to_le_bytes().into_iter().chain(minimum.to_le_bytes()).chain(packed(&quants)).collect()
}

fn packed(quants: &[u8]) -> Vec<u8> {
    (0..16).map(|i| quants[i] | quants[i + 16] << 4).collect()
}

/// Numbers a seed decides, from -1 to 1.
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub fn next(&mut self) -> f32 {
        // xorshift64*
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let bits = self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 40;
        bits as f32 / (1_u64 << 23) as f32 - 1.0
    }

    pub fn values(&mut self, count: usize, size: f32) -> Vec<f32> {
        (0..count).map(|_| self.next() * size).collect()
    }
}

/// Sizes of a small Llama.
#[derive(Clone, Copy, Debug)]
pub struct Sizes {
    pub layers: usize,
    pub hidden: usize,
    pub feed_forward: usize,
    pub heads: usize,
    pub kv_heads: usize,
    pub context: u32,
}

pub const SIZES: Sizes =
    Sizes { layers: 2, hidden: 64, feed_forward: 96, heads: 4, kv_heads: 2, context: 2048 };

/// Bytes, a few merges, and control tokens.
pub const END: u32 = 0;
pub const VOCABULARY: usize = 288;

/// A small Llama with tied embeddings whose matrices are stored as `kind`. It never ends an answer by itself.
pub fn llama(seed: u64, kind: BlockKind, sizes: Sizes) -> File {
    let mut file = File::default();
    let Sizes { layers, hidden, feed_forward, heads, kv_heads, context } = sizes;
    file.meta("general.architecture", Meta::Text("llama".into()));
    for (key, value) in [
        ("llama.block_count", layers),
        ("llama.context_length", context as usize),
        ("llama.embedding_length", hidden),
        ("llama.feed_forward_length", feed_forward),
        ("llama.attention.head_count", heads),
        ("llama.attention.head_count_kv", kv_heads),
    ] {
        file.meta(key, Meta::U32(value as u32));
    }
    file.meta("llama.rope.freq_base", Meta::F32(10_000.0));
    file.meta("llama.attention.layer_norm_rms_epsilon", Meta::F32(1e-5));
    tokenizer(&mut file);
    let mut random = Random::new(seed);
    let head = hidden / heads;
    let mut add = |name: String, sizes: &[usize], kind: BlockKind, size: f32, around: f32| {
        let values =
            random.values(sizes.iter().product(), size).into_iter().map(|value| value + around).collect();
        file.tensors.push(Weights { name, sizes: sizes.to_vec(), kind: kind.into(), values });
    };
    add("token_embd.weight".into(), &[hidden, VOCABULARY], kind, 1.0, 0.0);
    add("output_norm.weight".into(), &[hidden], BlockKind::F32, 0.3, 1.0);
    for layer in 0..layers {
        let named = |name: &str| format!("blk.{layer}.{name}.weight");
        add(named("attn_norm"), &[hidden], BlockKind::F32, 0.3, 1.0);
        add(named("ffn_norm"), &[hidden], BlockKind::F32, 0.3, 1.0);
        add(named("attn_q"), &[hidden, heads * head], kind, 0.4, 0.0);
        add(named("attn_k"), &[hidden, kv_heads * head], kind, 0.4, 0.0);
        add(named("attn_v"), &[hidden, kv_heads * head], kind, 0.2, 0.0);
        add(named("attn_output"), &[heads * head, hidden], kind, 0.2, 0.0);
        add(named("ffn_gate"), &[hidden, feed_forward], kind, 0.2, 0.0);
        add(named("ffn_up"), &[hidden, feed_forward], kind, 0.2, 0.0);
        add(named("ffn_down"), &[feed_forward, hidden], kind, 0.2, 0.0);
    }
    file
}

/// Token 0 ends, token 1 begins a turn, then every byte, then merges and fillers.
fn tokenizer(file: &mut File) {
    let mut tokens = vec!["<|end|>".to_owned(), "<|turn|>".to_owned()];
    tokens.extend((0..=255).map(|byte| byte_character(byte).to_string()));
    let merges = ["h e", "l l", "he ll", "hell o", "Ġ w", "o r"];
    tokens.extend(merges.map(|merge| merge.replace(' ', "")));
    while tokens.len() < VOCABULARY {
        tokens.push(format!("<filler{}>", tokens.len()));
    }
    let kinds = (0..tokens.len()).map(|id| if id < 2 { 3 } else { 1 }).collect();
    file.meta("tokenizer.ggml.model", Meta::Text("gpt2".into()));
    file.meta("tokenizer.ggml.pre", Meta::Text("smollm".into()));
    file.meta("tokenizer.ggml.tokens", Meta::Texts(tokens));
    file.meta("tokenizer.ggml.token_type", Meta::I32s(kinds));
    file.meta("tokenizer.ggml.merges", Meta::Texts(merges.map(str::to_owned).to_vec()));
    file.meta("tokenizer.ggml.eos_token_id", Meta::U32(END));
    file.meta("tokenizer.ggml.add_bos_token", Meta::Bool(false));
    let template = "{% for m in messages %}<|turn|>{{ m.role }}: {{ m.content }}\n{% endfor %}<|turn|>";
    file.meta("tokenizer.chat_template", Meta::Text(template.into()));
}

/// GPT-2's character for a byte, built as its authors describe it.
fn byte_character(byte: u8) -> char {
    let stays = |byte: u8| matches!(byte, b'!'..=b'~' | 0xa1..=0xac | 0xae..=0xff);
    if stays(byte) {
        return char::from(byte);
    }
    let before = (0..byte).filter(|other| !stays(*other)).count() as u32;
    char::from_u32(0x100 + before).unwrap()
}
