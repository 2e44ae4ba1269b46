//! A schedule calls its worker at each of its times exactly once, whoever is killed in between; what
//! fell due while no server ran is made up for as the schedule says.

use std::time::Duration;

use everlog_tests::schedule::{add, ask, calls};
use everlog_tests::{fixtures, seed, server::Server, wait};
use rand::Rng as _;
use reqwest::Method;
use serde_json::{Value, json};

/// Each second.
const OFTEN: &str = "* * * * * *";
const KILLS: u32 = 6;
/// How long the server lives between two kills, in milliseconds.
const LIFE: std::ops::Range<u64> = 100..1_500;
/// What is later than this was missed, in seconds; shorter is the time that a firing takes.
const GRACE: u64 = 5;

async fn get(server: &Server, name: &str) -> Value {
    ask(server.api(), Method::GET, &[name]).await.expect(200)
}

#[tokio::test]
async fn once_is_once_also_when_it_was_missed() {
    let mut server = Server::start().await;
    let counter = server.deploy(&fixtures::COUNTER).await;
    let made = add(server.api(), "soon", "mary", json!({ "delay": "1s" })).await.expect(201);
    assert_eq!((&made["status"], &made["fired"]), (&json!("active"), &json!(0)));
    let skipped = json!({ "delay": "1s", "missed": "skip" });
    add(server.api(), "skipped", "john", skipped).await.expect(201);
    server.kill();
    wait::until_wall_clock(wait::wall_clock() + 1_000 * (GRACE + 2)).await;
    for _ in 0..2 {
        server.start_again().await;
        wait::until("both are over", async || {
            let over = [get(&server, "soon").await, get(&server, "skipped").await];
            over.iter().all(|schedule| schedule["status"] == "finished").then_some(())
        })
        .await;
        server.kill();
    }
    server.start_again().await;
    let mary = counter.worker("mary");
    let soon = get(&server, "soon").await;
    let key = soon["last"]["idempotencyKey"].as_str().expect("a key").to_owned();
    assert_eq!(mary.outcome(&key).await["result"], 1);
    assert_eq!(mary.call("get", json!([])).await, 1);
    assert_eq!(calls(&mary).await.len(), 1);
    assert_eq!((&soon["fired"], &soon["skipped"]), (&json!(1), &json!(0)));
    let skipped = get(&server, "skipped").await;
    assert_eq!((&skipped["fired"], &skipped["skipped"]), (&json!(0), &json!(1)));
}

#[tokio::test]
async fn each_time_is_fired_once_through_kills() {
    let mut random = seed::generator();
    let mut server = Server::start().await;
    let mary = server.deploy(&fixtures::COUNTER).await.worker("mary");
    let all = json!({ "cron": OFTEN, "missed": "run-all" });
    add(server.api(), "often", "mary", all).await.expect(201);
    for _ in 0..KILLS {
        wait::pause(Duration::from_millis(random.random_range(LIFE))).await;
        server.restart_after_kill().await;
    }
    wait::until("some more have fired", async || {
        (get(&server, "often").await["fired"].as_u64() >= Some(10)).then_some(())
    })
    .await;
    ask(server.api(), Method::POST, &["often", "pause"]).await.expect(200);
    // What is on its way when it is paused still comes.
    let calls = wait::until("nothing is on its way", async || {
        let seen = calls(&mary).await;
        (mary.call("get", json!([])).await == seen.len()).then_some(seen)
    })
    .await;
    let dues: Vec<u64> = calls.iter().map(|call| call.due).collect();
    let consecutive = dues.windows(2).all(|pair| pair[1] == (pair[0] + 1) % 86_400);
    assert!(consecutive, "each second and in order: {dues:?}");
}

/// A cron expression for these seconds after the beginning of a test, which takes less than a minute.
fn at_seconds(beginning: u64, seconds: &[u64]) -> String {
    let seconds = seconds.iter().map(|second| ((beginning + second) % 60).to_string());
    format!("{} * * * * *", seconds.collect::<Vec<_>>().join(","))
}

#[tokio::test]
async fn what_was_missed_is_made_up_for_as_it_says() {
    let mut server = Server::start().await;
    let counter = server.deploy(&fixtures::COUNTER).await;
    let policies = [
        ("skip", json!({ "missed": "skip" }), vec![]),
        ("run-once", json!({}), vec![12]),
        ("run-all", json!({ "missed": "run-all", "missedLimit": 3 }), vec![10, 11, 12]),
    ];
    let beginning = wait::wall_clock() / 1_000;
    for (name, members, _) in &policies {
        let mut members = members.clone();
        members["cron"] = at_seconds(beginning, &[3, 9, 10, 11, 12, 26]).into();
        add(server.api(), name, name, members).await.expect(201);
    }
    for (name, ..) in &policies {
        wait::until("it has fired", async || {
            (get(&server, name).await["fired"].as_u64() >= Some(1)).then_some(())
        })
        .await;
    }
    server.kill();
    wait::until_wall_clock(1_000 * (beginning + 12 + GRACE + 2)).await;
    server.start_again().await;
    for (name, _, made_up) in policies {
        let worker = counter.worker(name);
        let fires = 2 + made_up.len();
        let calls = wait::until("it goes on", async || {
            let calls = calls(&worker).await;
            (calls.len() >= fires).then_some(calls)
        })
        .await;
        let dues: Vec<u64> = calls.iter().map(|call| call.due).collect();
        let expected = [vec![3], made_up, vec![26]].concat();
        let expected: Vec<u64> =
            expected.into_iter().map(|second| (beginning + second) % 86_400).collect();
        assert_eq!(dues, expected, "{name}");
        let skipped = get(&server, name).await["skipped"].as_u64();
        assert_eq!(skipped, Some(6 - fires as u64), "{name}");
    }
}

#[tokio::test]
async fn schedules_are_listed_paused_and_removed() {
    let mut server = Server::start().await;
    let counter = server.deploy(&fixtures::COUNTER).await;
    let yearly = json!({ "cron": "30 2 29 3 *", "timeZone": "Europe/Berlin" });
    let made = add(server.api(), "yearly", "mary", yearly.clone()).await.expect(201);
    assert_eq!(made["upcoming"].as_array().map(Vec::len), Some(5));
    assert_eq!((&made["missed"], &made["arguments"]), (&json!("run-once"), &json!([1])));
    add(server.api(), "yearly", "mary", yearly.clone()).await.expect(200);
    add(server.api(), "yearly", "john", yearly).await.expect_problem(409, "schedule-exists");

    let paused = json!({ "cron": OFTEN, "paused": true });
    add(server.api(), "paused", "john", paused).await.expect(201);
    server.restart_after_kill().await;
    let listed = ask(server.api(), Method::GET, &[]).await.expect(200);
    let names: Vec<_> =
        listed["schedules"].as_array().expect("some").iter().map(|it| &it["name"]).collect();
    assert_eq!(names, [&json!("paused"), &json!("yearly")]);
    assert_eq!(get(&server, "paused").await["status"], "paused");
    let resumed = ask(server.api(), Method::POST, &["paused", "resume"]).await.expect(200);
    assert_eq!(resumed["status"], "active");
    let john = counter.worker("john");
    wait::until("it fires", async || {
        (get(&server, "paused").await["fired"].as_u64() >= Some(2)).then_some(())
    })
    .await;
    assert!(!calls(&john).await.is_empty());
    assert_eq!(ask(server.api(), Method::DELETE, &["paused"]).await.status, 204);
    ask(server.api(), Method::GET, &["paused"]).await.expect_problem(404, "schedule-not-found");
    ask(server.api(), Method::DELETE, &["paused"]).await.expect_problem(404, "schedule-not-found");
}

#[tokio::test]
async fn what_cannot_be_is_refused_and_what_goes_wrong_is_told() {
    let server = Server::start().await;
    server.deploy(&fixtures::COUNTER).await;
    let often = json!({ "cron": OFTEN });
    for (members, status, code) in [
        (json!({}), 400, "invalid-request"),
        (json!({ "cron": "every day" }), 400, "invalid-request"),
        (json!({ "cron": OFTEN, "timeZone": "Europe/Atlantis" }), 400, "invalid-request"),
        (json!({ "cron": OFTEN, "missed": "perhaps" }), 400, "invalid-request"),
        (json!({ "cron": OFTEN, "name": "a/b" }), 400, "invalid-request"),
        (json!({ "cron": OFTEN, "function": "subtract" }), 404, "function-not-found"),
        (json!({ "cron": OFTEN, "component": "nothing" }), 404, "component-not-found"),
        (json!({ "cron": OFTEN, "arguments": ["one"] }), 400, "invalid-arguments"),
        (json!({ "cron": OFTEN, "croon": 1 }), 400, "malformed-json"),
    ] {
        add(server.api(), "bad", "w", members).await.expect_problem(status, code);
    }
    assert_eq!(ask(server.api(), Method::GET, &[]).await.expect(200)["schedules"], json!([]));

    add(server.api(), "orphan", "w", often).await.expect(201);
    let forced = server.api().request_path(Method::DELETE, "/v1/components/counter?force=true");
    assert_eq!(everlog_tests::api::send(forced).await.status, 204);
    let error = wait::until("it can't fire", async || {
        get(&server, "orphan").await["last"]["error"].as_str().map(str::to_owned)
    })
    .await;
    assert!(error.contains("there is no component"), "{error}");
}

#[tokio::test]
async fn the_command_line_does_all_of_it() {
    let server = Server::start().await;
    let mary = server.deploy(&fixtures::COUNTER).await.worker("mary");
    let schedule = async |arguments: &[&str]| {
        let arguments = [&["schedule"], arguments].concat();
        everlog_tests::command::run(&server, &arguments).await
    };
    let common = ["counter", "mary", "add", "--json", "[5]"];
    let once = [&["add", "once"], &common[..], &["--delay", "100ms"]].concat();
    schedule(&once).await.success();
    let daily = ["--cron", "0 9 * * mon-fri", "--time-zone", "Asia/Kathmandu", "--missed", "skip"];
    let daily = [&["add", "daily"], &common[..], &daily].concat();
    let made = schedule(&[&daily[..], &["--output", "json"]].concat()).await.json();
    assert_eq!((&made["timeZone"], &made["missed"]), (&json!("Asia/Kathmandu"), &json!("skip")));
    wait::until("it has fired", async || (mary.call("get", json!([])).await == 5).then_some(()))
        .await;
    assert!(schedule(&["pause", "daily"]).await.success().contains("paused"));
    let listed = schedule(&["list"]).await.success();
    assert!(
        listed.contains("once") && listed.contains("0 9 * * mon-fri Asia/Kathmandu"),
        "{listed}"
    );
    assert!(schedule(&["resume", "daily"]).await.success().contains("active"));
    schedule(&["remove", "daily"]).await.success();
    let gone = schedule(&["describe", "daily"]).await;
    assert!(gone.code() == Some(1) && gone.errors().contains("schedule-not-found"));
}
