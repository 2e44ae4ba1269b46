//! Every WIT type passes through JSON and back without loss; what does not fit is refused with a
//! pointer to it.

use everlog_tests::api::send;
use everlog_tests::worker::Worker;
use everlog_tests::{fixtures, server::Server};
use serde_json::{Value, json};

async fn echo(server: &Server) -> Worker {
    server.deploy(&fixtures::ECHO).await.worker("e")
}

/// Sends a body as it is, so that no number passes through a JSON library of ours.
async fn echo_text(worker: &Worker, function: &str, body: &str) -> String {
    let request = worker.request(reqwest::Method::POST, &["invoke", function]);
    let reply = send(request.body(body.to_owned())).await;
    assert_eq!(reply.status, 200, "{function} {body}: {}", reply.text());
    reply.text().trim().to_owned()
}

#[tokio::test]
async fn numbers_are_exact() {
    let server = Server::start().await;
    let worker = echo(&server).await;
    for (function, literal) in [
        ("echo-u8", "255"),
        ("echo-u16", "65535"),
        ("echo-u32", "4294967295"),
        ("echo-u64", "18446744073709551615"),
        ("echo-s8", "-128"),
        ("echo-s16", "-32768"),
        ("echo-s32", "-2147483648"),
        ("echo-s64", "-9223372036854775808"),
        ("echo-u64", "9007199254740993"),
        ("echo-f64", "0.1"),
        ("echo-f64", "1e300"),
        ("echo-f32", "0.5"),
        ("echo-f64", "\"NaN\""),
        ("echo-f32", "\"Infinity\""),
        ("echo-f64", "\"-Infinity\""),
    ] {
        let answer = echo_text(&worker, function, &format!("[{literal}]")).await;
        let same_float = || {
            function.starts_with("echo-f")
                && answer.parse::<f64>().is_ok_and(|number| Ok(number) == literal.parse())
        };
        assert!(answer == literal || same_float(), "{function}: {literal} became {answer}");
    }
    assert_eq!(
        echo_text(&worker, "echo-u64", "[\"18446744073709551615\"]").await,
        "18446744073709551615"
    );
    assert_eq!(echo_text(&worker, "echo-s64", "[\"-5\"]").await, "-5");
}

#[tokio::test]
async fn every_shape_comes_back() {
    let server = Server::start().await;
    let worker = echo(&server).await;
    let point = json!({"x-axis": 1, "y-axis": -2, "label": "p"});
    let unlabelled = json!({"x-axis": 1, "y-axis": -2, "label": null});
    for (function, value) in [
        ("echo-bool", json!(true)),
        ("echo-char", json!("ß")),
        ("echo-char", json!("🦀")),
        ("echo-string", json!("line\nbreak \"quoted\" \u{0} 🦀")),
        ("echo-bytes", json!([0, 127, 255])),
        ("echo-list", json!([[], [1, 2], [3]])),
        ("echo-tuple", json!([7, "seven", false])),
        ("echo-record", point.clone()),
        ("echo-record", unlabelled.clone()),
        ("echo-variant", json!("empty")),
        ("echo-variant", json!({"circle": 1.5})),
        ("echo-variant", json!({"polygon": [point, unlabelled]})),
        ("echo-enum", json!("dark-green")),
        ("echo-flags", json!([])),
        ("echo-flags", json!(["read", "run-all"])),
        ("echo-option", json!(null)),
        ("echo-option", json!(5)),
        ("echo-nested-option", json!(null)),
        ("echo-nested-option", json!({"some": null})),
        ("echo-nested-option", json!({"some": 5})),
        ("echo-result", json!({"ok": 5})),
        ("echo-result", json!({"err": "no"})),
        ("echo-bare-result", json!({"ok": null})),
        ("echo-bare-result", json!({"err": null})),
    ] {
        assert_eq!(worker.call(function, json!([value])).await, value, "{function}");
    }
    assert_eq!(worker.call("nothing", json!([])).await, Value::Null);
}

#[tokio::test]
async fn other_spellings_are_understood() {
    let server = Server::start().await;
    let worker = echo(&server).await;
    let point = json!({"x-axis": 1, "y-axis": 2, "label": null});
    for spelled in
        [json!({"x_axis": 1, "y_axis": 2}), json!({"xAxis": 1, "yAxis": 2, "label": null})]
    {
        assert_eq!(worker.call("echo-record", json!([spelled])).await, point);
    }
    assert_eq!(worker.call("echo-variant", json!([{"empty": null}])).await, "empty");
    assert_eq!(worker.call("echo-bytes", json!(["AH//"])).await, json!([0, 127, 255]));
    let request = worker.invocation("echo-bytes", &json!([[0, 127, 255]]));
    assert_eq!(send(request.query(&[("bytes", "base64")])).await.expect(200), "AH//");
    assert_eq!(worker.call("join", json!({"first": "a"})).await, "a");
    assert_eq!(worker.call("join", json!({"second-part": "b", "first": "a"})).await, "ab");
    assert_eq!(worker.call("join", json!({"secondPart": "b", "first": "a"})).await, "ab");
    assert_eq!(worker.call("join", json!(["a", null])).await, "a");
}

#[tokio::test]
async fn what_does_not_fit_is_pointed_at() {
    let server = Server::start().await;
    let worker = echo(&server).await;
    for (function, arguments, pointer) in [
        ("echo-u8", json!([256]), "/0"),
        ("echo-s8", json!([-129]), "/0"),
        ("echo-u64", json!([1.5]), "/0"),
        ("echo-char", json!(["ab"]), "/0"),
        ("echo-list", json!([[[1], [2, "x"]]]), "/0/1/1"),
        ("echo-tuple", json!([[1, "a"]]), "/0"),
        ("echo-record", json!([{"x-axis": 1}]), "/0"),
        ("echo-record", json!([{"x-axis": 1, "y-axis": 2, "z": 3}]), "/0/z"),
        ("echo-variant", json!([{"circle": "round"}]), "/0/circle"),
        ("echo-variant", json!(["square"]), "/0"),
        ("echo-enum", json!(["pink"]), "/0"),
        ("echo-flags", json!([["read", "fly"]]), "/0/1"),
        ("echo-result", json!([{"maybe": 1}]), "/0"),
    ] {
        let reply = worker.invoke(function, arguments.clone()).await;
        let problem = reply.expect_problem(400, "invalid-arguments");
        let found = problem["pointer"].as_str().unwrap_or_default();
        assert!(found.starts_with(pointer), "{function} {arguments}: {problem}");
    }
}

#[tokio::test]
async fn wave_is_spoken_too() {
    let server = Server::start().await;
    let worker = echo(&server).await;
    let request = worker.request(reqwest::Method::POST, &["invoke", "echo-record"]);
    let request = request.header("Content-Type", "application/wave");
    let request = request.header("Accept", "application/wave");
    let text = "{x-axis: 1, y-axis: -2, label: some(\"p\")}";
    let reply = send(request.body(text)).await;
    assert_eq!((reply.status, reply.text().trim()), (200, text));
}
