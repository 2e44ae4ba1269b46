//! The example http-proxy does what its README says: it asks several things at once, passes calls on,
//! and what was answered under a key is answered again, also after a kill, without asking anybody.

use everlog_tests::api::{Api, send};
use everlog_tests::outside::Outside;
use everlog_tests::reply::Reply;
use everlog_tests::{fixtures, server::Server};
use reqwest::Method;
use serde_json::{Value, json};

const README: &str = include_str!("../../../components/examples/http-proxy/README.md");

/// Where the README thinks the server is.
const ADDRESS: &str = "localhost:7070";

/// The words of a line as a shell splits them, where nothing is quoted but with `'`.
fn words(line: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    for (place, part) in line.split('\'').enumerate() {
        let quoted = place % 2 == 1;
        for (number, piece) in part.split(' ').enumerate() {
            let last = words.last_mut().expect("a word");
            match number {
                _ if quoted && number > 0 => last.extend([" ", piece]),
                0 => last.push_str(piece),
                _ => words.push(piece.to_owned()),
            }
        }
    }
    words
}

/// Does what a line with `curl` does.
async fn curl(api: &Api, line: &str) -> Reply {
    let (mut method, mut path, mut header, mut body) = (Method::GET, None, None, None);
    let mut words = words(line).into_iter().skip(1);
    while let Some(word) = words.next() {
        match word.as_str() {
            "-X" => method = words.next().expect("a method").parse().expect("a method"),
            "-H" => header = words.next(),
            "-d" => body = words.next(),
            url => path = Some(url.strip_prefix(ADDRESS).expect("a URL of the server").to_owned()),
        }
    }
    let mut request = api.request_path(method, &path.expect("a URL"));
    if let Some((name, value)) = header.as_deref().and_then(|header| header.split_once(": ")) {
        request = request.header(name, value);
    }
    send(request.body(body.unwrap_or_default())).await
}

#[tokio::test]
async fn the_readme_tells_the_truth() {
    let mut server = Server::start().await;
    server.deploy(&fixtures::COUNTER).await;
    let front = server.deploy(&fixtures::HTTP_PROXY).await.worker("front");
    // There the other server is this one, by its usual address.
    let upstream = format!("http://127.0.0.1:{}", server.port());
    front.create(json!({ "env": { "UPSTREAM": upstream } })).await.expect(201);
    let lines: Vec<&str> = README.lines().filter(|line| line.starts_with("curl ")).collect();
    let [all, add, again, get, answered, oplog] = lines[..] else {
        panic!("the README has other steps: {lines:#?}")
    };
    let api = server.api().clone();

    let told = curl(&api, all).await.expect(200);
    let paths: Vec<_> =
        told.as_array().expect("answers").iter().map(|told| &told["path"]).collect();
    assert_eq!(paths, ["/v1/version", "/v1/components", "/livez"]);
    assert_eq!(told[1]["answer"]["components"][0]["component"], "counter");
    assert_eq!(curl(&api, add).await.expect(200), 5);
    server.restart_after_kill().await;
    assert_eq!(curl(&api, again).await.expect(200), 5);
    assert_eq!(curl(&api, get).await.expect(200), 5, "mary counted once");
    assert_eq!(curl(&api, answered).await.expect(200), 2);
    let oplog = curl(&api, oplog).await.expect(200);
    assert!(oplog["entries"].as_array().is_some_and(|entries| entries.len() > 4), "{oplog}");
}

#[tokio::test]
async fn many_are_asked_at_once_and_none_again() {
    let outside = Outside::start().await;
    let mut server = Server::start().await;
    let front = server.deploy(&fixtures::HTTP_PROXY).await.worker("front");
    front.create(json!({ "env": { "UPSTREAM": outside.url("") } })).await.expect(201);
    let path = "/http/http-proxy/front/all?/echo/1&/echo/2&/echo/3";
    let ask = async |server: &Server| {
        let request = server.api().request_path(Method::GET, path).header("Idempotency-Key", "k");
        send(request).await.expect(200)
    };
    let told = ask(&server).await;
    let answers: Vec<Value> =
        told.as_array().expect("answers").iter().map(|told| told["answer"].clone()).collect();
    assert_eq!(answers, ["GET /echo/1 ", "GET /echo/2 ", "GET /echo/3 "]);
    server.restart_after_kill().await;
    assert_eq!(ask(&server).await, told);
    front.obey("crash").await;
    assert_eq!(outside.received().len(), 3, "nothing was asked again");
    let request = server.api().request_path(Method::GET, "/http/http-proxy/front/all");
    assert_eq!(send(request).await.status, 400);
}
