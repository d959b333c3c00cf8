//! The answer in one piece: a `chat.completion` object, its receipt in a header.

use axum::response::Response;
use http::HeaderValue;
use http::header::CONTENT_TYPE;
use protocol::openai::ChatCompletion;
use protocol::receipt;

use super::answer::{Answer, Step};
use crate::axon::AxonState;
use crate::axon::error::AxonError;

pub(super) async fn respond(state: &AxonState, mut answer: Answer) -> Result<Response, AxonError> {
    let mut content = String::new();
    let reason = loop {
        match answer.next().await {
            Step::Text(text) => content.push_str(&text),
            Step::Finished(reason) => break reason,
            Step::Failed(error) => return Err(error),
        }
    };
    let named = protocol::openai::FinishReason::from_receipt(reason).ok_or(AxonError::Generation)?;
    let completion = ChatCompletion::new(answer.head.clone(), content, named, answer.usage());
    let json = serde_json::to_vec(&completion).expect("a completion holds only text and numbers");
    answer.sent(&json);
    let receipt = state.0.receipts.append(answer.into_draft(reason)).await.map_err(|error| {
        tracing::error!(%error, "an answer is withheld because its receipt could not be stored");
        AxonError::Storage
    })?;
    let mut response = Response::new(json.into());
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(
        receipt::HEADER,
        HeaderValue::try_from(receipt.to_header()).expect("hex is a header's value"),
    );
    Ok(response)
}
