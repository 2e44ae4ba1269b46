//! A network between the engine and a real Redis server that swallows what it carries: batches that
//! were executed and whose answers never came, and connections that nobody closes.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use everlog_store::{Append, Batch, RedisOptions, RedisStore, Store, WorkerKey, commit};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

#[expect(dead_code, unreachable_pub, reason = "shared with the tests of the whole server")]
#[path = "../../../tests/src/redis.rs"]
mod redis;

use redis::RedisServer;

const WRITERS: u64 = 8;
const STEPS: u64 = 200;
const CUTS: u64 = 5;

/// Passes bytes on between clients and a server, until they are cut off.
struct Proxy {
    port: u16,
    /// Connections that were made before this was raised to the present value swallow everything.
    cuts: watch::Sender<u64>,
    /// How many bytes of answers were swallowed.
    swallowed: Arc<AtomicU64>,
}

impl Proxy {
    async fn start(server: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let port = listener.local_addr().expect("bound").port();
        let (cuts, swallowed) = (watch::Sender::new(0), Arc::new(AtomicU64::new(0)));
        let (receiver, counter) = (cuts.subscribe(), Arc::clone(&swallowed));
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let server = TcpStream::connect(("127.0.0.1", server)).await.expect("it accepts");
                let (from_client, to_client) = client.into_split();
                let (from_server, to_server) = server.into_split();
                // Questions arrive to the last: it is the answers that get lost.
                let never = watch::Sender::new(0).subscribe();
                tokio::spawn(pass_on(from_client, to_server, never, Arc::default()));
                let (cuts, counter) = (receiver.clone(), Arc::clone(&counter));
                tokio::spawn(pass_on(from_server, to_client, cuts, counter));
            }
        });
        Self { port, cuts, swallowed }
    }

    fn cut(&self) {
        self.cuts.send_modify(|cuts| *cuts += 1);
    }
}

async fn pass_on(
    mut from: tokio::net::tcp::OwnedReadHalf,
    mut to: tokio::net::tcp::OwnedWriteHalf,
    cuts: watch::Receiver<u64>,
    swallowed: Arc<AtomicU64>,
) {
    let begun = *cuts.borrow();
    let mut buffer = vec![0; 1 << 16];
    while let Ok(bytes @ 1..) = from.read(&mut buffer).await {
        if *cuts.borrow() > begun {
            swallowed.fetch_add(bytes as u64, Ordering::SeqCst);
        } else if to.write_all(&buffer[..bytes]).await.is_err() {
            return;
        }
    }
}

fn worker(number: u64) -> WorkerKey {
    WorkerKey::new(format!("worker-{number}").into_bytes()).expect("a short name")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_that_got_lost_are_asked_for_again() {
    let (server, directory) = (RedisServer::start(), tempfile::tempdir().expect("a directory"));
    let proxy = Proxy::start(server.port()).await;
    let url = format!("redis://127.0.0.1:{}", proxy.port);
    let mut options = RedisOptions::new(url, directory.path());
    options.answer_limit = Duration::from_millis(300);
    let store = Arc::new(RedisStore::open(&options).await.expect("it opens"));
    let steps = Arc::new(AtomicU64::new(0));
    let writers = (0..WRITERS).map(|number| {
        let (store, steps) = (Arc::clone(&store), Arc::clone(&steps));
        tokio::spawn(async move {
            for index in 1..=STEPS {
                let append = Append::new(worker(number), index, index, vec![7; 100]);
                let batch = Batch { appends: vec![append], ..Batch::default() };
                // Done twice or left out, it would not continue its oplog.
                commit(&*store, batch).await.expect("every step is stored once");
                steps.fetch_add(1, Ordering::SeqCst);
            }
        })
    });
    let writers: Vec<_> = writers.collect();
    for cut in 1..=CUTS {
        while steps.load(Ordering::SeqCst) < cut * WRITERS * STEPS / (CUTS + 1) {
            tokio::task::yield_now().await;
        }
        proxy.cut();
    }
    for writer in writers {
        writer.await.expect("the writer succeeds");
    }
    assert!(proxy.swallowed.load(Ordering::SeqCst) > 0, "some answers were lost");
    for number in 0..WRITERS {
        assert_eq!(store.last_index(&worker(number)).await.expect("readable"), Some(STEPS));
    }
}
