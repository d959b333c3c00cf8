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
