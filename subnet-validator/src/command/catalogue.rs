//! `catalogue`: which models are paid for, and where miners get them.

use std::io::Write;
use std::path::Path;

use http_body_util::{BodyExt, Limited};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use protocol::catalogue_document::{CatalogueDocument, Expected, Modality, SignedCatalogue, TARGET};

use super::{CommandError, Place, print_json, print_lines};
use crate::catalogue::build::{self, BuildError, ModelFiles, failed};
use crate::catalogue::{self, CatalogueFile, Listed};
use crate::cli::{BuildCatalogue, CatalogueCommand};
use crate::clock::Clock;

/// Largest catalogue that is shown, in bytes.
const BYTES_MAX: usize = 64 << 20;

pub(super) async fn run(
    place: &Place,
    command: CatalogueCommand,
    out: &mut impl Write,
) -> Result<(), CommandError> {
    match command {
        CatalogueCommand::Build(flags) => add(place, flags, out),
        CatalogueCommand::Sign { out: path } => {
            let signed = document(place)?.sign(&place.site.hotkey()?);
            build::publish(&path, signed)
                .map_err(failed("write", &path))
                .map_err(CommandError::BuildCatalogue)?;
            print_lines(out, &[format!("signed into {}", path.display())])
        }
        CatalogueCommand::Show { from, validator, output } => {
            let document = match from {
                None => document(place)?,
                Some(from) => {
                    let signed = read(&from).await.map_err(CommandError::BuildCatalogue)?;
                    let validator = validator.unwrap_or(signed.document.validator);
                    let now_ms = Clock::new().now_ms();
                    let expected = Expected { netuid: place.config.netuid, validator, now_ms };
                    let verified = signed.verify(&expected).map_err(BuildError::Document);
                    verified.map_err(CommandError::BuildCatalogue)?
                }
            };
            if output.json {
                let shown = serde_json::to_value(&document).map_err(|error| {
                    CommandError::BuildCatalogue(BuildError::Form {
                        from: "this validator".to_owned(),
                        reason: error.to_string(),
                    })
                })?;
                return print_json(out, &shown);
            }
            print_lines(out, &lines(&document))
        }
    }
}

/// The configuration's catalogue as this validator would publish it now.
fn document(place: &Place) -> Result<CatalogueDocument, CommandError> {
    let Listed { offers, .. } = match place.config.catalogue.as_str() {
        "" => catalogue::built_in(),
        path => catalogue::load(Path::new(path)).map_err(CommandError::Catalogue)?,
    };
    let hotkey = place.site.hotkey_account()?;
    let document = CatalogueDocument::new(place.config.netuid, hotkey, Clock::new().now_ms(), offers);
    document.check().map_err(BuildError::Document).map_err(CommandError::BuildCatalogue)?;
    Ok(document)
}

fn add(place: &Place, flags: BuildCatalogue, out: &mut impl Write) -> Result<(), CommandError> {
    let mut offers = match flags.out.exists() {
        true => catalogue::load(&flags.out).map_err(CommandError::Catalogue)?.offers,
        false => Vec::new(),
    };
    let model = ModelFiles {
        id: flags.id,
        path: flags.path,
        sources: flags.source,
        prompt_multiplier: flags.prompt_multiplier,
        completion_multiplier: flags.completion_multiplier,
        memory_bytes: flags.memory_bytes,
        modality: if flags.embedding { Modality::Embedding } else { Modality::Text },
    };
    let offer = build::offer(&model).map_err(CommandError::BuildCatalogue)?;
    offers.retain(|listed| listed.model.id != model.id);
    let said = format!("{}: {} bytes in {} files", model.id, offer.bytes(), offer.files.len());
    offers.push(offer);
    // Whose and when does not matter here, but whether miners would take it does.
    let document = CatalogueDocument::new(place.config.netuid, protocol::AccountId([0; 32]), 0, offers);
    document.check().map_err(BuildError::Document).map_err(CommandError::BuildCatalogue)?;
    let file = CatalogueFile { models: document.offers.into_iter().map(Into::into).collect() };
    let json = serde_json::to_string_pretty(&file).map_err(std::io::Error::other);
    json.and_then(|json| std::fs::write(&flags.out, json + "\n"))
        .map_err(failed("write", &flags.out))
        .map_err(CommandError::BuildCatalogue)?;
    print_lines(out, &[format!("{said}, now in {}", flags.out.display())])
}

async fn read(from: &str) -> Result<SignedCatalogue, BuildError> {
    let form = |reason: String| BuildError::Form { from: from.to_owned(), reason };
    let json = if from.starts_with("http://") {
        let url = format!("{}{TARGET}", from.trim_end_matches('/'));
        let url: http::Uri = url.parse().map_err(|error: http::uri::InvalidUri| form(error.to_string()))?;
        let http = Client::builder(TokioExecutor::new()).build_http::<http_body_util::Empty<bytes::Bytes>>();
        let response = http.get(url).await.map_err(|error| form(error.to_string()))?;
        let body = Limited::new(response.into_body(), BYTES_MAX).collect().await;
        body.map_err(|error| form(error.to_string()))?.to_bytes().to_vec()
    } else {
        std::fs::read(from).map_err(failed("read", Path::new(from)))?
    };
    serde_json::from_slice(&json).map_err(|error| form(error.to_string()))
}

fn lines(document: &CatalogueDocument) -> Vec<String> {
    let mut lines = vec![
        format!("validator  {}", document.validator),
        format!("subnet     {}", document.netuid),
        format!("hash       {}", document.hash()),
    ];
    for offer in &document.offers {
        let model = &offer.model;
        lines.push(format!(
            "{}  {:?}, {} bytes of memory, {}+{} thousandths a token, {} files of {} bytes",
            model.id,
            offer.modality,
            model.memory_bytes,
            model.prompt_multiplier,
            model.completion_multiplier,
            offer.files.len(),
            offer.bytes()
        ));
    }
    lines
}
