//! The error object that OpenAI's clients turn into exceptions.

use serde::{Deserialize, Serialize};

/// The body of every answer that is not a success.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorBody {
    /// What went wrong.
    pub error: ErrorDetail,
}

/// What went wrong. All four keys are always present, as clients expect.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorDetail {
    /// For people.
    pub message: String,
    /// The class of error, such as `invalid_request_error`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The request's parameter at fault.
    #[serde(default)]
    pub param: Option<String>,
    /// For programs, such as `model_not_found`.
    #[serde(default)]
    pub code: Option<String>,
}

/// Why a chat request is refused, and which parameter is at fault. Answered with status 400.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct RequestError {
    /// For people.
    pub message: String,
    /// The parameter's name as the client wrote it, such as `messages[2].content`.
    pub param: Option<String>,
}

impl ErrorBody {
    /// An error of a class, such as `invalid_request_error`, without parameter or code.
    pub fn new(kind: impl Into<String>, message: impl Into<String>) -> Self {
        Self { error: ErrorDetail { message: message.into(), kind: kind.into(), param: None, code: None } }
    }

    /// Names the parameter at fault.
    pub fn with_param(mut self, param: impl Into<String>) -> Self {
        self.error.param = Some(param.into());
        self
    }

    /// Adds a code for programs.
    pub fn with_code(mut self, code: impl Into<String>) -> Self {
        self.error.code = Some(code.into());
        self
    }
}

impl RequestError {
    /// A field and what to do about it.
    pub fn new(param: impl Into<String>, message: impl Into<String>) -> Self {
        Self { message: message.into(), param: Some(param.into()) }
    }
}

impl From<RequestError> for ErrorBody {
    fn from(error: RequestError) -> Self {
        let RequestError { message, param } = error;
        Self { error: ErrorDetail { message, kind: "invalid_request_error".to_owned(), param, code: None } }
    }
}
