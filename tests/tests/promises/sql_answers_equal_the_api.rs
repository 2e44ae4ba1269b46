//! What SQL says of components, workers, invocations, oplogs and state is what the API says, also after `kill -9`;
//! queries only read, and each limit is a plain refusal.

use everlog_tests::api::send;
use everlog_tests::command::run;
use everlog_tests::reply::Reply;
use everlog_tests::{fixtures, server::Server};
use reqwest::Method;
use serde_json::{Value, json};

async fn ask(server: &Server, sql: &str, parameters: Value) -> Reply {
    let body = json!({ "sql": sql, "parameters": parameters });
    send(server.api().request(Method::POST, &["v1", "query"]).json(&body)).await
}

async fn rows(server: &Server, sql: &str, parameters: Value) -> Vec<Value> {
    let answer = ask(server, sql, parameters).await.expect(200);
    answer["rows"].as_array().expect("rows").clone()
}

async fn with_history() -> Server {
    let server = Server::start().await;
    let counter = server.deploy(&fixtures::COUNTER).await;
    for (name, calls) in [("mary", 3), ("bob", 1), ("o'hara", 2)] {
        for call in 0..calls {
            let key = format!("{name}-{call}");
            counter.worker(name).invoke_with_key("add", json!([call]), &key).await.expect(200);
        }
    }
    let delay = [("delay", "1h")];
    counter.worker("mary").start_when("add", json!([9]), &delay).await;
    let canceller = server.deploy(&fixtures::CANCELLER).await.worker("mary");
    let key = canceller.start("hold", json!([3_600_000, 0])).await;
    canceller.has_logged("holds").await;
    send(canceller.request(Method::POST, &["invocations", &key, "kill"])).await.expect(200);
    server
}

#[tokio::test]
async fn workers_components_and_state() {
    let mut server = with_history().await;
    for round in 0..2 {
        let api = send(server.api().request(Method::GET, &["v1", "workers"])).await.expect(200);
        let sql = "select component, worker, status, version, created_at, last_index, pending from workers";
        let mut found = rows(&server, sql, json!([])).await;
        let mut expected: Vec<Value> = api["workers"]
            .as_array()
            .expect("workers")
            .iter()
            .map(|it| {
                let pending = it["pendingInvocations"].as_array().map_or(0, Vec::len);
                json!([
                    it["component"],
                    it["worker"],
                    it["status"],
                    it["version"],
                    it["createdAt"],
                    it["oplog"]["lastIndex"],
                    pending
                ])
            })
            .collect();
        found.sort_by_key(ToString::to_string);
        expected.sort_by_key(ToString::to_string);
        assert_eq!(found, expected, "round {round}");
        assert_eq!(found.len(), 4);
        server.restart_after_kill().await;
    }
    let names =
        rows(&server, "select component, version from components order by 1", json!([])).await;
    assert_eq!(names, [json!(["canceller", 0]), json!(["counter", 0])]);
    let mary = server.api().component("counter").worker("mary");
    let path = ["state", "cart"];
    let put = send(mary.request(Method::PUT, &path).body("42")).await;
    assert!((200..300).contains(&put.status), "{}", put.text());
    let found =
        rows(&server, "select key, value, size from state where worker = 'mary'", json!([])).await;
    assert_eq!(found, [json!(["cart", "42", 2])]);
    let schedule = json!({ "name": "nightly", "component": "counter", "worker": "mary",
        "function": "add", "arguments": [1], "cron": "0 3 * * *" });
    let schedules = server.api().request(Method::POST, &["v1", "schedules"]);
    send(schedules.json(&schedule)).await.expect(201);
    let sql = "select name, component, worker, function, cron, paused from schedules";
    let expected = json!(["nightly", "counter", "mary", "add", "0 3 * * *", 0]);
    assert_eq!(rows(&server, sql, json!([])).await, [expected]);
}

#[tokio::test]
async fn oplogs_and_invocations() {
    let mut server = with_history().await;
    for _ in 0..2 {
        let component = server.api().component("counter");
        for name in ["mary", "bob", "o'hara"] {
            let worker = component.worker(name);
            let sql = "select body from oplog where component = ?1 and worker = ?2 order by entry";
            let found = rows(&server, sql, json!(["counter", name])).await;
            let bodies: Vec<Value> = found
                .iter()
                .map(|row| serde_json::from_str(row[0].as_str().expect("text")).expect("JSON"))
                .collect();
            assert_eq!(bodies, worker.oplog().await, "{name}");

            let list =
                send(worker.request(Method::GET, &["invocations"]).query(&[("ended", "true")]))
                    .await
                    .expect(200);
            let mut expected: Vec<Value> = list["invocations"]
                .as_array()
                .expect("a list")
                .iter()
                .map(|it| json!([it["idempotencyKey"], it["status"], it["function"], it["entry"]]))
                .collect();
            let sql = "select idempotency_key, status, function, entry from invocations \
                       where component = 'counter' and worker = ?1";
            let mut found = rows(&server, sql, json!([name])).await;
            found.sort_by_key(ToString::to_string);
            expected.sort_by_key(ToString::to_string);
            assert_eq!(found, expected, "{name}");
        }
        let killed = "select count(*) from invocations where status = 'killed'";
        assert_eq!(rows(&server, killed, json!([])).await, [json!([1])]);
        let joined = "select w.worker, count(*) from workers w join oplog o on o.component = w.component \
                      and o.worker = w.worker where o.type = 'invocation-completed' group by 1 order by 1";
        let expected = [json!(["bob", 1]), json!(["mary", 3]), json!(["o'hara", 2])];
        assert_eq!(rows(&server, joined, json!([])).await, expected);
        let later = "select min(entry), count(*) from oplog where component = 'counter' \
                     and worker = 'mary' and entry > 3 and entry <= 5";
        assert_eq!(rows(&server, later, json!([])).await, [json!([4, 2])]);
        server.restart_after_kill().await;
    }
}

#[tokio::test]
async fn names_are_compared_as_sqlite_compares_text() {
    let server = with_history().await;
    server.api().component("counter").worker("42").call("add", json!([1])).await;
    let mine = "select worker from workers where component = 'counter' and worker =";
    for (asked, parameters, expected) in [
        ("42", json!([]), vec![json!(["42"])]),
        ("?1", json!([42]), vec![json!(["42"])]),
        ("?1", json!(["42"]), vec![json!(["42"])]),
        ("42.5", json!([]), vec![]),
        ("null", json!([]), vec![]),
        ("'MARY'", json!([]), vec![]),
        ("'MARY' collate nocase", json!([]), vec![json!(["mary"])]),
        ("'mary  ' collate rtrim", json!([]), vec![json!(["mary"])]),
    ] {
        let found = rows(&server, &format!("{mine} {asked}"), parameters.clone()).await;
        assert_eq!(found, expected, "{asked} {parameters}");
    }
}

#[tokio::test]
async fn queries_only_read_and_have_limits() {
    let server = with_history().await;
    for (sql, code) in [
        ("delete from workers", "invalid-query"),
        ("create table t (x)", "invalid-query"),
        ("attach 'x' as y", "invalid-query"),
        ("pragma hard_heap_limit", "invalid-query"),
        ("select 1; select 2", "invalid-query"),
        ("select nothing from workers", "invalid-query"),
        ("select load_extension('x')", "invalid-query"),
        ("", "invalid-query"),
        (
            "with recursive n(i) as (select 1 union all select i + 1 from n) select i from n",
            "query-too-large",
        ),
        (
            "with recursive n(i) as (select 1 union all select i + 1 from n) select max(i) from n",
            "query-too-large",
        ),
        ("select zeroblob(20000000)", "query-too-large"),
        (
            "with recursive n(i) as (select 1 union all select i + 1 from n limit 100) \
          select group_concat(hex(randomblob(2000000))) from n",
            "query-too-large",
        ),
    ] {
        ask(&server, sql, json!([])).await.expect_problem(400, code);
    }
    let long = format!("select '{}'", "x".repeat(70_000));
    ask(&server, &long, json!([])).await.expect_problem(400, "query-too-large");
    let none = rows(&server, "select * from oplog where component = 'nobody'", json!([])).await;
    assert_eq!(none, Vec::<Value>::new());
}

#[tokio::test]
async fn the_command_line_prints_tables_json_and_csv() {
    let server = with_history().await;
    let sql = "select worker, status from workers where component = 'counter' and worker <> 'bob' order by 1";
    let text = run(&server, &["sql", sql]).await.success();
    assert_eq!(text.lines().next().map(str::trim), Some("worker  status"));
    let csv = run(&server, &["sql", sql, "--csv"]).await.success();
    assert_eq!(csv.trim_end(), "worker,status\r\nmary,idle\r\no'hara,idle");
    let one = run(&server, &["sql", "select ?1 as x", "a,b", "--csv"]).await.success();
    assert_eq!(one.trim_end(), "x\r\n\"a,b\"");
    let json = run(&server, &["sql", sql, "--output", "json"]).await.json();
    assert_eq!(json["rows"][0], json!(["mary", "idle"]));
}
