//! `POST /v1/chat/completions`: a ticket in, answers and their receipt out, whole or streamed.
//!
//! Nothing is answered before the first token is there, so that a validator may still turn to another miner on any error
//! status. The receipt is on disk before it leaves. A client that goes away from a
//! stream, or cancels it, ends the generation; the receipt is then for what was sent.

mod chunks;
mod conversation;
mod reader;
mod whole;

use axum::extract::{Request, State};
use axum::response::Response;
use protocol::openai::{ChatRequest, Endpoint, ValidChatRequest};

use self::chunks::ChatChunks;
pub(super) use self::conversation::conversation;
use self::reader::Reader;
use super::AxonState;
use super::answer::{Answer, Asked, generate_request, grammar};
use super::error::AxonError;
use super::order::Order;
use super::wire;

pub(super) async fn complete(
    State(state): State<AxonState>,
    request: Request,
) -> Result<Response, AxonError> {
    let order = Order::admit(&state, Endpoint::Chat, request).await?;
    let request: ChatRequest = order.parse()?;
    let request = request.validate().map_err(AxonError::Request)?;
    let (model, slot) = order.begin(&state, &request.model).await?;
    let Order { ticket, body, limits, hang_up, .. } = order;
    // Its memory is free for others from here on.
    drop(body);

    let (streaming, parallel) = (request.stream, request.parallel_tool_calls);
    let (form, names_tokens) = (Form::of(&request), request.sampling.names_tokens);
    let answer = Answer::begin(&model, ticket, ask(request, form), slot, limits).await?;
    let readers = answer.parsers().into_iter().map(|parser| match form {
        Form::Dialect => Reader::dialect(parser, parallel),
        Form::Text => Reader::text(),
        Form::Call => Reader::call(),
    });
    let readers = readers.collect();
    if streaming.on {
        let chunks = ChatChunks::new(answer.head.clone(), readers, streaming, names_tokens);
        wire::streamed(&state, answer, chunks, hang_up).await
    } else {
        whole::respond(&state, answer, readers, names_tokens).await
    }
}

/// How the model's text is to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// Reasoning, text and calls as the model's family writes them.
    Dialect,
    /// A grammar holds the whole text, so all of it is the answer.
    Text,
    /// A grammar holds the text to one call.
    Call,
}

impl Form {
    fn of(request: &ValidChatRequest) -> Self {
        if request.tool_choice.required_call(&request.tools).is_some() {
            Self::Call
        } else if request.form == protocol::openai::AnswerForm::Text {
            Self::Dialect
        } else {
            Self::Text
        }
    }
}

fn ask(request: ValidChatRequest, form: Form) -> Asked {
    let grammar = match form {
        Form::Call => {
            request.tool_choice.required_call(&request.tools).map(model_runtime::Grammar::JsonSchema)
        }
        Form::Dialect | Form::Text => grammar(request.form.clone()),
    };
    let prompt = model_runtime::Prompt::Conversation(Box::new(conversation(
        request.messages,
        if request.tool_choice == protocol::openai::ToolChoice::None { &[] } else { &request.tools },
        request.template_variables,
        request.continues,
    )));
    Asked {
        id_prefix: "chatcmpl-",
        requests: vec![generate_request(prompt, request.sampling, request.logprobs, grammar)],
        choices: request.choices,
        completion_tokens_max: request.completion_tokens_max,
        param: "messages",
        form_param: request.form_param,
    }
}
