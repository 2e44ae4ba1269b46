//! What is due at a time happens when the wall clock shows that time, exactly once, also where the clock is set while the
//! server runs, or while it is down.

use std::time::Duration;

use everlog_tests::clock::SetClock;
use everlog_tests::schedule::add;
use everlog_tests::worker::Worker;
use everlog_tests::{fixtures, server::Server, wait};
use serde_json::json;

const HOUR: Duration = Duration::from_secs(3_600);
const MINUTE: Duration = Duration::from_secs(60);

/// Long enough for a server that would act early to do so.
const A_WHILE: Duration = Duration::from_secs(2);

/// Waits until a worker has completed so many calls. Reading its log does not bring it into memory, as asking it would.
async fn completes(worker: &Worker, calls: usize) {
    wait::until("it has completed its calls", async || {
        let completed = worker.oplog_of_type("invocation-completed").await.len();
        assert!(completed <= calls, "{completed} calls have completed, not {calls}");
        (completed == calls).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_clock_set_forward_brings_it_on_once() {
    let clock = SetClock::right();
    let mut server = Server::start_by(&clock, &[]).await;
    let mary = server.deploy(&fixtures::COUNTER).await.worker("mary");
    let key = mary.start_when("add", json!([5]), &[("delay", "1h")]).await;
    clock.set_ahead(HOUR);
    completes(&mary, 1).await;
    // By this time it is due again, and by the next again, and so it is after a start.
    clock.set_behind(HOUR);
    server.restart_after_kill().await;
    clock.set_ahead(2 * HOUR);
    server.restart_after_kill().await;
    wait::pause(A_WHILE).await;
    completes(&mary, 1).await;
    assert_eq!(mary.call("get", json!([])).await, 5);
    assert_eq!(mary.outcome(&key).await["result"], 5);
}

#[tokio::test]
async fn a_clock_set_back_keeps_it_waiting() {
    let clock = SetClock::right();
    let mut server = Server::start_by(&clock, &[]).await;
    let mary = server.deploy(&fixtures::COUNTER).await.worker("mary");
    let key = mary.start_when("add", json!([5]), &[("delay", "2s")]).await;
    clock.set_behind(HOUR);
    wait::pause(2 * A_WHILE).await;
    assert_eq!(mary.invocation_state(&key).await.expect(200)["status"], "scheduled");
    server.restart_after_kill().await;
    wait::pause(A_WHILE).await;
    assert_eq!(mary.invocation_state(&key).await.expect(200)["status"], "scheduled");
    clock.set_ahead(MINUTE);
    completes(&mary, 1).await;
    assert_eq!(mary.call("get", json!([])).await, 5);
}

/// What is asked for after the clock was set back is due before things that the server was looking forward to.
#[tokio::test]
async fn what_begins_after_it_was_set_back_is_in_time() {
    let clock = SetClock::right();
    let server = Server::start_by(&clock, &["--suspend-after", "1s"]).await;
    let mary = server.deploy(&fixtures::COUNTER).await.worker("mary");
    let sleeper = server.deploy(&fixtures::SLEEPER).await.worker("s");
    clock.set_behind(HOUR);
    mary.start_when("add", json!([5]), &[("delay", "50s")]).await;
    sleeper.start("sleep-for", json!([50_000])).await;
    sleeper.reaches("suspended").await;
    server.nobody_is_loaded().await;
    clock.set_behind(HOUR - MINUTE);
    completes(&mary, 1).await;
    completes(&sleeper, 1).await;
}

/// A schedule fires at each of its times once, however often the clock shows that time.
#[tokio::test]
async fn schedules_fire_once() {
    let clock = SetClock::right();
    let mut server = Server::start_by(&clock, &[]).await;
    let mary = server.deploy(&fixtures::COUNTER).await.worker("mary");
    mary.call("get", json!([])).await;
    let in_half_an_hour = wait::wall_clock() / 60_000 % 1_440 + 30;
    let (hour, minute) = (in_half_an_hour / 60 % 24, in_half_an_hour % 60);
    let daily = json!({ "cron": format!("{minute} {hour} * * *") });
    add(server.api(), "daily", "mary", daily).await.expect(201);
    let has_fired = async |times: u64| {
        wait::until("it has fired", async || {
            let count = mary.call("get", json!([])).await.as_u64().expect("a number");
            assert!(count <= times, "it has fired {count} times, not {times}");
            (count == times).then_some(())
        })
        .await;
    };
    clock.set_ahead(HOUR);
    has_fired(1).await;
    // A server that starts looks at once at what is due by its clock.
    for set in [SetClock::set_behind, SetClock::set_ahead] {
        set(&clock, HOUR);
        server.restart_after_kill().await;
        wait::pause(A_WHILE).await;
        has_fired(1).await;
    }
    clock.set_ahead(25 * HOUR);
    has_fired(2).await;
}
