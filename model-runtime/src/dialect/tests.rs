use proptest::prelude::*;

use super::*;

const QWEN: Dialect = Dialect { reasons: true, calls: Calls::Tagged };
const LLAMA: Dialect = Dialect { reasons: false, calls: Calls::Json };

/// The pieces of an answer that arrives in parts of `size` bytes or a little more, neighbours of one kind joined.
fn parsed(dialect: Dialect, in_reasoning: bool, answer: &str, size: usize) -> Vec<Piece> {
    let mut parser = AnswerParser::new(dialect, in_reasoning);
    let mut all: Vec<Piece> = Vec::new();
    let mut rest = answer;
    while !rest.is_empty() {
        let end = (size.min(rest.len())..=rest.len()).find(|end| rest.is_char_boundary(*end)).unwrap();
        let (now, later) = rest.split_at(end);
        all.extend(parser.push(now));
        rest = later;
    }
    all.extend(parser.finish());
    let mut joined = Vec::new();
    for piece in all {
        match piece {
            Piece::Text(text) => add(&mut joined, Piece::Text, &text),
            Piece::Reasoning(text) => add(&mut joined, Piece::Reasoning, &text),
            call => joined.push(call),
        }
    }
    joined
}

fn text(text: &str) -> Piece {
    Piece::Text(text.to_owned())
}

fn reasoning(text: &str) -> Piece {
    Piece::Reasoning(text.to_owned())
}

fn called(name: &str, arguments: &str) -> Piece {
    Piece::Call(ToolCall { name: name.to_owned(), arguments: arguments.to_owned() })
}

#[test]
fn reasoning_text_and_calls_come_apart_however_they_arrive() {
    let answer = "<think>\nShe wants\n\nthe weather.\n</think>\n\nLet me look.\n<tool_call>\n{\"name\": \"weather\", \"arguments\": {\"city\": \"Köln\"}}\n</tool_call>\n<tool_call>\n{\"name\": \"time\", \"arguments\": {}}\n</tool_call>";
    let expected = [
        reasoning("She wants\n\nthe weather."),
        text("Let me look."),
        called("weather", r#"{"city":"Köln"}"#),
        called("time", "{}"),
    ];
    for size in 1..answer.len() {
        assert_eq!(parsed(QWEN, false, answer, size), expected, "in parts of {size}");
    }
}

#[test]
fn an_answer_that_begins_inside_of_the_reasoning_needs_no_opening_tag() {
    assert!(QWEN.begins_reasoning("<|im_start|>assistant\n<think>\n"));
    assert!(!QWEN.begins_reasoning("<|im_start|>assistant\n"));
    assert_eq!(parsed(QWEN, true, "Hm.\n</think>\n\nYes.", 3), [reasoning("Hm."), text("Yes.")]);
}

#[test]
fn what_is_no_call_stays_text() {
    for answer in [
        "<tool_call>\nnot json\n</tool_call> after",
        "<tool_call>\n{\"name\": 5}\n</tool_call>",
        "<tool_call>{\"name\": \"a\", \"arguments\": [1]}</tool_call>",
        "a <tool_call>{\"name\": \"cut",
        "a < b and <tool",
        "ends with space \n",
        "",
    ] {
        for size in 1..8 {
            let pieces = parsed(QWEN, false, answer, size);
            let shown: String = pieces
                .iter()
                .map(|piece| if let Piece::Text(text) = piece { text.as_str() } else { panic!("{piece:?}") })
                .collect();
            // White space before the tag is gone, nothing else.
            assert_eq!(shown.replace(' ', ""), answer.replace(' ', ""), "{answer:?} in parts of {size}");
        }
    }
}

#[test]
fn reasoning_comes_first_or_not_at_all() {
    assert_eq!(
        parsed(QWEN, false, "The tag <think> is text here.", 4),
        [text("The tag <think> is text here.")]
    );
}

#[test]
fn llamas_calls_are_the_whole_answer() {
    let one = r#"{"name": "weather", "parameters": {"city": "a {\"b\"} c"}}"#;
    let expected = called("weather", r#"{"city":"a {\"b\"} c"}"#);
    for size in 1..one.len() {
        assert_eq!(parsed(LLAMA, false, one, size), std::slice::from_ref(&expected));
        let two = format!("\n{one}; {one}");
        assert_eq!(parsed(LLAMA, false, &two, size), [expected.clone(), expected.clone()]);
        let words = r#"It is {"name": "x"}"#;
        assert_eq!(parsed(LLAMA, false, words, size), [text(words)]);
        let other = r#"{"weather": "fine"} as ever"#;
        assert_eq!(parsed(LLAMA, false, other, size), [text(other)]);
        let person = r#"{"name": "Bob", "age": 3}"#;
        assert_eq!(parsed(LLAMA, false, person, size), [text(person)]);
        let cut = r#"{"name": "weather", "param"#;
        assert_eq!(parsed(LLAMA, false, cut, size), [text(cut)]);
    }
}

#[test]
fn a_call_that_never_ends_is_given_up_and_nothing_is_lost() {
    for (dialect, begin) in [(QWEN, "<tool_call>"), (LLAMA, "{")] {
        let answer = format!("{begin}{}", "x".repeat(CALL_BYTES_MAX + 100));
        let mut parser = AnswerParser::new(dialect, false);
        let mut pieces = parser.push(&answer);
        assert!(!pieces.is_empty(), "more is held back than allowed");
        pieces.extend(parser.finish());
        let shown: String = pieces
            .iter()
            .map(|piece| if let Piece::Text(text) = piece { text.as_str() } else { "" })
            .collect();
        assert_eq!(shown.len(), answer.len());
    }
}

#[test]
fn templates_tell_their_dialect() {
    assert_eq!(Dialect::of_template("... <tool_call> ... </think> ..."), QWEN);
    assert_eq!(
        Dialect::of_template("<|start_header_id|> ... {\"name\": function name, \"parameters\": dictionary}"),
        LLAMA
    );
    assert_eq!(Dialect::of_template("{{ messages }}"), Dialect::default());
}

proptest! {
    /// Without tags nothing changes, and how an answer is cut never matters.
    #[test]
    fn cutting_changes_nothing(answer in "([a-z <>/{}\":;\\n]|<think>|</think>|<tool_call>|</tool_call>){0,40}", size in 1_usize..9) {
        for dialect in [QWEN, LLAMA, Dialect::default()] {
            prop_assert_eq!(parsed(dialect, false, &answer, size), parsed(dialect, false, &answer, answer.len().max(1)));
        }
        prop_assert_eq!(
            parsed(Dialect::default(), false, &answer, size),
            if answer.is_empty() { vec![] } else { vec![text(&answer)] }
        );
    }
}

#[test]
fn a_call_without_its_closing_tag_is_a_call_if_it_is_whole() {
    let call = Piece::Call(ToolCall { name: "f".into(), arguments: "{\"a\":1}".into() });
    let whole = "Well. <tool_call>\n{\"name\": \"f\", \"arguments\": {\"a\": 1}}\n";
    for size in [1, 7, 99] {
        assert_eq!(parsed(QWEN, false, whole, size), [Piece::Text("Well.".into()), call.clone()]);
    }
    let cut = "<tool_call>\n{\"name\": \"f\", \"argum";
    assert_eq!(parsed(QWEN, false, cut, 5), [Piece::Text(cut.into())]);
}
