//! The engine on Redis does what every engine must do, on a real server.

use std::sync::Arc;

use everlog_store::{RedisOptions, RedisStore, Store};

#[expect(dead_code, unreachable_pub, reason = "shared with the tests of the whole server")]
#[path = "../../../tests/src/redis.rs"]
mod redis;

use redis::RedisServer;

async fn open() -> ((RedisServer, tempfile::TempDir), Arc<dyn Store>) {
    let server = RedisServer::start();
    let directory = tempfile::tempdir().expect("a temporary directory");
    let options = RedisOptions::new(server.url(), directory.path());
    let store = RedisStore::open(&options).await.expect("an empty server opens");
    ((server, directory), Arc::new(store))
}

everlog_store::conformance_suite!(open);
