//! The store refuses one batch of a worker, as it does when a worker of another node was quicker with data that both
//! share: the first, then the second, and so on through a whole story. Each time the worker does again what was lost, and
//! nothing twice: same answers, same lines, same status, and the same again when every call is repeated under its key.

use everlog_tests::fixtures;
use everlog_tests::story::Story;
use serde_json::json;

#[tokio::test]
async fn of_buckets() {
    Story::of(&fixtures::KEY_VALUE)
        .call("add", json!(["b", "n", 5]))
        .call("set", json!(["b", "k", "one"]))
        .call("add", json!(["b", "n", 1]))
        .call("remember", json!(["b", "k"]))
        .call("compare-and-swap", json!(["b", "n", 6, 8]))
        .call("delete", json!(["b", "k"]))
        .call("add", json!(["b", "n", 1]))
        .call("remembered", json!([]))
        .survives_every_refusal()
        .await;
}

#[tokio::test]
async fn of_plain_memory() {
    let story = Story::of(&fixtures::COUNTER);
    let story = story.call("add", json!([5])).call("add", json!([1])).call("get", json!([]));
    story.survives_every_refusal().await;
}

#[tokio::test]
async fn of_calls() {
    let at = |worker: &str| format!("urn:worker:relay/{worker}");
    let added = |worker: &str| json!([at(worker), "added-sum", 0]);
    Story::of(&fixtures::RELAY)
        .call("call", json!([at("a"), "add", 5]))
        .call("chain", json!([[at("b"), at("c")], 2]))
        .call("fan-out", json!([[at("a"), at("b")], 3]))
        .call("send", json!([at("c"), 3]))
        .call("add-through-fresh", json!([at("a"), 7]))
        .call("call", added("a"))
        .call("call", added("b"))
        .call("call", added("c"))
        .call("total", json!([]))
        .survives_every_refusal()
        .await;
}

#[tokio::test]
async fn of_objects() {
    Story::of(&fixtures::BLOB_STORE)
        .call("create", json!(["c"]))
        .call("write", json!(["c", "o", "one"]))
        .call("move", json!(["c", "o", "c", "p"]))
        .call("remember", json!(["c", "p"]))
        .call("delete", json!(["c"]))
        .call("remembered", json!([]))
        .survives_every_refusal()
        .await;
}

#[tokio::test]
async fn of_state() {
    Story::of(&fixtures::STATE_KEEPER)
        .call("add", json!(["n", 5]))
        .call("set-long", json!(["long", 300_000]))
        .call("add", json!(["n", 2]))
        .call("keys", json!([""]))
        .call("clear", json!(["n"]))
        .call("keys", json!([""]))
        .survives_every_refusal()
        .await;
}

#[tokio::test]
async fn of_sleep_that_leaves_memory() {
    Story::of(&fixtures::SLEEPER)
        .call("sleep-often", json!([3, 30]))
        .call("awakenings", json!([]))
        .flags(&["--suspend-after", "10ms"])
        .survives_every_refusal()
        .await;
}

#[tokio::test]
async fn of_promises() {
    Story::of(&fixtures::APPROVALS)
        .call("ask-myself", json!([]))
        .call("siblings", json!(["he", "hero"]))
        .call("ask-myself", json!([]))
        .call("status-of", json!(["nobody"]))
        .survives_every_refusal()
        .await;
}
