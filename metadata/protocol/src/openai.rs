//! The part of OpenAI's wire format that the gateway and the miner both read and write.
//!
//! Requests are read leniently: unknown fields are ignored, as every server does, and numbers are checked by
//! `validate` rather than by the parser, so that an error can name its parameter. What would
//! change the form of the answer and is not supported is refused, never ignored. The gateway passes the
//! request's bytes on as they came, so nothing is lost by what is not listed here. This is the one module
//! with floating-point numbers: parameters of sampling, probabilities and vectors, which are compared and passed on and
//! never computed with.
//!
//! Left out, and refused by name: parts of messages other than texts, `suffix`, `best_of` beyond `n`, tokens as the input of
//! embeddings, `logprobs` together with `echo`, grammars in GBNF, structural tags; and of vLLM's fields those that would change the
//! answer: `use_beam_search`, `prompt_logprobs`, `include_stop_str_in_output`, `allowed_token_ids`, `bad_words`,
//! `truncate_prompt_tokens`, `logits_processors`, a chat's `chat_template`, `documents`, `echo` and `add_special_tokens`.

mod completion;
mod embedding;
mod endpoint;
mod error;
mod guided;
mod logprobs;
mod model;
mod request;
mod response;
mod sampling;
mod stream;
mod tokenize;
mod tools;
mod validate;

pub use completion::{
    CompletionRequest, PromptField, PromptText, TextChoice, TextCompletion, TextLogprobs,
    ValidCompletionRequest,
};
pub use embedding::{
    EmbeddingList, EmbeddingObject, EmbeddingRequest, EmbeddingUsage, InputField, ValidEmbeddingRequest,
    Vector,
};
pub use endpoint::Endpoint;
pub use error::{ErrorBody, ErrorDetail, RequestError};
pub use guided::{AskedForm, FORM_CHOICES_MAX, GuidedFields, StructuredOutputs};
pub use logprobs::{LOGPROB_MIN, TokenLogprob, TokenLogprobs};
pub use model::{ModelList, ModelObject};
pub use request::{
    ChatMessage, ChatRequest, Content, Function, FunctionCall, JsonSchema, Part, ResponseFormat, Stop,
    StreamOptions, Tool, ToolCall,
};
pub use response::{
    AssistantMessage, ChatChoice, ChatCompletion, ChoiceLogprobs, CompletionTokensDetails, FinishReason,
    PromptTokensDetails, Usage,
};
pub use sampling::{SALT_BYTES_MAX, STOP_BYTES_MAX, STOPS_MAX, SamplingFields, ValidSampling};
pub use stream::{ChatChunk, ChunkChoice, Delta, FunctionDelta, StreamHead, ToolCallDelta};
pub use tokenize::{
    DetokenizeRequest, Detokenized, TokenizeRequest, TokenizeSubject, Tokenized, ValidTokenizeRequest,
};
pub use tools::ToolChoice;
pub use validate::{AnswerForm, CHOICES_MAX, MESSAGES_MAX, Role, Streaming, ValidChatRequest, ValidMessage};

#[cfg(test)]
mod tests;
