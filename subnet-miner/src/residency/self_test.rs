//! A few tokens, or a few vectors, of a model that has just been loaded: what does not answer must not be offered.

use std::time::Duration;

use futures::StreamExt;
use model_runtime::{Embedding, Event, GenerateError, GenerateRequest, ModelHandle, Prompt};

const TOKENS: u32 = 4;
const PROMPT: &str = "Say hello.";
/// Two texts on one subject, and one on another, in this order.
const TEXTS: [&str; 3] = [
    "The cat sleeps on the warm sofa.",
    "A kitten is napping on the couch.",
    "Interest rates rose by half a percent on Tuesday.",
];
/// How much the same text's vectors may differ, by their cosine.
const SAME_COSINE_MIN: f64 = 0.9999;

/// Why a model is not offered.
#[derive(Debug, thiserror::Error)]
pub enum SelfTestError {
    /// It took no request.
    #[error("it took no request")]
    Refused(#[source] GenerateError),
    /// It stopped in the middle.
    #[error("it failed: {0}")]
    Failed(String),
    /// It ended before its first token.
    #[error("it gave no token")]
    Nothing,
    /// It takes too long.
    #[error("it gave no answer within {ms_max} ms")]
    Slow {
        /// The limit.
        ms_max: u128,
    },
    /// It makes vectors, and they mean nothing.
    #[error("its vectors are wrong: {0}")]
    Vectors(WrongVectors),
}

/// What vectors cannot be of a model of embeddings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WrongVectors {
    /// Not one for each text, or not of one width.
    #[error("they are not one for each text, of one width")]
    Shape,
    /// Not numbers, or nothing but zeroes.
    #[error("one of them is not a direction")]
    Empty,
    /// The same text has another vector the next time.
    #[error("the same text has two of them")]
    Unsteady,
    /// Texts on one subject are further apart than texts on two.
    #[error("what is alike is further apart than what is not")]
    Meaningless,
}

/// Asks for a few tokens, or for vectors where the model is offered for them.
pub(super) async fn run(model: &ModelHandle, embeds: bool, time: Duration) -> Result<(), SelfTestError> {
    let slow = |_| SelfTestError::Slow { ms_max: time.as_millis() };
    tokio::time::timeout(time, ask(model, embeds)).await.map_err(slow)?
}

async fn ask(model: &ModelHandle, embeds: bool) -> Result<(), SelfTestError> {
    if embeds {
        let texts = TEXTS.iter().chain(TEXTS.first()).map(|text| (*text).to_owned()).collect();
        let made = model.embed(texts).await.map_err(SelfTestError::Refused)?;
        return judge(&made).map_err(SelfTestError::Vectors);
    }
    let generate = |prompt| model.generate(GenerateRequest::greedy(prompt, TOKENS));
    let mut answer = match generate(Prompt::user(PROMPT)).await {
        // A base model knows no chats.
        Err(GenerateError::NoChatTemplate) => generate(Prompt::Text(PROMPT.to_owned())).await,
        other => other,
    }
    .map_err(SelfTestError::Refused)?;
    while let Some(event) = answer.next().await {
        match event {
            Event::Token { .. } => {}
            Event::Failed(reason) => return Err(SelfTestError::Failed(reason)),
            Event::Finished(finished) if finished.completion_tokens > 0 => return Ok(()),
            Event::Finished(_) => break,
        }
    }
    Err(SelfTestError::Nothing)
}

/// Whether these can be the vectors of the three texts and of the first one again.
fn judge(made: &[Embedding]) -> Result<(), WrongVectors> {
    let [cat, kitten, rates, cat_again] = made else { return Err(WrongVectors::Shape) };
    let width = cat.vector.len();
    if width == 0 || made.iter().any(|one| one.vector.len() != width) {
        return Err(WrongVectors::Shape);
    }
    let cosine = |a: &Embedding, b: &Embedding| cosine(&a.vector, &b.vector).ok_or(WrongVectors::Empty);
    if cosine(cat, cat_again)? < SAME_COSINE_MIN {
        return Err(WrongVectors::Unsteady);
    }
    if cosine(cat, kitten)? <= cosine(cat, rates)?.max(cosine(kitten, rates)?) {
        return Err(WrongVectors::Meaningless);
    }
    Ok(())
}

/// The cosine of the angle between two vectors; nothing where one of them has no direction.
fn cosine(a: &[f32], b: &[f32]) -> Option<f64> {
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum::<f64>();
    let cosine = dot(a, b) / (dot(a, a) * dot(b, b)).sqrt();
    cosine.is_finite().then_some(cosine)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(vectors: [&[f32]; 4]) -> Result<(), WrongVectors> {
        let made: Vec<Embedding> =
            vectors.iter().map(|vector| Embedding { vector: vector.to_vec(), tokens: 1 }).collect();
        judge(&made)
    }

    #[test]
    fn vectors_that_mean_nothing_are_refused_each_for_its_reason() {
        let (cat, kitten, rates) = (&[0.8, 0.6, 0.0][..], &[0.6, 0.8, 0.0][..], &[0.1, 0.0, 0.9][..]);
        assert_eq!(judged([cat, kitten, rates, cat]), Ok(()));
        assert_eq!(judged([cat, kitten, rates, &[0.8, 0.6]]), Err(WrongVectors::Shape));
        assert_eq!(judged([&[], &[], &[], &[]]), Err(WrongVectors::Shape));
        assert_eq!(judge(&[]), Err(WrongVectors::Shape));
        assert_eq!(judged([&[0.0; 3], kitten, rates, &[0.0; 3]]), Err(WrongVectors::Empty));
        assert_eq!(judged([cat, &[f32::NAN; 3], rates, cat]), Err(WrongVectors::Empty));
        assert_eq!(judged([cat, kitten, rates, kitten]), Err(WrongVectors::Unsteady));
        assert_eq!(judged([cat, rates, kitten, cat]), Err(WrongVectors::Meaningless));
        // What answers everything alike.
        assert_eq!(judged([cat, cat, cat, cat]), Err(WrongVectors::Meaningless));
    }
}
