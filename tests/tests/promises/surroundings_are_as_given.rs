//! What a guest sees around it: arguments and environment as they were given, and no standard input.

use everlog_tests::{fixtures, server::Server};
use serde_json::json;

#[tokio::test]
async fn arguments_and_environment_are_kept() {
    let mut server = Server::start().await;
    let component = server.deploy(&fixtures::ENVIRONMENT).await;
    let worker = component.worker("e");
    let settings = json!({"args": ["first", "", "drei"], "env": {"LANGUAGE": "de", "EMPTY": ""}});
    worker.create(settings.clone()).await.expect(201);
    worker.create(settings).await.expect(200);
    worker.create(json!({"args": ["other"]})).await.expect(409);
    server.restart_after_kill().await;

    assert_eq!(worker.call("arguments", json!([])).await, json!(["first", "", "drei"]));
    let variables = worker.call("variables", json!([])).await;
    let value = |name: &str| {
        let pairs = variables.as_array().into_iter().flatten();
        pairs.filter(|pair| pair[0] == name).map(|pair| pair[1].clone()).next_back()
    };
    assert_eq!(value("LANGUAGE"), Some(json!("de")));
    assert_eq!(value("EMPTY"), Some(json!("")));
    assert_eq!(value("GOLEM_WORKER_NAME"), Some(json!("e")));
    assert_eq!(value("GOLEM_COMPONENT_ID"), Some(json!(component.id)));
    assert_eq!(value("GOLEM_COMPONENT_VERSION"), Some(json!("0")));
    assert_eq!(value("PATH"), None, "the server's own environment is not the guest's");
    assert_eq!(component.worker("plain").call("arguments", json!([])).await, json!([]));
}

#[tokio::test]
async fn standard_input_cannot_be_read() {
    let server = Server::start().await;
    let worker = server.deploy(&fixtures::STDIN).await.worker("s");
    let read = worker.call("read-all", json!([])).await;
    assert!(read["err"].is_string(), "{read}");
    assert_eq!(worker.metadata().await["status"], "idle");
}
