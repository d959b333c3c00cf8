use super::*;

fn message(role: &str, content: &str) -> Message {
    Message { role: role.into(), content: content.into() }
}

fn render(source: &str, messages: &[Message]) -> Result<String, ChatTemplateError> {
    let tokens = TemplateTokens { bos: "<s>".into(), eos: "</s>".into() };
    ChatTemplate::new(source, tokens)?.render(messages)
}

#[test]
fn roles_contents_and_tokens_are_put_where_the_template_says() {
    let source = "{{ bos_token }}{% for m in messages %}[{{ m['role'] }}] {{ m.content }}{{ eos_token }}\n{% endfor %}\
                  {% if add_generation_prompt %}[assistant]{% endif %}";
    let text = render(source, &[message("user", "hi"), message("assistant", "<b>&")]).unwrap();
    assert_eq!(text, "<s>[user] hi</s>\n[assistant] <b>&</s>\n[assistant]");
}

#[test]
fn block_lines_leave_no_space_as_in_python() {
    let source =
        "{% for m in messages %}\n    {% if true %}\n{{ m.content }};\n    {% endif %}\n{% endfor %}";
    assert_eq!(render(source, &[message("user", "a"), message("user", "b")]).unwrap(), "a;\nb;\n");
}

#[test]
fn methods_of_python_work() {
    let source =
        "{{ messages[0].content.strip().upper().startswith('HI') }} {{ messages[0].get('name', 'none') }}";
    assert_eq!(render(source, &[message("user", "  hi ")]).unwrap(), "True none");
}

#[test]
fn a_template_can_refuse_a_conversation() {
    let source =
        "{% if messages[0].role != 'user' %}{{ raise_exception('must begin with user') }}{% endif %}";
    let error = render(source, &[message("system", "x")]).unwrap_err();
    let ChatTemplateError::Render(source) = error else { panic!("{error}") };
    assert!(source.to_string().contains("must begin with user"), "{source}");
}

#[test]
fn a_template_that_never_ends_is_stopped() {
    let source =
        "{% for a in range(10000) %}{% for b in range(10000) %}{% set c = a * b %}{% endfor %}{% endfor %}";
    assert!(matches!(render(source, &[]), Err(ChatTemplateError::Render(_))));
}

#[test]
fn a_broken_template_is_an_error_at_load() {
    assert!(matches!(render("{% for %}", &[]), Err(ChatTemplateError::Parse(_))));
}

fn conversation(messages: serde_json::Value, tools: serde_json::Value) -> Conversation {
    let list = |value: serde_json::Value| value.as_array().cloned().unwrap_or_default();
    Conversation { messages: list(messages), tools: list(tools), ..Conversation::default() }
}

#[test]
fn a_template_that_knows_tools_gets_tools_calls_and_variables() {
    let source = "{% for t in tools %}<tool_call>{{ t.function.name }}{% endfor %}|{% for m in messages %}\
        {% for c in m.tool_calls or [] %}{{ c.function.arguments | tojson }}{% endfor %}{% endfor %}|{{ enable_thinking }}";
    let template = ChatTemplate::new(source, TemplateTokens::default()).unwrap();
    let mut with_tools = conversation(
        serde_json::json!([{"role": "assistant", "content": "", "tool_calls": [{"function": {"name": "f", "arguments": {"a": 1}}}]}]),
        serde_json::json!([{"type": "function", "function": {"name": "f"}}]),
    );
    with_tools.variables.insert("enable_thinking".into(), true.into());
    let text = template.render_conversation(&with_tools).unwrap();
    assert_eq!(text.replace(": ", ":"), "<tool_call>f|{\"a\":1}|True");
    assert_eq!(template.dialect(true).calls, Calls::Tagged);
    assert_eq!(template.dialect(false).calls, Calls::None);
}

#[test]
fn a_template_that_knows_none_gets_tools_and_results_as_words() {
    let source = "{% for m in messages %}[{{ m.role }}] {{ m.content }}\n{% endfor %}";
    let template = ChatTemplate::new(source, TemplateTokens::default()).unwrap();
    let tools = serde_json::json!([{"type": "function", "function": {"name": "weather"}}]);
    let text = template
        .render_conversation(&conversation(
            serde_json::json!([
                {"role": "user", "content": "Rain?"},
                {"role": "assistant", "content": null, "tool_calls": [{"id": "1", "function": {"name": "weather", "arguments": {"city": "Ulm"}}}]},
                {"role": "tool", "tool_call_id": "1", "content": "dry"},
            ]),
            tools,
        ))
        .unwrap();
    assert!(text.starts_with("[system] You may call functions"), "{text}");
    assert!(text.contains("{\"name\":\"weather\"}"), "{text}");
    let rest = "[user] Rain?\n[assistant] <tool_call>\n{\"arguments\":{\"city\":\"Ulm\"},\"name\":\"weather\"}\n</tool_call>\n\
                [user] <tool_response>\ndry\n</tool_response>\n";
    let found = text.replace(
        "{\"name\":\"weather\",\"arguments\":{\"city\":\"Ulm\"}}",
        "{\"arguments\":{\"city\":\"Ulm\"},\"name\":\"weather\"}",
    );
    assert!(found.ends_with(rest), "{found}");
    assert_eq!(template.dialect(true).calls, Calls::Tagged);
}

#[test]
fn several_results_in_a_row_and_what_the_user_says_after_them_are_one_turn() {
    let source = "{% for m in messages %}[{{ m.role }}] {{ m.content }}\n{% endfor %}";
    let template = ChatTemplate::new(source, TemplateTokens::default()).unwrap();
    let text = template.render_conversation(&conversation(
        serde_json::json!([
            {"role": "user", "content": "a"},
            {"role": "user", "content": "b"},
            {"role": "assistant", "content": "c"},
            {"role": "tool", "tool_call_id": "1", "content": "dry"},
            {"role": "tool", "tool_call_id": "2", "content": "warm"},
            {"role": "user", "content": "d"},
            {"role": "user", "content": "e"},
        ]),
        serde_json::json!([]),
    ));
    assert_eq!(
        text.unwrap(),
        "[user] a\n[user] b\n[assistant] c\n[user] <tool_response>\ndry\n</tool_response>\n\
         <tool_response>\nwarm\n</tool_response>\nd\n[user] e\n",
    );
}

#[test]
fn what_templates_are_always_given_is_none_where_there_is_nothing() {
    let source = "{{ tools is none }} {{ documents is none }} {{ tools is defined }}";
    assert_eq!(render(source, &[message("user", "a")]).unwrap(), "True True True");
}

#[test]
fn a_template_that_writes_without_end_is_stopped() {
    let source = "{% for a in range(5000) %}{{ messages[0].content }}{% endfor %}";
    let long = "x".repeat(1 << 12);
    let error = render(source, &[message("user", &long)]).unwrap_err();
    assert!(matches!(error, ChatTemplateError::Render(_)), "{error}");
    assert!(render(source, &[message("user", "x")]).is_ok());
}

#[test]
fn a_message_that_the_template_leaves_out_cannot_be_continued() {
    let tokens = TemplateTokens::default();
    let template = ChatTemplate::new("{% for m in messages %}{{ m.role }}{% endfor %}", tokens).unwrap();
    for content in [serde_json::json!("never shown"), serde_json::Value::Null] {
        let messages = serde_json::json!([{"role": "assistant", "content": content}]);
        let asked = Conversation { continues: true, ..conversation(messages, serde_json::json!([])) };
        let refused = template.render_conversation(&asked);
        assert!(matches!(refused, Err(ChatTemplateError::NothingToContinue)), "{content:?}");
    }
}
