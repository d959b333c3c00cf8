//! What the fleet must know of a request beside its models: how many prompts and answers, how long.

use protocol::openai::{
    ChatRequest, CompletionRequest, DetokenizeRequest, EmbeddingRequest, Endpoint, RequestError,
    TokenizeRequest,
};
use serde::de::DeserializeOwned;

use crate::gateway::error::GatewayError;

/// JSON of one token's probability with its bytes, for tokens longer than nearly all are.
const LOGPROB_BYTES: u64 = 160;

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
    /// Whether each token's probability is told, and of so many of the likeliest.
    pub logprobs: Option<u32>,
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
                let logprobs = request.logprobs;
                Ok((selected, Self { stream, prompts, answers, completion_tokens_max, logprobs }))
            }
            Endpoint::Completion => {
                let mut request = parse::<CompletionRequest>(body)?;
                let selected = select(&mut request.model)?;
                let request = request.validate().map_err(GatewayError::Field)?;
                let (prompts, answers) = (count(request.prompts.len()), request.answers());
                let completion_tokens_max = Some(request.completion_tokens_max);
                let (stream, logprobs) = (request.stream.on, request.logprobs);
                Ok((selected, Self { stream, prompts, answers, completion_tokens_max, logprobs }))
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
        Self { stream: false, prompts, answers: 0, completion_tokens_max: None, logprobs: None }
    }

    /// Refuses an answer that, told whole, can be larger than a whole answer may be. Who asks for it would be told that a miner failed,
    /// and the miner would be blamed. `tokens_max` holds where the user sets no limit.
    pub fn check_size(&self, tokens_max: u32, answer_bytes_max: usize) -> Result<(), RequestError> {
        let Some(likeliest) = self.logprobs.filter(|_| !self.stream) else { return Ok(()) };
        let tokens = u64::from(self.completion_tokens_max.unwrap_or(tokens_max)) * u64::from(self.answers);
        let bytes = tokens.saturating_mul((1 + u64::from(likeliest)) * LOGPROB_BYTES);
        if bytes <= u64::try_from(answer_bytes_max).unwrap_or(u64::MAX) {
            return Ok(());
        }
        let text = format!(
            "the probabilities of so many tokens may take {bytes} bytes, and an answer may have {answer_bytes_max}: stream it, or ask for fewer \
             tokens, answers or likeliest tokens"
        );
        Err(RequestError::new("logprobs", text))
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
    fn probabilities_that_would_not_fit_into_a_whole_answer_are_refused_beforehand() {
        let fits = |more: Value| {
            let mut body = json!({"model": "m", "messages": [{"role": "user", "content": "a"}]});
            body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            let select = |_: &mut String| Ok(());
            let (_, shape) = Shape::of(Endpoint::Chat, body.to_string().as_bytes(), select).unwrap();
            shape.check_size(4_096, 16 << 20).is_ok()
        };
        assert!(fits(json!({"n": 8})));
        assert!(fits(json!({"logprobs": true, "top_logprobs": 20})));
        assert!(!fits(json!({"logprobs": true, "top_logprobs": 20, "n": 2})));
        assert!(fits(json!({"logprobs": true, "top_logprobs": 20, "n": 2, "max_tokens": 100})));
        assert!(fits(json!({"logprobs": true, "top_logprobs": 20, "n": 2, "stream": true})));
        assert!(!fits(json!({"logprobs": true, "max_tokens": 200_000})));
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
