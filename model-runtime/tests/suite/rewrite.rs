//! Rewrites a Hugging Face folder as the GGUF file that llama.cpp's converter makes of it: names, keys, Llama's order of rows, Gemma's
//! norms. Written from the formats' descriptions and sharing no code with the crate's readers.

use std::path::Path;

use half::{bf16, f16};
use model_runtime::decoder::BlockKind;
use safetensors::{Dtype, SafeTensors};
use serde_json::Value;

use super::tiny::{File, Meta, Weights};

pub fn as_gguf(folder: &Path) -> File {
    let config: Value = serde_json::from_slice(&std::fs::read(folder.join("config.json")).unwrap()).unwrap();
    let family = match config["architectures"][0].as_str().unwrap() {
        "LlamaForCausalLM" => "llama",
        "Qwen2ForCausalLM" => "qwen2",
        "Qwen3ForCausalLM" => "qwen3",
        "Gemma3ForCausalLM" => "gemma3",
        other => panic!("{other} has no GGUF form here"),
    };
    let mut file = File::default();
    file.meta("general.architecture", Meta::Text(family.into()));
    metadata(&mut file, family, &config);
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "safetensors") {
            tensors(&mut file, family, &config, &std::fs::read(path).unwrap());
        }
    }
    file
}

fn metadata(file: &mut File, family: &str, config: &Value) {
    let mut number = |key: &str, value: &Value| {
        if let Some(value) = value.as_u64() {
            file.meta(&format!("{family}.{key}"), Meta::U32(value as u32));
        }
    };
    number("block_count", &config["num_hidden_layers"]);
    number("embedding_length", &config["hidden_size"]);
    number("feed_forward_length", &config["intermediate_size"]);
    number("attention.head_count", &config["num_attention_heads"]);
    number("attention.head_count_kv", &config["num_key_value_heads"]);
    number("context_length", &config["max_position_embeddings"]);
    number("attention.key_length", &config["head_dim"]);
    number("attention.sliding_window", &config["sliding_window"]);
    if family == "gemma3" {
        // The tiny model's one global layer is the third of four, which a pattern of 3 gives.
        number("attention.sliding_window_pattern", &Value::from(3));
    }
    let mut float = |key: &str, value: &Value| {
        if let Some(value) = value.as_f64() {
            file.meta(&format!("{family}.{key}"), Meta::F32(value as f32));
        }
    };
    float("attention.layer_norm_rms_epsilon", &config["rms_norm_eps"]);
    float("final_logit_softcapping", &config["final_logit_softcapping"]);
    let rope = &config["rope_parameters"];
    let rope = if family == "gemma3" { &rope["full_attention"] } else { rope };
    float("rope.freq_base", &rope["rope_theta"]);
    if rope["rope_type"] == "linear" {
        float("rope.scaling.factor", &rope["factor"]);
        file.meta(&format!("{family}.rope.scaling.type"), Meta::Text("linear".into()));
    }
    if rope["rope_type"] == "llama3" {
        let factors = llama3_factors(config, rope);
        let sizes = vec![factors.len()];
        file.tensors.push(Weights {
            name: "rope_freqs.weight".into(),
            sizes,
            kind: BlockKind::F32.into(),
            values: factors,
        });
    }
}

/// As llama.cpp's converter computes them.
fn llama3_factors(config: &Value, rope: &Value) -> Vec<f32> {
    let of = |key: &str| rope[key].as_f64().unwrap();
    let dims = config["head_dim"].as_u64().unwrap_or_else(|| {
        config["hidden_size"].as_u64().unwrap() / config["num_attention_heads"].as_u64().unwrap()
    });
    let old = of("original_max_position_embeddings");
    let (low_wavelength, high_wavelength) = (old / of("low_freq_factor"), old / of("high_freq_factor"));
    let factor = |i: u64| {
        let wavelength = std::f64::consts::TAU * of("rope_theta").powf(2.0 * i as f64 / dims as f64);
        if wavelength < high_wavelength {
            1.0
        } else if wavelength > low_wavelength {
            of("factor")
        } else {
            let smooth =
                (old / wavelength - of("low_freq_factor")) / (of("high_freq_factor") - of("low_freq_factor"));
            1.0 / ((1.0 - smooth) / of("factor") + smooth)
        }
    };
    (0..dims / 2).map(|i| factor(i) as f32).collect()
}

fn tensors(file: &mut File, family: &str, config: &Value, bytes: &[u8]) {
    for (name, tensor) in SafeTensors::deserialize(bytes).unwrap().tensors() {
        let name = gguf_name(&name, family);
        let mut values: Vec<f32> = match tensor.dtype() {
            Dtype::BF16 => {
                tensor.data().chunks(2).map(|b| bf16::from_le_bytes([b[0], b[1]]).to_f32()).collect()
            }
            Dtype::F16 => {
                tensor.data().chunks(2).map(|b| f16::from_le_bytes([b[0], b[1]]).to_f32()).collect()
            }
            _ => tensor.data().chunks(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect(),
        };
        let heads = |key: &str| config[key].as_u64().unwrap() as usize;
        if family == "gemma3" && name.ends_with("norm.weight") {
            values.iter_mut().for_each(|value| *value += 1.0);
        }
        if family == "gemma3" && name.ends_with("attn_q_norm.weight") {
            // Scores in GGUF are scaled by the head's width always; the tiny model's other scale goes to its queries.
            let number = |key: &str| config[key].as_f64().unwrap();
            let scale = (number("head_dim") / number("query_pre_attn_scalar")).sqrt() as f32;
            values.iter_mut().for_each(|value| *value *= scale);
        }
        if family == "llama" && name.ends_with("attn_q.weight") {
            values = interleaved(&values, heads("num_attention_heads"), tensor.shape()[1]);
        }
        if family == "llama" && name.ends_with("attn_k.weight") {
            values = interleaved(&values, heads("num_key_value_heads"), tensor.shape()[1]);
        }
        let sizes = tensor.shape().iter().rev().copied().collect();
        file.tensors.push(Weights { name, sizes, kind: BlockKind::F32.into(), values });
    }
}

/// Rows 0, d/2, 1, d/2 + 1, ... of each head.
fn interleaved(values: &[f32], heads: usize, width: usize) -> Vec<f32> {
    let head_rows = values.len() / width / heads;
    let row = |row: usize| &values[row * width..(row + 1) * width];
    let order = (0..heads)
        .flat_map(|head| (0..head_rows).map(move |i| head * head_rows + i / 2 + i % 2 * (head_rows / 2)));
    order.flat_map(|from| row(from).to_vec()).collect()
}

fn gguf_name(name: &str, family: &str) -> String {
    let Some(rest) = name.strip_prefix("model.layers.") else {
        return match name {
            "model.embed_tokens.weight" => "token_embd.weight".into(),
            "model.norm.weight" => "output_norm.weight".into(),
            "lm_head.weight" => "output.weight".into(),
            other => panic!("{other}"),
        };
    };
    let (layer, rest) = rest.split_once('.').unwrap();
    let (part, ending) = rest.rsplit_once('.').unwrap();
    let part = match part {
        "input_layernorm" => "attn_norm",
        "self_attn.q_proj" => "attn_q",
        "self_attn.k_proj" => "attn_k",
        "self_attn.v_proj" => "attn_v",
        "self_attn.o_proj" => "attn_output",
        "self_attn.q_norm" => "attn_q_norm",
        "self_attn.k_norm" => "attn_k_norm",
        "post_attention_layernorm" if family == "gemma3" => "post_attention_norm",
        "post_attention_layernorm" | "pre_feedforward_layernorm" => "ffn_norm",
        "post_feedforward_layernorm" => "post_ffw_norm",
        "mlp.gate_proj" => "ffn_gate",
        "mlp.up_proj" => "ffn_up",
        "mlp.down_proj" => "ffn_down",
        other => panic!("{other}"),
    };
    format!("blk.{layer}.{part}.{ending}")
}
