//! The part of OpenAI's wire format that the gateway and the miner both read and write.
//!
//! Requests are read leniently: unknown fields are ignored, as every server does, and numbers are checked by
//! [`ChatRequest::validate`] rather than by the parser, so that an error can name its parameter. What would
//! change the form of the answer and is not supported is refused, never ignored. The gateway passes the
//! request's bytes on as they came, so nothing is lost by what is not listed here. This is the one module
//! with floating-point numbers: two sampling parameters, which are compared and passed on and never computed
//! with.

mod endpoint;
mod error;
mod model;
mod request;
mod response;
mod stream;
mod validate;

pub use endpoint::Endpoint;
pub use error::{ErrorBody, ErrorDetail, RequestError};
pub use model::{ModelList, ModelObject};
pub use request::{ChatMessage, ChatRequest, Content, Part, ResponseFormat, Stop, StreamOptions};
pub use response::{AssistantMessage, ChatChoice, ChatCompletion, FinishReason, Usage};
pub use stream::{ChatChunk, ChunkChoice, Delta, StreamHead};
pub use validate::{MESSAGES_MAX, Role, STOP_BYTES_MAX, STOPS_MAX, ValidChatRequest, ValidMessage};

#[cfg(test)]
mod tests;
