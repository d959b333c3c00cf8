//! Tokenizers of other families against the `tokenizers` library in Python, on random texts (`tests/vectors/make-tokenizers.py`), built
//! once from a `tokenizer.json` and once from a GGUF file's metadata.

use std::collections::BTreeMap;

use model_runtime::tokenizer::{Tokenizer, TokenizerError};
use model_runtime::weights::gguf::Gguf;
use serde::Deserialize;
use serde_json::{Value, json};

use super::tiny::{File, Meta};
use super::vectors;

#[derive(Deserialize)]
struct Vectors {
    tokenizer: Value,
    cases: Vec<(String, Vec<u32>)>,
}

fn vectors_of(name: &str) -> Vectors {
    let vectors: Vectors = vectors::json(&format!("tokenizers/{name}.json"));
    assert!(vectors.cases.len() >= 150);
    vectors
}

fn from_json(vectors: &Vectors) -> Tokenizer {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("tokenizer.json"), vectors.tokenizer.to_string()).unwrap();
    Tokenizer::from_folder(folder.path(), &json!({ "eos_token_id": [1, 2] })).unwrap()
}

/// Tokens by number, with their types: special ones are control tokens, other added ones user-defined.
fn listed(tokenizer: &Value) -> (Vec<String>, Vec<i32>) {
    let mut tokens = BTreeMap::new();
    for (text, id) in tokenizer["model"]["vocab"].as_object().unwrap() {
        let is_byte = text.len() == 6 && text.starts_with("<0x");
        let kind = if text == "<unk>" {
            2
        } else if is_byte {
            6
        } else {
            1
        };
        tokens.insert(id.as_u64().unwrap(), (text.clone(), kind));
    }
    for added in tokenizer["added_tokens"].as_array().unwrap() {
        let text = added["content"].as_str().unwrap();
        let kind = match (text, added["special"].as_bool().unwrap()) {
            ("<unk>", _) => 2,
            (_, true) => 3,
            (_, false) => 4,
        };
        // llama.cpp's converter writes the spaces of user-defined tokens as spaces.
        let text = if kind == 4 { text.replace('\u{2581}', " ") } else { text.to_owned() };
        tokens.insert(added["id"].as_u64().unwrap(), (text, kind));
    }
    tokens.into_values().unzip()
}

fn from_gguf(
    vectors: &Vectors,
    model: &str,
    pre: &str,
    change: impl Fn(&mut File),
) -> Result<Tokenizer, TokenizerError> {
    let (tokens, kinds) = listed(&vectors.tokenizer);
    let merges = vectors.tokenizer["model"]["merges"].as_array().unwrap();
    let merge = |pair: &Value| format!("{} {}", pair[0].as_str().unwrap(), pair[1].as_str().unwrap());
    let mut file = File::default();
    file.meta("tokenizer.ggml.model", Meta::Text(model.into()));
    file.meta("tokenizer.ggml.pre", Meta::Text(pre.into()));
    // SentencePiece's scores fall with the place of a token's first merge.
    let first_merge = |text: &String| {
        let joined = |pair: &Value| [pair[0].as_str().unwrap(), pair[1].as_str().unwrap()].concat() == *text;
        merges.iter().position(joined).unwrap_or(merges.len())
    };
    let scores = tokens.iter().map(|text| -(first_merge(text) as f32)).collect();
    file.meta("tokenizer.ggml.scores", Meta::F32s(scores));
    file.meta("tokenizer.ggml.merges", Meta::Texts(merges.iter().map(merge).collect()));
    if let Some(unknown) = tokens.iter().position(|text| text == "<unk>") {
        file.meta("tokenizer.ggml.unknown_token_id", Meta::U32(unknown as u32));
    }
    file.meta("tokenizer.ggml.tokens", Meta::Texts(tokens));
    file.meta("tokenizer.ggml.token_type", Meta::I32s(kinds));
    file.meta("tokenizer.ggml.add_bos_token", Meta::Bool(false));
    change(&mut file);
    Tokenizer::from_gguf(&Gguf::from_bytes(file.bytes()).unwrap())
}

fn assert_same(tokenizer: &Tokenizer, vectors: &Vectors, what: &str) {
    for (text, expected) in &vectors.cases {
        assert_eq!(&tokenizer.encode(text).unwrap(), expected, "{what}: {text:?}");
    }
}

#[test]
fn tokenizer_json_gives_the_libraries_tokens() {
    for name in ["llama3", "qwen3", "gemma3", "llama2"] {
        let vectors = vectors_of(name);
        let tokenizer = from_json(&vectors);
        assert_same(&tokenizer, &vectors, name);
        assert!(tokenizer.vocabulary().is_end(1) && tokenizer.vocabulary().is_end(2));
    }
}

#[test]
fn gguf_metadata_gives_the_libraries_tokens() {
    for (name, model, pre) in
        [("llama3", "gpt2", "llama-bpe"), ("qwen3", "gpt2", "qwen2"), ("llama2", "llama", "default")]
    {
        let vectors = vectors_of(name);
        assert_same(&from_gguf(&vectors, model, pre, |_| ()).unwrap(), &vectors, name);
    }
    let vectors = vectors_of("gemma3");
    let without_prefix = |file: &mut File| file.meta("tokenizer.ggml.add_space_prefix", Meta::Bool(false));
    assert_same(&from_gguf(&vectors, "llama", "default", without_prefix).unwrap(), &vectors, "gemma3");
}

#[test]
fn a_token_that_ends_turns_ends_answers_and_one_of_the_same_text_that_is_none_does_not() {
    let (mut gemma, llama) = (vectors_of("gemma3"), vectors_of("llama2"));
    let both =
        |vectors: &Vectors| [from_json(vectors), from_gguf(vectors, "llama", "default", |_| ()).unwrap()];
    for tokenizer in both(&llama) {
        assert!(tokenizer.vocabulary().is_end(1), "`</s>` is Llama 2's end");
    }
    for special in [true, false] {
        let added = gemma.tokenizer["added_tokens"].as_array_mut().unwrap();
        let turn_end = added.iter_mut().find(|token| token["content"] == "<end_of_turn>").unwrap();
        turn_end["special"] = special.into();
        for tokenizer in both(&gemma) {
            assert!(tokenizer.vocabulary().is_end(3), "`<end_of_turn>`, special: {special}");
            assert!(!tokenizer.vocabulary().is_end(12), "`</s>` is HTML in Gemma's vocabulary");
        }
    }
}

#[test]
fn the_bytes_of_the_tokens_are_the_text() {
    for (name, prefix) in [("llama3", ""), ("gemma3", ""), ("llama2", " ")] {
        let vectors = vectors_of(name);
        let (specials, _): (Vec<&Value>, Vec<&Value>) = vectors.tokenizer["added_tokens"]
            .as_array()
            .unwrap()
            .iter()
            .partition(|token| token["special"] == true);
        let has_special =
            |text: &str| specials.iter().any(|token| text.contains(token["content"].as_str().unwrap()));
        for tokenizer in [
            from_json(&vectors),
            from_gguf(&vectors, if name == "llama3" { "gpt2" } else { "llama" }, "llama-bpe", |_| ())
                .unwrap(),
        ] {
            let mut compared = 0;
            for (text, tokens) in
                vectors.cases.iter().filter(|(text, _)| !text.is_empty() && !has_special(text))
            {
                let bytes: Vec<u8> =
                    tokens.iter().flat_map(|token| tokenizer.vocabulary().bytes(*token)).copied().collect();
                assert_eq!(String::from_utf8_lossy(&bytes), [prefix, text].concat(), "{name}");
                compared += 1;
            }
            assert!(compared > 100);
        }
    }
}

#[test]
fn a_token_that_begins_texts_is_added_where_the_file_wants_it() {
    let vectors = vectors_of("llama3");
    let (tokens, _) = listed(&vectors.tokenizer);
    let bos = tokens.iter().position(|text| text == "<|begin_of_text|>").unwrap() as u32;
    let with = |add: Option<bool>| {
        let change = |file: &mut File| {
            file.meta("tokenizer.ggml.bos_token_id", Meta::U32(bos));
            file.meta.retain(|(key, _)| key != "tokenizer.ggml.add_bos_token");
            if let Some(add) = add {
                file.meta("tokenizer.ggml.add_bos_token", Meta::Bool(add));
            }
        };
        from_gguf(&vectors, "gpt2", "llama-bpe", change).unwrap().encode("a").unwrap()[0] == bos
    };
    assert!(with(Some(true)) && !with(Some(false)));
    assert!(with(None), "Llama 3 wants one where the file does not say");
}

#[test]
fn broken_vocabularies_are_refused() {
    let vectors = vectors_of("llama2");
    let refused = |change: &dyn Fn(&mut File)| from_gguf(&vectors, "llama", "default", change).unwrap_err();
    let few = |file: &mut File| file.meta("tokenizer.ggml.scores", Meta::F32s(vec![0.0]));
    assert!(matches!(refused(&few), TokenizerError::Inconsistent(_)));
    let beyond = |file: &mut File| file.meta("tokenizer.ggml.unknown_token_id", Meta::U32(1 << 20));
    assert!(matches!(refused(&beyond), TokenizerError::Inconsistent(_)));
    let other = |file: &mut File| file.meta("tokenizer.ggml.model", Meta::Text("t5".into()));
    assert!(matches!(refused(&other), TokenizerError::Unsupported { .. }));
    let vectors = vectors_of("llama3");
    let merges = |file: &mut File| file.meta("tokenizer.ggml.merges", Meta::Texts(vec!["nopair".into()]));
    assert!(matches!(from_gguf(&vectors, "gpt2", "llama-bpe", merges), Err(TokenizerError::Inconsistent(_))));
    let folder = tempfile::tempdir().unwrap();
    assert!(matches!(Tokenizer::from_folder(folder.path(), &json!({})), Err(TokenizerError::File(_))));
    std::fs::write(folder.path().join("tokenizer.json"), "{}").unwrap();
    assert!(matches!(Tokenizer::from_folder(folder.path(), &json!({})), Err(TokenizerError::Library(_))));
}
