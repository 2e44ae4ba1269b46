//! Stories that are told under more than one drill.

use serde_json::json;

use crate::fixtures;
use crate::story::Story;

/// Numbers in plain memory.
#[must_use]
pub fn plain_memory() -> Story {
    Story::of(&fixtures::COUNTER)
        .call("add", json!([5]))
        .call("add", json!([1]))
        .call("get", json!([]))
}

/// Calls of other workers. What others were told is part of it: at its end each is asked what it was given to add.
#[must_use]
pub fn calls() -> Story {
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
}

/// Sleeps that are long enough to leave memory.
#[must_use]
pub fn sleep_that_leaves_memory() -> Story {
    Story::of(&fixtures::SLEEPER)
        .call("sleep-often", json!([3, 30]))
        .call("awakenings", json!([]))
        .flags(&["--suspend-after", "10ms"])
}

/// State of the worker, small and large.
#[must_use]
pub fn state() -> Story {
    Story::of(&fixtures::STATE_KEEPER)
        .call("add", json!(["n", 5]))
        .call("set-long", json!(["long", 300_000]))
        .call("add", json!(["n", 2]))
        .call("keys", json!([""]))
        .call("clear", json!(["n"]))
        .call("add", json!(["n", 1]))
        .call("clear-all", json!([]))
        .call("keys", json!([""]))
}

/// Values and numbers in buckets.
#[must_use]
pub fn buckets() -> Story {
    Story::of(&fixtures::KEY_VALUE)
        .call("add", json!(["b", "n", 5]))
        .call("set", json!(["b", "k", "one"]))
        .call("add", json!(["b", "n", 1]))
        .call("remember", json!(["b", "k"]))
        .call("compare-and-swap", json!(["b", "n", 6, 8]))
        .call("set-many", json!(["b", [["x", "1"], ["k", "two"]]]))
        .call("remember", json!(["b", "k"]))
        .call("delete", json!(["b", "x"]))
        .call("keys", json!(["b"]))
        .call("get-or-set", json!(["k", "first"]))
        .call("get-or-set", json!(["k", "second"]))
        .call("add", json!(["b", "n", 1]))
        .call("remembered", json!([]))
}

/// Objects in containers.
#[must_use]
pub fn objects() -> Story {
    Story::of(&fixtures::BLOB_STORE)
        .call("create", json!(["c"]))
        .call("create", json!(["c"]))
        .call("write", json!(["c", "o", "one"]))
        .call("move", json!(["c", "o", "c", "p"]))
        .call("remember", json!(["c", "p"]))
        .call("names", json!(["c", 1]))
        .call("delete", json!(["c"]))
        .call("read", json!(["c", "p"]))
        .call("remembered", json!([]))
}

/// Promises, made and awaited by the worker itself.
#[must_use]
pub fn promises() -> Story {
    Story::of(&fixtures::APPROVALS)
        .call("ask-myself", json!([]))
        .call("siblings", json!(["he", "hero"]))
        .call("ask-myself", json!([]))
        .call("status-of", json!(["nobody"]))
}
