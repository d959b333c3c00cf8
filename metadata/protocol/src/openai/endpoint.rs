//! What a validator may ask a miner for: a path, and the kind of ticket that orders it.

use crate::ticket::Kind;

/// One of the calls that run at a miner, each with its ticket, receipt and countersignature.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Endpoint {
    /// `POST /v1/chat/completions`.
    Chat,
    /// `POST /v1/completions`.
    Completion,
    /// `POST /v1/embeddings`.
    Embedding,
    /// `POST /tokenize`.
    Tokenize,
    /// `POST /detokenize`.
    Detokenize,
}

impl Endpoint {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::Chat, Self::Completion, Self::Embedding, Self::Tokenize, Self::Detokenize];

    /// Where it is at a miner and at a gateway.
    pub const fn path(self) -> &'static str {
        match self {
            Self::Chat => "/v1/chat/completions",
            Self::Completion => "/v1/completions",
            Self::Embedding => "/v1/embeddings",
            Self::Tokenize => "/tokenize",
            Self::Detokenize => "/detokenize",
        }
    }

    /// The kind of an ordinary ticket for it.
    pub const fn kind(self) -> Kind {
        match self {
            Self::Chat => Kind::Chat,
            Self::Completion => Kind::Completion,
            Self::Embedding => Kind::Embedding,
            Self::Tokenize | Self::Detokenize => Kind::Tokenize,
        }
    }

    /// Whether a ticket of this kind orders it: its own, and where a model computes also probes and bounty claims,
    /// which look like any request.
    pub const fn is_ordered_by(self, kind: Kind) -> bool {
        match kind {
            Kind::Chat => matches!(self, Self::Chat),
            Kind::Completion => matches!(self, Self::Completion),
            Kind::Embedding => matches!(self, Self::Embedding),
            Kind::Tokenize => matches!(self, Self::Tokenize | Self::Detokenize),
            Kind::Probe | Kind::BountyClaim => {
                matches!(self, Self::Chat | Self::Completion | Self::Embedding)
            }
        }
    }
}
