//! Admission, with nobody answering: the test holds the engine's end of the queue.

use rayon::ThreadPoolBuilder;

use super::*;
use crate::echo;
use crate::runtime::Prompt;

fn handle(slots: usize, queue_requests_max: usize) -> (ModelHandle, mpsc::UnboundedReceiver<Request>) {
    let (queue, requests) = mpsc::unbounded_channel();
    let requests_max = slots + queue_requests_max;
    let handle = ModelHandle::new(Shared {
        facts: echo::facts("echo", 100),
        encoder: Arc::new(Encoder::Echo),
        queue,
        places: Arc::new(Semaphore::new(requests_max)),
        slots,
        requests_max,
        threads: Arc::new(ThreadPoolBuilder::new().num_threads(1).build().unwrap()),
        metrics: Arc::default(),
        _reserved: None,
    });
    (handle, requests)
}

fn hello() -> GenerateRequest {
    GenerateRequest::greedy(Prompt::user("hello"), 5)
}

#[tokio::test]
async fn more_requests_than_slots_and_places_are_refused_until_one_is_gone() {
    let (handle, mut requests) = handle(1, 1);
    let _first = handle.generate(hello()).await.unwrap();
    let _second = handle.generate(hello()).await.unwrap();
    assert_eq!(handle.load(), Load { slots: 1, in_flight: 2, requests_max: 2 });
    let error = handle.generate(hello()).await.unwrap_err();
    assert!(matches!(error, GenerateError::QueueFull { requests_max: 2 }), "{error}");
    drop(requests.recv().await);
    assert_eq!(handle.load().in_flight, 1);
    handle.generate(hello()).await.unwrap();
}

#[tokio::test]
async fn a_refused_request_takes_no_place() {
    let (handle, _requests) = handle(1, 1);
    for _ in 0..3 {
        assert!(matches!(
            handle.generate(GenerateRequest::greedy(Prompt::user(""), 5)).await,
            Err(GenerateError::EmptyPrompt)
        ));
    }
    assert_eq!(handle.load().in_flight, 0);
}

#[tokio::test]
async fn a_request_to_a_stopped_model_says_so() {
    let (handle, requests) = handle(1, 1);
    drop(requests);
    assert!(matches!(handle.generate(hello()).await, Err(GenerateError::Stopped)));
}

#[tokio::test]
async fn an_answer_whose_engine_dies_ends_with_a_failure() {
    use futures::StreamExt as _;
    let (handle, mut requests) = handle(1, 1);
    let mut generation = handle.generate(hello()).await.unwrap();
    drop(requests.recv().await);
    assert!(matches!(generation.next().await, Some(crate::Event::Failed(_))));
    assert_eq!(generation.next().await, None);
}
