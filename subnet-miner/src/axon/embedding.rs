//! `POST /v1/embeddings`: texts in, vectors out.

use axum::extract::{Request, State};
use axum::response::Response;
use protocol::openai::{EmbeddingList, EmbeddingRequest, Endpoint, Vector};
use protocol::receipt::FinishReason;

use super::AxonState;
use super::answer::refused;
use super::error::AxonError;
use super::order::Order;
use super::wire;

pub(super) async fn embed(State(state): State<AxonState>, request: Request) -> Result<Response, AxonError> {
    let order = Order::admit(&state, Endpoint::Embedding, request).await?;
    let request: EmbeddingRequest = order.parse()?;
    let request = request.validate().map_err(AxonError::Request)?;
    let (model, _slot) = order.begin(&state, &request.model).await?;

    let made = order.within_limits(model.handle().embed(request.texts)).await?;
    let made = made.map_err(|error| refused(error, "input"))?;
    let width = made.first().map_or(0, |first| first.vector.len());
    if request.dimensions.is_some_and(|dimensions| i64::try_from(width).ok() != Some(dimensions)) {
        return Err(AxonError::Dimensions { width });
    }
    let tokens: usize = made.iter().map(|made| made.tokens).sum();
    let prompt_tokens = u32::try_from(tokens).unwrap_or(u32::MAX);
    order.check_prompt(prompt_tokens, "input")?;
    let vectors = made.into_iter().map(|made| Vector::new(made.vector, request.base64)).collect();
    let json = wire::json(&EmbeddingList::new(request.model.as_str(), vectors, prompt_tokens));
    let draft = order.draft(&json, prompt_tokens, FinishReason::Stop);
    wire::whole(&state, json, draft).await
}
