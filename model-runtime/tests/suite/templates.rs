//! Chat templates against jinja2 as transformers sets it up (`tests/vectors/make-templates.py`), byte by byte.

use model_runtime::Conversation;
use model_runtime::chat_template::{ChatTemplate, TemplateTokens};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::vectors;

#[derive(Deserialize)]
struct Vectors {
    template: String,
    bos_token: String,
    eos_token: String,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    messages: Vec<Value>,
    #[serde(default)]
    tools: Vec<Value>,
    #[serde(default)]
    variables: Map<String, Value>,
    /// `None` where the template refuses the conversation.
    text: Option<String>,
}

fn compare(name: &str) {
    let Vectors { template, bos_token, eos_token, cases } = vectors::json(&format!("templates/{name}.json"));
    let tokens = TemplateTokens { bos: bos_token, eos: eos_token };
    let template = ChatTemplate::new(&template, tokens).unwrap();
    assert!(cases.len() >= 8);
    for Case { name: case, messages, tools, variables, text } in cases {
        let conversation = Conversation { messages, tools, variables, continues: false };
        let rendered = template.render_conversation(&conversation);
        assert_eq!(rendered.as_ref().ok(), text.as_ref(), "{name}, {case}: {:?}", rendered.as_ref().err());
    }
}

#[test]
fn qwen_3s_template_gives_jinja2s_bytes_with_tools_calls_and_reasoning() {
    compare("qwen3");
}

#[test]
fn llama_3s_template_gives_jinja2s_bytes() {
    compare("llama3");
}

#[test]
fn what_other_templates_are_made_of_gives_jinja2s_bytes() {
    compare("constructs");
}

#[derive(Deserialize)]
struct Continued {
    question: String,
    templates: Vec<ContinuedTemplate>,
}

#[derive(Deserialize)]
struct ContinuedTemplate {
    name: String,
    template: String,
    bos_token: String,
    eos_token: String,
    cases: Vec<LastMessage>,
}

#[derive(Deserialize)]
struct LastMessage {
    last: String,
    text: String,
}

#[test]
fn a_message_that_is_to_be_continued_ends_where_transformers_ends_it() {
    let Continued { question, templates } = vectors::json("templates/continued.json");
    for ContinuedTemplate { name, template, bos_token, eos_token, cases } in templates {
        let tokens = TemplateTokens { bos: bos_token, eos: eos_token };
        let template = ChatTemplate::new(&template, tokens).unwrap();
        assert!(cases.len() >= 6);
        for LastMessage { last, text } in cases {
            let turn = |role: &str, content: &str| serde_json::json!({"role": role, "content": content});
            let messages = vec![turn("user", &question), turn("assistant", &last)];
            let conversation = Conversation { messages, continues: true, ..Conversation::default() };
            assert_eq!(template.render_conversation(&conversation).unwrap(), text, "{name}, {last:?}");
        }
    }
}
