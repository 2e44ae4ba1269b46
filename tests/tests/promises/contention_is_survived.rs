//! The store refuses one batch of a worker, as it does when a worker of another node was quicker with data that both
//! share: the first, then the second, and so on through a whole story. Each time the worker does again what was lost, and
//! nothing twice: same answers, same lines, same status, and the same again when every call is repeated under its key.

use everlog_tests::stories;

#[tokio::test]
async fn of_plain_memory() {
    stories::plain_memory().survives_every_refusal().await;
}

#[tokio::test]
async fn of_calls() {
    stories::calls().survives_every_refusal().await;
}

#[tokio::test]
async fn of_sleep_that_leaves_memory() {
    stories::sleep_that_leaves_memory().survives_every_refusal().await;
}

#[tokio::test]
async fn of_state() {
    stories::state().survives_every_refusal().await;
}

#[tokio::test]
async fn of_buckets() {
    stories::buckets().survives_every_refusal().await;
}

#[tokio::test]
async fn of_objects() {
    stories::objects().survives_every_refusal().await;
}

#[tokio::test]
async fn of_promises() {
    stories::promises().survives_every_refusal().await;
}
