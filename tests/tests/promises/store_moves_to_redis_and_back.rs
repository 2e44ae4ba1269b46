//! `everlog store copy` moves all state from files to Redis and back: workers go on there with all
//! that they had, timers and promises too. It may be killed at any moment and run again, and what is
//! only half there is not served.

use std::path::Path;
use std::process::Stdio;

use everlog_tests::command::{Finished, run_in};
use everlog_tests::process::{Process, everlog};
use everlog_tests::redis::RedisServer;
use everlog_tests::server::{Server, StoppedData};
use everlog_tests::{fixtures, wait};
use serde_json::{Value, json};
use tempfile::TempDir;

/// More than stands in an entry, so that each is a blob, which is synced by itself.
const LARGE_BYTES: usize = 300 << 10;

/// So many of them that a copy takes a while.
const LARGE_VALUES: usize = 40;

/// How much of a copy is there when it is killed; there are two blobs for each value.
const KILLED_AT: [usize; 4] = [1, 10, 30, 60];

/// Longer than the copy of a small history takes.
const DELAY: &str = "3s";

/// Runs `everlog store copy` to its end, with what follows.
async fn copy(arguments: &[&str]) -> Finished {
    let folder = TempDir::new().expect("a temporary directory");
    run_in(folder.path(), &[&["store", "copy"], arguments].concat()).await
}

/// Runs `everlog store copy` until there is enough to see, and kills it then.
async fn copy_until(arguments: &[&str], mut is_enough: impl FnMut() -> bool) {
    let mut command = everlog();
    command.args(["store", "copy"]).args(arguments);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut process = Process::start(&mut command);
    wait::until("enough is copied", async || {
        assert!(process.ended().is_none(), "it was too quick to be killed");
        is_enough().then_some(())
    })
    .await;
    process.kill();
}

fn files(directory: &Path) -> String {
    format!("embedded:{}", directory.display())
}

fn count_blobs(directory: &Path) -> usize {
    let listed = |directory: &Path| directory.read_dir().into_iter().flatten().flatten();
    let shards = listed(&directory.join("blobs")).map(|shard| shard.path());
    shards.filter(|shard| !shard.ends_with("incoming")).map(|shard| listed(&shard).count()).sum()
}

/// What [`history`] left.
struct Left {
    data: StoppedData,
    /// What worker `w` waits for, in the call with this key.
    promise: Value,
    waiting: String,
    /// The call of worker `later` that is due soon.
    delayed: String,
}

/// Files with a counter that has added 7, one that will add 100 in a moment, and a worker that waits
/// for a promise.
async fn history() -> Left {
    let mut server = Server::start_on_store("embedded", &["--suspend-after", "10ms"]).await;
    let counter = server.deploy(&fixtures::COUNTER).await;
    let mary = counter.worker("mary");
    mary.call("add", json!([5])).await;
    mary.invoke_with_key("add", json!([2]), "k").await.expect(200);
    let worker = server.deploy(&fixtures::PROMISES).await.worker("w");
    let waiting = worker.start("create-and-wait", json!([])).await;
    let promise = worker.made_promise().await;
    server.restart_after_kill().await;
    let later = counter.worker("later");
    let delayed = later.start_when("add", json!([100]), &[("delay", DELAY)]).await;
    Left { data: server.into_data().await, promise, waiting, delayed }
}

/// The counter of [`history`] goes on where it was, and has added `total` afterwards.
async fn goes_on(server: &Server, total: u64) {
    let mary = server.api().component("counter").worker("mary");
    let again = mary.invoke_with_key("add", json!([2]), "k").await;
    assert_eq!(again.expect(200), 7, "it ran before");
    assert_eq!(mary.call("add", json!([1])).await, total);
    assert_eq!(mary.metadata().await, mary.rebuilt_metadata().await);
}

#[tokio::test]
async fn workers_go_on_there_and_here_again() {
    let Left { data, promise, waiting, delayed } = history().await;
    let redis = RedisServer::start();
    let (source, url) = (files(&data.data_directory()), redis.url());
    let told = copy(&["--from", &source, "--to", &url, "--to-prefix", "mine:"]).await.success();
    assert!(told.contains("is copied to redis://") && told.contains("3 workers"), "{told}");

    let flags = ["--store-prefix", "mine:", "--suspend-after", "10ms"];
    let mut server = Server::start_on_redis(redis, &flags).await;
    goes_on(&server, 8).await;
    let worker = server.api().component("promises").worker("w");
    assert_eq!(worker.completes(&promise, "there").await, true);
    assert_eq!(worker.outcome(&waiting).await["result"], "there");
    let later = server.api().component("counter").worker("later");
    assert_eq!(later.outcome(&delayed).await["result"], 100);

    let back = TempDir::new().expect("a temporary directory");
    let home = files(&back.path().join("data"));
    let home = ["--from", &url, "--from-prefix", "mine:", "--to", &home, "--output", "json"];
    let used = copy(&home).await;
    assert_eq!(used.code(), Some(1));
    assert!(used.errors().contains("in use by"), "{}", used.errors());
    server.terminate().await;
    assert_eq!(copy(&home).await.json()["workers"], 3);
    let server = Server::start_on_copy(&StoppedData::in_files(back), &[]).await;
    goes_on(&server, 9).await;
    let state = server.api().component("promises").worker("w").promise(&promise).await;
    assert_eq!(state.expect(200)["state"], "completed");
}

/// Files with many large values, and the worker that remembers one of them.
async fn large_history() -> StoppedData {
    let server = Server::start_on_store("embedded", &[]).await;
    let component = server.deploy(&fixtures::KEY_VALUE).await;
    let writer = component.worker("writer");
    for number in 0..LARGE_VALUES {
        let value = format!("{number:05}").repeat(LARGE_BYTES / 5);
        writer.call("set", json!(["b", number.to_string(), value])).await;
    }
    component.worker("reader").call("remember", json!(["b", "7"])).await;
    server.into_data().await
}

async fn has_everything(server: &Server) {
    let component = server.api().component("key-value");
    let remembered = component.worker("reader").call("remembered", json!([])).await;
    assert!(remembered.to_string().contains("0000700007"), "it is replayed");
    for number in 0..LARGE_VALUES {
        let got = component.worker("other").call("get", json!(["b", number.to_string()])).await;
        let value = format!("{number:05}").repeat(LARGE_BYTES / 5);
        assert!(got.to_string().contains(&value), "value {number}");
    }
}

/// `everlog serve` ends with this sentence.
async fn is_not_served(flags: &[&str]) {
    let folder = TempDir::new().expect("a temporary directory");
    let arguments = [&["serve", "--listen", "127.0.0.1:0"], flags].concat();
    let refused = run_in(folder.path(), &arguments).await;
    assert_eq!(refused.code(), Some(1), "{}", refused.errors());
    let errors = refused.errors();
    assert!(errors.contains("is the target of a copy of everything from"), "{errors}");
}

#[tokio::test]
async fn killed_again_and_again_it_ends_the_same() {
    let data = large_history().await;
    let folder = TempDir::new().expect("a temporary directory");
    let copied = folder.path().join("data");
    let (source, target) = (files(&data.data_directory()), files(&copied));
    let arguments = ["--from", &*source, "--to", &target];
    for blobs in KILLED_AT {
        copy_until(&arguments, || count_blobs(&copied) >= blobs).await;
    }
    is_not_served(&["--data-dir", &copied.display().to_string()]).await;
    assert!(count_blobs(&copied) < count_blobs(&data.data_directory()), "it is not whole yet");
    copy(&arguments).await.success();
    assert_eq!(count_blobs(&copied), count_blobs(&data.data_directory()));
    has_everything(&Server::start_on_copy(&StoppedData::in_files(folder), &[]).await).await;
}

#[tokio::test]
async fn also_on_its_way_to_redis() {
    let data = large_history().await;
    let redis = RedisServer::start();
    let (source, target) = (files(&data.data_directory()), redis.url());
    let arguments = ["--from", &*source, "--to", &target];
    let keys = || redis.ask("DBSIZE").trim_start_matches(':').split('\r').next()?.parse().ok();
    copy_until(&arguments, || keys().is_some_and(|keys: usize| keys >= 40)).await;
    is_not_served(&["--store", &target]).await;
    copy(&arguments).await.success();
    has_everything(&Server::start_on_redis(redis, &[]).await).await;
}

#[tokio::test]
async fn a_worker_goes_alone_with_its_component_and_its_large_values() {
    let data = large_history().await;
    let other = history().await.data;
    let (from, to) = (files(&data.data_directory()), files(&other.data_directory()));
    let reader = ["--from", &*from, "--to", &to, "--worker", "key-value/reader"];
    copy(&reader).await.success();
    let again = copy(&reader).await;
    assert_eq!(again.code(), Some(1));
    assert!(again.errors().contains("/reader; copy into an empty place"), "{}", again.errors());
    let server = Server::start_on_copy(&other, &[]).await;
    goes_on(&server, 8).await;
    let component = server.api().component("key-value");
    let remembered = component.worker("reader").call("remembered", json!([])).await;
    assert!(remembered.to_string().contains("0000700007"), "{remembered}");
    let writer = component.worker("writer");
    writer
        .request(reqwest::Method::GET, &[])
        .send()
        .await
        .expect("an answer")
        .error_for_status()
        .expect_err("the writer stayed where it was");
}

#[tokio::test]
async fn what_does_not_fit_is_refused_and_changes_nothing() {
    let (one, two) = (history().await.data, history().await.data);
    let (from, to) = (files(&one.data_directory()), files(&two.data_directory()));
    let refused = async |arguments: &[&str], reason: &str| {
        let refused = copy(arguments).await;
        assert_eq!(refused.code(), Some(1), "{}", refused.output());
        assert!(refused.errors().contains(reason), "{}", refused.errors());
    };
    let both = ["--from", &*from, "--to", &to];
    refused(&both, "already holds worker").await;
    // Each server drew a UUID for the component of this name.
    let mary = [&both[..], &["--worker", "counter/mary"]].concat();
    refused(&mary, "component counter of the target has the UUID").await;
    refused(&[&both[..], &["--worker", "counter/bob"]].concat(), "no worker `counter/bob`").await;
    refused(&[&both[..], &["--worker", "none/bob"]].concat(), "no component `none`").await;
    refused(&[&both[..], &["--worker", "bob"]].concat(), "expected component/worker").await;
    refused(&["--from", &from, "--to", &from], "the same place").await;
    refused(&["--from", "embedded:nowhere", "--to", &to], "there is no state").await;
    refused(&["--from", &from, "--to", "redis://mary:secret@"], "--to: ").await;
    refused(&["--to", &to, "--discard"], "so there is none to discard").await;
    goes_on(&Server::start_on_copy(&two, &[]).await, 8).await;
    goes_on(&Server::start_on_copy(&one, &[]).await, 8).await;
}
