//! The engine on a Redis server (7.0 or later), for state that outlives a machine.
//!
//! ```text
//! <prefix>log:<worker>      an oplog: a stream whose ids are <last>-<first>, each a record
//!         records:<space>   values of a space by key: a hash
//!         keys:<space>      its keys in order: a sorted set, all scores 0
//!         blob:<digest>     a blob
//!         members           the sessions that are there: `<state> <node> <address>`
//!         lease:<session>   is there for as long as the session was heard of lately
//!         shards            the session that owns a shard: a hash
//!         writer:<session>  how far a session came, and which batches were refused; or who declared
//!                           it dead
//!         grace             is there while nobody may be declared dead
//!         sessions, nodes, views  counters that numbers are drawn from
//!         secret            what nodes show each other
//!         format            which format all this has
//! ```
//! Code map, in the order of a write: `committer` (who waits, pipelines, trouble) → `encode` →
//! `commit.lua` → `reply`. `session` is the right to write, `members` the nodes, `link` what
//! connections and errors are, `reader` everything that may be asked twice, `names` goes through
//! keys, `watch` looks after lease and replicas, `replicas`
//! waits for them, and `acknowledger` holds answers back meanwhile.

mod acknowledger;
mod committer;
mod encode;
mod link;
mod members;
mod names;
mod node;
mod reader;
mod replicas;
mod reply;
mod server;
mod session;
mod state;
mod values;
mod watch;

use std::path::PathBuf;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread;
use std::time::Duration;

use futures::channel::oneshot;
use futures::future::{BoxFuture, FutureExt as _};
use futures::stream::{BoxStream, StreamExt as _, TryStreamExt as _};
use redis::{Cmd, Value};

use crate::cluster::Cluster;
use crate::embedded::DirectoryLock;
use crate::store::{
    Done, Health, KeyRange, KeyValue, LogRecord, MAX_BLOB_BYTES, Order, Replication,
};
use crate::{Batch, Digest, Space, Store, StoreError, WorkerKey};
use committer::{Committer, Queue};
use link::Link;
use members::Members;
use reader::Reader;
use replicas::{Waiter, Wishes};
use session::{Session, script};
use state::State;
use values::{bound, damaged, key_values, last_index, log_records, optional_bytes};
use watch::Watch;

/// The longest prefix of keys, in bytes.
pub const MAX_STORE_PREFIX_BYTES: usize = 256;

/// The usual lease of a node.
pub const DEFAULT_LEASE: Duration = Duration::from_secs(5);

/// How long dropping the store waits for a server that does not answer.
const CLOSING_LIMIT: Duration = Duration::from_secs(5);

/// How to open a [`RedisStore`].
#[derive(Clone)]
pub struct RedisOptions {
    /// `redis://[user:password@]host[:port][/database]`.
    pub url: String,
    /// What every key begins with, so that several stores may be in one database.
    pub prefix: String,
    /// On how many replicas a batch must be before it counts as durable; all there are, if they are
    /// fewer.
    pub min_replicas: u32,
    /// After this time without an answer a connection counts as lost: longer than the largest batch
    /// takes on a slow disk. Blobs have five times as long.
    pub answer_limit: Duration,
    /// A directory of this machine that says which node it is, and is locked.
    pub directory: PathBuf,
    /// Where other nodes reach this one (`http://host:port`): the store is shared with them, and
    /// [`Store::cluster`] says who owns what. Without it this process has the store for itself.
    pub address_of_node: Option<String>,
    /// How long a node may be unheard of before others take over what it owned.
    pub lease: Duration,
}

impl RedisOptions {
    /// The usual options: keys begin with `everlog:`, no replica is waited for, an answer comes
    /// within 20 s; the store is not shared, and the lease is [`DEFAULT_LEASE`].
    pub fn new(url: impl Into<String>, directory: impl Into<PathBuf>) -> Self {
        let (url, prefix, directory) = (url.into(), "everlog:".to_owned(), directory.into());
        let answer_limit = Duration::from_secs(20);
        let (address_of_node, lease) = (None, DEFAULT_LEASE);
        Self { url, prefix, min_replicas: 0, answer_limit, directory, address_of_node, lease }
    }

    /// Where the server is, without the secrets of the URL.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] if the URL is none that can be used; it is not repeated there.
    pub fn address(&self) -> Result<String, StoreError> {
        Ok(Link::new(&self.url, self.answer_limit)?.address().to_owned())
    }
}

/// A [`Store`] on a Redis server, which a node has for itself or shares with others. Each holds a
/// lease, and whoever lost it can write no more.
///
/// Dropping it commits what was submitted and waits for it, within limits.
pub struct RedisStore {
    queue: Arc<Queue>,
    state: Arc<State>,
    reader: Arc<Reader>,
    /// Blobs are large, and nobody else shall wait behind them.
    blobs: Arc<Reader>,
    wishes: Wishes,
    members: Arc<Members>,
    is_shared: bool,
    prefix: String,
    /// Closed when the committing thread has ended.
    ended: Mutex<mpsc::Receiver<()>>,
    _lock: DirectoryLock,
}

/// What the committing thread has made ready.
struct Opened {
    queue: Arc<Queue>,
    state: Arc<State>,
    reader: Arc<Reader>,
    blobs: Arc<Reader>,
    wishes: Wishes,
    members: Arc<Members>,
}

impl RedisStore {
    /// Connects, and takes a lease. Who wants the store for himself waits for the leases of others.
    ///
    /// # Errors
    /// - [`StoreError::Unavailable`]: no Redis server answers there, or it cannot be used.
    /// - [`StoreError::Taken`]: another server uses the data.
    /// - [`StoreError::Format`]: it was written by another version.
    /// - [`StoreError::Locked`], [`StoreError::Io`]: the directory.
    pub async fn open(options: &RedisOptions) -> Result<Self, StoreError> {
        let link = Link::new(&options.url, options.answer_limit)?;
        let lock = node::lock(&options.directory)?;
        let (opened_sender, opened) = oneshot::channel();
        let (end, ended) = mpsc::channel::<()>();
        let options = options.clone();
        let (prefix, is_shared) = (options.prefix.clone(), options.address_of_node.is_some());
        let started = thread::Builder::new().name("store-redis".into()).spawn(move || {
            run(link, &options, opened_sender);
            drop(end);
        });
        started.map_err(|error| StoreError::Poisoned { reason: error.to_string() })?;
        let Opened { queue, state, reader, blobs, wishes, members } =
            opened.await.unwrap_or(Err(StoreError::Closed))?;
        let ended = Mutex::new(ended);
        Ok(Self {
            queue,
            state,
            reader,
            blobs,
            wishes,
            members,
            is_shared,
            prefix,
            ended,
            _lock: lock,
        })
    }

    fn log_key(&self, worker: &WorkerKey) -> Vec<u8> {
        [self.prefix.as_bytes(), b"log:", worker.as_bytes()].concat()
    }

    fn key(&self, kind: &str, name: impl std::fmt::Display) -> String {
        format!("{}{kind}:{name}", self.prefix)
    }

    /// What stands behind `<prefix><kind>:` in the keys that begin so.
    fn names(&self, kind: &str) -> BoxStream<'_, Result<Vec<u8>, StoreError>> {
        names::scan(&self.reader, format!("{}{kind}:", self.prefix).into_bytes())
    }
}

/// The committing thread: opens, then commits until the store is closed or poisoned.
fn run(link: Link, options: &RedisOptions, opened: oneshot::Sender<Result<Opened, StoreError>>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => {
            // If nobody waits for the answer there is nothing to do either.
            let reason = format!("cannot start the asynchronous runtime: {error}");
            drop(opened.send(Err(StoreError::Poisoned { reason })));
            return;
        }
    };
    runtime.block_on(async {
        match begin(&link, options).await {
            Ok(session) => serve(link, session, options.min_replicas, opened).await,
            Err(error) => drop(opened.send(Err(error))),
        }
    });
}

/// Everything that goes on while the store is open.
async fn serve(
    link: Link,
    session: Session,
    min_replicas: u32,
    opened: oneshot::Sender<Result<Opened, StoreError>>,
) {
    let reader = |link: &Link| Reader::new(link.clone(), tokio::runtime::Handle::current());
    let (queue, state) = (Arc::new(Queue::default()), Arc::new(State::default()));
    let answered = Arc::new(AtomicU64::new(0));
    let (wishes, handed_in) = Wishes::new();
    let (held_back, answers) = futures::channel::mpsc::unbounded();
    let committer = Committer::new(
        (Arc::clone(&queue), Arc::clone(&state)),
        (link.clone(), session.clone()),
        Arc::clone(&answered),
        (min_replicas > 0).then_some(held_back),
    );
    let acknowledging =
        acknowledger::run(answers, wishes.clone(), min_replicas, Arc::clone(&state));
    let shared = reader(&link);
    let members = {
        let (link, session, state) = (link.clone(), session.clone(), Arc::clone(&state));
        Arc::new(Members::new(link, session, state, Arc::clone(&shared)))
    };
    let watch = Watch {
        link: link.clone(),
        session: session.clone(),
        state: Arc::clone(&state),
        reader: Arc::clone(&shared),
        members: Arc::clone(&members),
        answered: Arc::clone(&answered),
    };
    let waiter = Waiter {
        link: link.clone(),
        session,
        state: Arc::clone(&state),
        reader: reader(&link),
        answered,
    };
    // Once, so that it is known from the beginning what there is.
    watch.look(true).await;
    let blobs = reader(&link.for_blobs());
    let stores = Opened { queue, state, reader: shared, blobs, wishes, members };
    if opened.send(Ok(stores)).is_err() {
        return;
    }
    tokio::select! {
        _ = futures::future::join(committer.run(), acknowledging) => {}
        () = watch.run() => {}
        () = waiter.run(handed_in) => {}
    }
}

async fn begin(link: &Link, options: &RedisOptions) -> Result<Session, StoreError> {
    let mut connection = server::connect(link).await?;
    server::examine(link, &mut connection).await?;
    let node = node::number(link, &mut connection, &options.prefix, &options.directory).await?;
    Session::open(link, &mut connection, options, &node).await
}

impl Store for RedisStore {
    fn submit(&self, batch: Batch, done: Done) {
        self.queue.submit(batch, done);
    }

    fn read_log(
        &self,
        worker: &WorkerKey,
        from: u64,
        limit_bytes: usize,
    ) -> BoxFuture<'_, Result<Vec<LogRecord>, StoreError>> {
        let (from, limit) = (from.to_string(), limit_bytes.to_string());
        let log = self.log_key(worker);
        let command = script(include_str!("read.lua"), &[&log, from.as_bytes(), limit.as_bytes()]);
        let worker = worker.clone();
        async move { log_records(&worker, self.reader.ask(command).await?) }.boxed()
    }

    fn last_index(&self, worker: &WorkerKey) -> BoxFuture<'_, Result<Option<u64>, StoreError>> {
        let mut command = redis::cmd("XREVRANGE");
        command.arg(self.log_key(worker)).arg("+").arg("-").arg("COUNT").arg(1);
        let worker = worker.clone();
        async move { last_index(&worker, &self.reader.ask(command).await?) }.boxed()
    }

    fn get(&self, space: Space, key: &[u8]) -> BoxFuture<'_, Result<Option<Vec<u8>>, StoreError>> {
        let mut command = redis::cmd("HGET");
        command.arg(self.key("records", space.number())).arg(key);
        let place = format!("record {} of space {}", key.escape_ascii(), space.number());
        async move { optional_bytes(&place, self.reader.ask(command).await?) }.boxed()
    }

    fn scan(
        &self,
        space: Space,
        range: KeyRange,
        order: Order,
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<KeyValue>, StoreError>> {
        let number = space.number().to_string();
        let (start, end) = (bound(range.start, b"-"), bound(range.end, b"+"));
        let order: &[u8] = match order {
            Order::Forward => b"forward",
            Order::Backward => b"backward",
        };
        let limit = i64::try_from(limit).unwrap_or(i64::MAX).to_string();
        let arguments =
            [self.prefix.as_bytes(), number.as_bytes(), &start, &end, order, limit.as_bytes()];
        let command = script(include_str!("scan.lua"), &arguments);
        async move { key_values(space, self.reader.ask(command).await?) }.boxed()
    }

    fn put_blob(&self, bytes: Vec<u8>) -> BoxFuture<'_, Result<Digest, StoreError>> {
        async move {
            self.state.check()?;
            if bytes.len() > MAX_BLOB_BYTES {
                let (what, limit, found) = ("bytes of a blob", MAX_BLOB_BYTES, bytes.len());
                return Err(StoreError::Limit { what, limit, found });
            }
            let digest = Digest::of(&bytes);
            let key = self.key("blob", digest);
            // The length first, since the bytes are large; no length means that there is none, but
            // for the empty blob, which costs nothing to store again.
            let length = self.blobs.ask(command("STRLEN", &key)).await?;
            if bytes.is_empty() || length != Value::Int(bytes.len() as i64) {
                let mut command = command("SET", &key);
                command.arg(bytes);
                self.blobs.ask(command).await?;
            }
            Ok(digest)
        }
        .boxed()
    }

    fn get_blob(&self, digest: &Digest) -> BoxFuture<'_, Result<Option<Vec<u8>>, StoreError>> {
        let digest = *digest;
        let command = command("GET", &self.key("blob", digest));
        async move {
            let place = format!("blob {digest}");
            let Some(bytes) = optional_bytes(&place, self.blobs.ask(command).await?)? else {
                return Ok(None);
            };
            let found = Digest::of(&bytes);
            if found == digest {
                return Ok(Some(bytes));
            }
            Err(damaged(place, format!("its {} bytes have the digest {found}", bytes.len())))
        }
        .boxed()
    }

    fn logs(&self) -> BoxStream<'_, Result<WorkerKey, StoreError>> {
        let worker = async |name: Vec<u8>| WorkerKey::new(name);
        self.names("log").and_then(worker).boxed()
    }

    fn blobs(&self) -> BoxStream<'_, Result<Digest, StoreError>> {
        // What is not named like a blob is none of ours.
        let digest = move |name: Vec<u8>| async move {
            let text = std::str::from_utf8(&name).ok();
            Ok(text.and_then(|text| text.parse::<Digest>().ok()))
        };
        self.names("blob").try_filter_map(digest).boxed()
    }

    fn is_sequential(&self) -> bool {
        // Another node may take over some of the workers, and then a part of what was handed over is refused.
        !self.is_shared
    }

    fn health(&self) -> Health {
        self.state.health()
    }

    fn replication(&self) -> Replication {
        self.state.replication()
    }

    fn facts(&self) -> Vec<(&'static str, String)> {
        self.state.facts()
    }

    fn cluster(&self) -> Option<Arc<dyn Cluster>> {
        self.is_shared.then(|| Arc::clone(&self.members) as Arc<dyn Cluster>)
    }

    fn wait_replicas(&self, count: u32) -> BoxFuture<'_, Result<(), StoreError>> {
        async move {
            self.state.check()?;
            self.wishes.wait(count).await
        }
        .boxed()
    }
}

impl Drop for RedisStore {
    fn drop(&mut self) {
        self.queue.close();
        if self.queue.is_on_committing_thread() {
            // A `done` callback held the last handle of the store; a thread cannot wait for itself.
            return;
        }
        let ended = self.ended.get_mut().unwrap_or_else(PoisonError::into_inner);
        // Nothing is ever sent: it returns when the thread has ended, or when that takes too long.
        let _ = ended.recv_timeout(CLOSING_LIMIT);
    }
}

fn command(name: &str, key: &str) -> Cmd {
    let mut command = redis::cmd(name);
    command.arg(key);
    command
}
