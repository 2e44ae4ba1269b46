//! Clients of Dapr's state API that know nothing of everlog do their work on it: the official one
//! for JavaScript over HTTP, and the steps of Dapr's how-to in Python.

use std::path::Path;
use std::process::Command;

use everlog_tests::server::Server;
use everlog_tests::state::{ComponentFiles, component_file};

/// Runs a script to its end.
async fn run(server: &Server, program: &'static str, script: &'static str) {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("clients").join(script);
    let port = server.port().to_string();
    let ended = tokio::task::spawn_blocking(move || {
        Command::new(program)
            .arg(script)
            .env("DAPR_HTTP_PORT", &port)
            .env("DAPR_HOST", "127.0.0.1")
            .env("NO_PROXY", "*")
            .output()
    });
    let output = ended.await.expect("no panic").unwrap_or_else(|error| {
        panic!("cannot start {program}: {error}; `make setup-tests` installs it")
    });
    let printed = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(
        output.status.success() && printed(&output.stdout).trim_end().ends_with("done"),
        "{}{}(`make setup-tests` installs what the scripts need)",
        printed(&output.stdout),
        printed(&output.stderr),
    );
}

#[tokio::test]
async fn in_javascript() {
    let server = Server::start().await;
    run(&server, "node", "state.js").await;
}

#[tokio::test]
async fn in_python_as_the_how_to_says() {
    let file = component_file("redis-store", "state.everlog", &[]);
    let files = ComponentFiles::write(&[("redis-store.yaml", &file)]);
    let server = Server::start_with(&["--resources-path", files.path()]).await;
    run(&server, "python3", "how_to.py").await;
}
