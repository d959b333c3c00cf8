//! Checking evidence again, from its file: papers prove by their signatures, a re-execution by doing it once more.

use std::path::{Path, PathBuf};

use model_runtime::{LoadError, ModelSource, Runtime, RuntimeConfig, StartError};
use parity_scale_codec::DecodeAll as _;
use protocol::account::AccountId;
use protocol::digest::Digest;
use protocol::evidence::{EvidenceError, Fault, Finding, Reexecution, SignedEvidence, ValidEvidence};
use protocol::receipt::Countersigned;

use crate::challenges::execution::{Claim, ExecutionError, execute};

/// What the evidence was found to be.
#[derive(Debug, Clone, PartialEq)]
pub struct Rechecked {
    /// The evidence, with all its signatures good.
    pub evidence: ValidEvidence,
    /// How it stands.
    pub outcome: Outcome,
}

/// How evidence stands after it was looked at again.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// Signed papers prove it; nothing had to be executed.
    ProvenByPapers,
    /// Executed again, something is wrong: not always the same first fault, where another processor computes otherwise.
    FoundAgain(Fault),
    /// Executed again, nothing is wrong.
    NotFoundAgain,
    /// Only the validator that collected it can know: that no answer came in time.
    OneWord,
}

/// The evidence could not be checked, or is none.
#[derive(Debug, thiserror::Error)]
pub enum RecheckError {
    /// The papers are no evidence.
    #[error("this is no evidence")]
    Evidence(#[source] EvidenceError),
    /// A model is needed.
    #[error("this evidence is about what model `{model}` answers; give its file with --model")]
    ModelNeeded {
        /// Which one.
        model: String,
    },
    /// The runtime does not start.
    #[error("cannot start the model runtime")]
    Start(#[from] StartError),
    /// The model does not load.
    #[error("cannot load {path}", path = path.display())]
    Load {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: LoadError,
    },
    /// Another model than the call was about.
    #[error("{path} has the weights {found}; the call was about {named}", path = path.display())]
    OtherModel {
        /// The file.
        path: PathBuf,
        /// Its digest.
        found: Digest,
        /// The ticket's.
        named: Digest,
    },
    /// The call was not executed.
    #[error("the call could not be executed again")]
    Execution(#[from] ExecutionError),
}

impl RecheckError {
    /// Whether the file of a model would help.
    #[must_use]
    pub fn needs_model(&self) -> bool {
        matches!(self, Self::ModelNeeded { .. })
    }

    /// Whether the evidence itself is at fault, and not the means to check it.
    #[must_use]
    pub fn is_about_evidence(&self) -> bool {
        matches!(self, Self::Evidence(_))
    }
}

impl Rechecked {
    /// Against whom the evidence is proven; nobody if it was not found again, or is one validator's word.
    #[must_use]
    pub fn proven_against(&self) -> Option<AccountId> {
        let is_proven = !matches!(self.outcome, Outcome::NotFoundAgain | Outcome::OneWord);
        is_proven.then(|| self.evidence.miner())
    }
}

/// What a file holds: one record, or a list of them as in a bundle's `evidence.scale`. Nothing has been checked.
///
/// # Errors
/// When it is neither.
pub fn read(bytes: &[u8]) -> Result<Vec<SignedEvidence>, RecheckError> {
    match SignedEvidence::from_bytes(bytes) {
        Ok(one) => Ok(vec![one]),
        Err(error) => {
            let list = Vec::<SignedEvidence>::decode_all(&mut &*bytes);
            list.ok().filter(|list| !list.is_empty()).ok_or(RecheckError::Evidence(error))
        }
    }
}

/// Checks the signatures and papers; executes the call again with the model of this file if the evidence is about one.
///
/// # Errors
/// When it is no evidence, or cannot be checked with what was given.
pub async fn recheck(evidence: SignedEvidence, model: Option<&Path>) -> Result<Rechecked, RecheckError> {
    let evidence = evidence.verify().map_err(RecheckError::Evidence)?;
    let outcome = match evidence.finding() {
        Finding::DoubledReceipt(..) | Finding::ReplayedAnswer(..) | Finding::WrongAnswer(_) => {
            Outcome::ProvenByPapers
        }
        Finding::Reexecution(again) => match evidence.call() {
            Some(call) => execute_again(call, again, model).await?,
            None => return Err(RecheckError::Evidence(EvidenceError::Innocent)),
        },
        Finding::Missed(_) => Outcome::OneWord,
    };
    Ok(Rechecked { evidence, outcome })
}

async fn execute_again(
    call: &Countersigned,
    again: &Reexecution,
    model: Option<&Path>,
) -> Result<Outcome, RecheckError> {
    let (ticket, receipt) = (call.ticket(), call.receipt());
    let Some(path) = model else {
        return Err(RecheckError::ModelNeeded { model: ticket.model.to_string() });
    };
    let runtime = Runtime::start(RuntimeConfig::default())?;
    let loaded = runtime.load(ticket.model.as_str(), ModelSource::Gguf(path.to_owned())).await;
    let model = loaded.map_err(|source| RecheckError::Load { path: path.to_owned(), source })?;
    let found = Digest(model.facts().weights_sha256);
    if found != ticket.weights_digest {
        let named = ticket.weights_digest;
        return Err(RecheckError::OtherModel { path: path.to_owned(), found, named });
    }
    let fingerprint = again.fingerprint(call).map_err(RecheckError::Evidence)?;
    let claim = Claim {
        request: &again.request,
        output: Some(&again.output),
        prompt_tokens: receipt.prompt_tokens,
        completion_tokens: receipt.completion_tokens,
        fingerprint: fingerprint.as_ref(),
    };
    Ok(execute(&model, claim).await?.fault.map_or(Outcome::NotFoundAgain, Outcome::FoundAgain))
}
