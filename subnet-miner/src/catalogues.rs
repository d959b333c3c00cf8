//! What validators pay for: their signed catalogues, fetched, checked and merged.

use std::collections::BTreeMap;
use std::time::Duration;

use futures::StreamExt;
use protocol::account::AccountId;
use protocol::catalogue_document::{
    CatalogueDocument, DocumentError, Expected, Offer, SignedCatalogue, TARGET, Voice, merge,
};

use crate::permits::{Permits, Refusal};

/// Why a validator's catalogue does not count.
#[derive(Debug, thiserror::Error)]
pub enum CatalogueError {
    /// It may not call this miner either.
    #[error("the validator has no say here: {0}")]
    Permit(Refusal),
    /// It cannot be reached, or answers something else.
    #[error("cannot fetch the catalogue")]
    Fetch(#[source] reqwest::Error),
    /// Its size.
    #[error("the catalogue is longer than {bytes_max} bytes")]
    TooLong {
        /// What is read at most.
        bytes_max: usize,
    },
    /// Its form.
    #[error("the catalogue is not what one looks like")]
    Form(#[source] serde_json::Error),
    /// Its signature or content.
    #[error(transparent)]
    Document(DocumentError),
}

/// The newest good catalogue of each validator. One that fails to come leaves the last one standing.
#[derive(Clone, Debug, Default)]
pub struct Catalogues {
    documents: BTreeMap<AccountId, CatalogueDocument>,
}

impl Catalogues {
    /// Takes a checked catalogue, unless a newer one is there.
    pub fn take(&mut self, document: CatalogueDocument) {
        let held = self.documents.get(&document.validator);
        if held.is_none_or(|held| held.issued_at_ms <= document.issued_at_ms) {
            self.documents.insert(document.validator, document);
        }
    }

    /// Forgets validators that are not asked any more.
    pub fn retain(&mut self, asked: impl Fn(&AccountId) -> bool) {
        self.documents.retain(|validator, _| asked(validator));
    }

    /// What those with a permit offer together; see [`protocol::catalogue_document::merge`].
    #[must_use]
    pub fn offers(&self, permits: &Permits, now_ms: u64) -> Vec<Offer> {
        let permitted =
            self.documents.values().filter(|document| permits.check(&document.validator, now_ms).is_ok());
        let voices: Vec<Voice<'_>> = permitted
            .map(|document| Voice { document, stake_rao: permits.stake_rao(&document.validator) })
            .collect();
        merge(&voices)
    }
}

/// Fetches and checks one validator's catalogue. Whether it has a say is `permits`' matter.
pub async fn fetch(
    http: &reqwest::Client,
    gateway: &str,
    expected: &Expected,
    permits: &Permits,
    bytes_max: usize,
) -> Result<CatalogueDocument, CatalogueError> {
    permits.check(&expected.validator, expected.now_ms).map_err(CatalogueError::Permit)?;
    let url = format!("{}{TARGET}", gateway.trim_end_matches('/'));
    let response = http.get(url).timeout(Duration::from_secs(30)).send().await;
    let response = response.and_then(reqwest::Response::error_for_status).map_err(CatalogueError::Fetch)?;
    let (mut body, mut pieces) = (Vec::new(), response.bytes_stream());
    while let Some(piece) = pieces.next().await {
        let piece = piece.map_err(CatalogueError::Fetch)?;
        if body.len() + piece.len() > bytes_max {
            return Err(CatalogueError::TooLong { bytes_max });
        }
        body.extend_from_slice(&piece);
    }
    let signed: SignedCatalogue = serde_json::from_slice(&body).map_err(CatalogueError::Form)?;
    signed.verify(expected).map_err(CatalogueError::Document)
}
