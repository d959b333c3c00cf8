//! `POST /tokenize` and `POST /detokenize`: they cost next to nothing and earn nothing, and are ordered like all else.

use axum::extract::{Request, State};
use axum::response::Response;
use model_runtime::Prompt;
use protocol::openai::{
    DetokenizeRequest, Detokenized, Endpoint, TokenizeRequest, TokenizeSubject, Tokenized,
};
use protocol::receipt::FinishReason;
use serde_json::Map;

use super::AxonState;
use super::answer::refused;
use super::chat::conversation;
use super::error::AxonError;
use super::order::Order;
use super::wire;

pub(super) async fn tokenize(
    State(state): State<AxonState>,
    request: Request,
) -> Result<Response, AxonError> {
    let order = Order::admit(&state, Endpoint::Tokenize, request).await?;
    let request: TokenizeRequest = order.parse()?;
    let request = request.validate().map_err(AxonError::Request)?;
    let (model, _slot) = order.begin(&state, &request.model).await?;

    let (prompt, param) = match request.subject {
        TokenizeSubject::Text(text) => (Prompt::Text(text), "prompt"),
        TokenizeSubject::Chat(messages, tools) => {
            let conversation = conversation(messages, &tools, Map::new(), false);
            (Prompt::Conversation(Box::new(conversation)), "messages")
        }
    };
    let handle = model.handle();
    let tokens = order.within_limits(handle.tokenize(prompt, request.special)).await?;
    let tokens = tokens.map_err(|error| refused(error, param))?;
    let token_strs = if request.texts {
        let bytes = handle.detokenize(&tokens).map_err(|error| refused(error, param))?;
        Some(bytes.iter().map(|bytes| String::from_utf8_lossy(bytes).into_owned()).collect())
    } else {
        None
    };
    let count = u32::try_from(tokens.len()).unwrap_or(u32::MAX);
    let json = wire::json(&Tokenized { count, max_model_len: model.context_tokens(), tokens, token_strs });
    let draft = order.draft(&json, 0, FinishReason::Stop);
    wire::whole(&state, json, draft).await
}

pub(super) async fn detokenize(
    State(state): State<AxonState>,
    request: Request,
) -> Result<Response, AxonError> {
    let order = Order::admit(&state, Endpoint::Detokenize, request).await?;
    let request: DetokenizeRequest = order.parse()?;
    let (asked, tokens) = request.validate().map_err(AxonError::Request)?;
    let (model, _slot) = order.begin(&state, &asked).await?;

    let bytes = model.handle().detokenize(&tokens).map_err(|error| refused(error, "tokens"))?;
    let json = wire::json(&Detokenized { prompt: String::from_utf8_lossy(&bytes.concat()).into_owned() });
    let draft = order.draft(&json, 0, FinishReason::Stop);
    wire::whole(&state, json, draft).await
}
