//! What the fleet must know of a request beside its models: how many prompts and answers, how long.

use protocol::openai::{
    ChatRequest, CompletionRequest, DetokenizeRequest, EmbeddingRequest, Endpoint, TokenizeRequest,
};
use serde::de::DeserializeOwned;

use crate::gateway::error::GatewayError;

/// A request's outline.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Shape {
    pub stream: bool,
    /// Prompts, each of which may fill the context.
    pub prompts: u32,
    /// Answers to all of them.
    pub answers: u32,
    /// For each answer.
    pub completion_tokens_max: Option<u32>,
}

impl Shape {
    /// Reads and checks a body. `select` takes the model's field, and puts the name of one model in its place.
    pub fn of<S>(
        endpoint: Endpoint,
        body: &[u8],
        select: impl FnOnce(&mut String) -> Result<S, GatewayError>,
    ) -> Result<(S, Self), GatewayError> {
        match endpoint {
            Endpoint::Chat => {
                let mut request = parse::<ChatRequest>(body)?;
                let selected = select(&mut request.model)?;
                let request = request.validate().map_err(GatewayError::Field)?;
                let (prompts, answers) = (1, request.choices);
                let (stream, completion_tokens_max) = (request.stream.on, request.completion_tokens_max);
                Ok((selected, Self { stream, prompts, answers, completion_tokens_max }))
            }
            Endpoint::Completion => {
                let mut request = parse::<CompletionRequest>(body)?;
                let selected = select(&mut request.model)?;
                let request = request.validate().map_err(GatewayError::Field)?;
                let (prompts, answers) = (count(request.prompts.len()), request.answers());
                let completion_tokens_max = Some(request.completion_tokens_max);
                let stream = request.stream.on;
                Ok((selected, Self { stream, prompts, answers, completion_tokens_max }))
            }
            Endpoint::Embedding => {
                let mut request = parse::<EmbeddingRequest>(body)?;
                let selected = select(&mut request.model)?;
                let request = request.validate().map_err(GatewayError::Field)?;
                Ok((selected, Self::without_answers(count(request.texts.len()))))
            }
            Endpoint::Tokenize => {
                let mut request = parse::<TokenizeRequest>(body)?;
                let selected = select(&mut request.model)?;
                request.validate().map_err(GatewayError::Field)?;
                Ok((selected, Self::without_answers(1)))
            }
            Endpoint::Detokenize => {
                let mut request = parse::<DetokenizeRequest>(body)?;
                let selected = select(&mut request.model)?;
                request.validate().map_err(GatewayError::Field)?;
                Ok((selected, Self::without_answers(1)))
            }
        }
    }

    fn without_answers(prompts: u32) -> Self {
        Self { stream: false, prompts, answers: 0, completion_tokens_max: None }
    }
}

fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, GatewayError> {
    serde_json::from_slice(body).map_err(GatewayError::Json)
}

fn count(items: usize) -> u32 {
    u32::try_from(items).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::Shape;
    use protocol::openai::Endpoint;
    use serde_json::{Value, json};

    fn shape(endpoint: Endpoint, body: &Value) -> (u32, u32, Option<u32>, bool) {
        let select = |model: &mut String| Ok(model.clone());
        let (model, shape) = Shape::of(endpoint, body.to_string().as_bytes(), select).unwrap();
        assert_eq!(model, "m");
        (shape.prompts, shape.answers, shape.completion_tokens_max, shape.stream)
    }

    #[test]
    fn prompts_and_answers_are_counted_for_the_ticket() {
        let chat =
            json!({"model": "m", "messages": [{"role": "user", "content": "a"}], "n": 3, "max_tokens": 9});
        assert_eq!(shape(Endpoint::Chat, &chat), (1, 3, Some(9), false));
        let text = json!({"model": "m", "prompt": ["a", "b"], "n": 2, "stream": true});
        assert_eq!(shape(Endpoint::Completion, &text), (2, 4, Some(16), true));
        let texts = json!({"model": "m", "input": ["a", "b", "c"]});
        assert_eq!(shape(Endpoint::Embedding, &texts), (3, 0, None, false));
        assert_eq!(shape(Endpoint::Tokenize, &json!({"model": "m", "prompt": "a"})), (1, 0, None, false));
        assert_eq!(shape(Endpoint::Detokenize, &json!({"model": "m", "tokens": [1]})), (1, 0, None, false));
    }
}
