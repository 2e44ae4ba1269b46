//! Several nodes on one real Redis: each worker belongs to one of them, which alone can write it;
//! what a dead one had goes to others, and a Redis that was away is nobody's death.

use std::sync::Arc;
use std::time::Duration;

use everlog_store::cluster::{Cluster, NodeState, SHARDS, SessionId, Shard, View};
use everlog_store::{
    Append, Batch, RedisOptions, RedisStore, Store, StoreError, WorkerKey, commit,
};
use tempfile::TempDir;

#[expect(dead_code, unreachable_pub, reason = "shared with the tests of the whole server")]
#[path = "../../../tests/src/redis.rs"]
mod redis;
#[expect(dead_code, unreachable_pub, reason = "shared with the tests of the whole server")]
#[path = "../../../tests/src/wait.rs"]
mod wait;
#[expect(dead_code, unreachable_pub, reason = "shared with the tests of the whole server")]
#[path = "../../../tests/src/wire.rs"]
mod wire;

use redis::RedisServer;
use wire::Wire;

const LEASE: Duration = Duration::from_millis(1_500);

struct Member {
    store: RedisStore,
    cluster: Arc<dyn Cluster>,
    _directory: TempDir,
}

impl Member {
    async fn join(server: &RedisServer) -> Self {
        Self::join_at(server.port()).await
    }

    async fn join_at(port: u16) -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let url = format!("redis://127.0.0.1:{port}");
        let mut options = RedisOptions::new(url, directory.path());
        options.answer_limit = LEASE;
        options.address_of_node = Some("http://127.0.0.1:1".to_owned());
        options.lease = LEASE;
        let store = RedisStore::open(&options).await.expect("it joins");
        let cluster = store.cluster().expect("it is shared");
        cluster.enter(NodeState::Serving).await.expect("it serves");
        Self { store, cluster, _directory: directory }
    }

    fn session(&self) -> SessionId {
        self.cluster.this()
    }

    /// Does its part of what should change hands, and tells how many shards it has then.
    async fn settle(&self) -> usize {
        let view = self.cluster.look().await.expect("it looks");
        let this = self.session();
        let moves = view.moves();
        let mine = |from| moves.iter().filter(move |change| change.from == from);
        let gifts = mine(Some(this)).map(|change| (change.shard, change.to)).collect();
        let claims = mine(None).filter(|change| change.to == this).map(|change| change.shard);
        let claims = claims.collect();
        self.cluster.give(gifts).await.expect("given");
        self.cluster.claim(claims).await.expect("claimed");
        self.view().shards_of(Some(this)).count()
    }

    fn view(&self) -> Arc<View> {
        self.cluster.views().borrow().clone()
    }

    async fn write(&self, worker: &WorkerKey, index: u64) -> Result<(), StoreError> {
        let appends = vec![Append::new(worker.clone(), index, index, b"entry".to_vec())];
        commit(&self.store, Batch { appends, ..Batch::default() }).await
    }
}

/// Lets all of them settle until each has its share.
async fn settled(members: &[&Member]) {
    wait::until("the shares are even", async || {
        let mut counts = Vec::new();
        for member in members {
            counts.push(member.settle().await);
        }
        let share = usize::from(SHARDS) / members.len();
        let even = counts.iter().all(|count| (share..=share + 1).contains(count));
        (even && counts.iter().sum::<usize>() == usize::from(SHARDS)).then_some(())
    })
    .await;
    for member in members {
        member.cluster.look().await.expect("it looks");
    }
}

/// A worker of `member`.
fn worker_of(member: &Member) -> WorkerKey {
    let keys = (0..).map(|number: u32| WorkerKey::new(number.to_string().into_bytes()));
    let mut keys = keys.map(|key| key.expect("a short name"));
    let view = member.view();
    let found = keys.find(|key| view.owner(Shard::of(key)) == Some(member.session()));
    found.expect("it has shards")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_the_owner_of_a_worker_writes_it() {
    let server = RedisServer::start();
    let first = Member::join(&server).await;
    settled(&[&first]).await;
    let second = Member::join(&server).await;
    settled(&[&first, &second]).await;
    let (mine, theirs) = (worker_of(&first), worker_of(&second));
    first.write(&mine, 1).await.expect("its own");
    second.write(&theirs, 1).await.expect("its own");
    for (member, worker, owner) in [(&first, &theirs, &second), (&second, &mine, &first)] {
        let refusal = member.write(worker, 2).await.expect_err("it is another's");
        let holder = owner.session().to_string();
        assert!(
            matches!(&refusal, StoreError::Moved { worker: w, holder: h }
                if w == worker && *h == holder),
            "{refusal}"
        );
        let deletion = Batch { delete_logs: vec![worker.clone()], ..Batch::default() };
        let refusal = commit(&member.store, deletion).await.expect_err("it is another's");
        assert!(matches!(refusal, StoreError::Moved { .. }), "{refusal}");
        assert_eq!(member.store.last_index(worker).await.expect("readable"), Some(1));
        // A refusal changes nothing for others.
        owner.write(worker, 2).await.expect("its own");
    }
    assert_eq!(first.cluster.secret(), second.cluster.secret());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_dead_node_had_goes_to_the_others() {
    let server = RedisServer::start();
    let wire = Wire::start(server.port()).await;
    let (dead, other) = (Member::join_at(wire.port()).await, Member::join(&server).await);
    settled(&[&dead, &other]).await;
    let worker = worker_of(&dead);
    dead.write(&worker, 1).await.expect("its own");
    wire.cut();
    // It knows by itself that it may be taken for dead, before anybody does so.
    wait::until("its lease is over", async || (!dead.cluster.holds_lease()).then_some(())).await;
    let appends = vec![Append::new(worker.clone(), 2, 2, b"late".to_vec())];
    let (told, outcome) = tokio::sync::oneshot::channel();
    let late = Batch { appends, ..Batch::default() };
    dead.store.submit(late, Box::new(move |outcome| drop(told.send(outcome))));
    wait::until("it is declared dead", async || (other.view().nodes.len() == 1).then_some(()))
        .await;
    settled(&[&other]).await;
    other.write(&worker, 2).await.expect("it has taken over");
    wire.mend();
    let refusal = outcome.await.expect("an answer").expect_err("it is dead");
    assert!(matches!(refusal, StoreError::Fenced { session: 1, .. }), "{refusal}");
    tokio::time::timeout(LEASE * 4, dead.cluster.lost()).await.expect("it knows");
    assert_eq!(other.store.last_index(&worker).await.expect("readable"), Some(2));
    let refusal = dead.cluster.look().await.expect_err("it is dead");
    assert!(matches!(refusal, StoreError::Fenced { .. }), "{refusal}");
    assert!(other.cluster.holds_lease() && !dead.cluster.holds_lease());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_leaves_hands_over_at_once() {
    let server = RedisServer::start();
    let (leaver, other) = (Member::join(&server).await, Member::join(&server).await);
    settled(&[&leaver, &other]).await;
    leaver.cluster.enter(NodeState::Leaving).await.expect("told");
    assert_eq!(leaver.settle().await, 0);
    let session = leaver.session();
    drop(leaver);
    // No lease has to end for that.
    let view = other.cluster.look().await.expect("it looks");
    assert_eq!(view.shards_of(Some(other.session())).count(), usize::from(SHARDS));
    assert!(view.node(session).is_none());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_that_was_away_is_nobodys_death() {
    let mut server = RedisServer::start();
    let members = [Member::join(&server).await, Member::join(&server).await];
    settled(&[&members[0], &members[1]]).await;
    let workers = members.each_ref().map(worker_of);
    server.kill();
    for member in &members {
        wait::until("its lease is over", async || (!member.cluster.holds_lease()).then_some(()))
            .await;
    }
    server.start_again();
    for (member, worker) in members.iter().zip(&workers) {
        member.write(worker, 1).await.expect("it is alive");
        wait::until("it has a lease", async || member.cluster.holds_lease().then_some(())).await;
    }
    // Also when the time of grace has ended.
    wait::until("the grace has ended", async || {
        server.ask("EXISTS everlog:grace").starts_with(":0").then_some(())
    })
    .await;
    settled(&[&members[0], &members[1]]).await;
    for (member, worker) in members.iter().zip(&workers) {
        member.write(worker, 2).await.expect("it is alive");
    }
}

/// Who wants a store for himself gets it only when nobody else is there, and then keeps others out.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_shared_store_is_nobodys_own() {
    let server = RedisServer::start();
    let member = Member::join(&server).await;
    let directory = tempfile::tempdir().expect("a temporary directory");
    let mut options = RedisOptions::new(server.url(), directory.path());
    options.lease = LEASE;
    let refusal = RedisStore::open(&options).await.err().expect("somebody is there");
    assert!(matches!(refusal, StoreError::Taken { .. }), "{refusal}");
    assert!(refusal.to_string().contains("node 1 at http://127.0.0.1:1"), "{refusal}");
    drop(member);
    let own = RedisStore::open(&options).await.expect("nobody is there");
    assert!(own.cluster().is_none());
    options.address_of_node = Some("http://127.0.0.1:1".to_owned());
    let other = tempfile::tempdir().expect("a temporary directory");
    let options = RedisOptions { directory: other.path().to_owned(), ..options };
    let refusal = RedisStore::open(&options).await.err().expect("it is somebody's own");
    assert!(matches!(refusal, StoreError::Taken { .. }), "{refusal}");
}

/// What the version before wrote is taken over as it is, unless a server of that version is alive.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_format_before_is_taken_over() {
    let server = RedisServer::start();
    let directory = tempfile::tempdir().expect("a temporary directory");
    let mut options = RedisOptions::new(server.url(), directory.path());
    options.lease = LEASE;
    let worker = WorkerKey::new(b"mary".to_vec()).expect("a short name");
    let append = Append::new(worker.clone(), 1, 1, b"entry".to_vec());
    let store = RedisStore::open(&options).await.expect("it opens");
    commit(&store, Batch { appends: vec![append], ..Batch::default() }).await.expect("stored");
    drop(store);
    server.ask("SET everlog:format \"everlog redis 1\"");
    server.ask("DEL everlog:shards everlog:members everlog:secret everlog:views");
    server.ask("SET everlog:fence:store 1");
    server.ask("SET everlog:lease:store 99");
    let refusal = RedisStore::open(&options).await.err().expect("node 99 is alive");
    assert!(matches!(refusal, StoreError::Taken { .. }), "{refusal}");
    server.ask("DEL everlog:lease:store");
    let store = RedisStore::open(&options).await.expect("it opens");
    assert_eq!(store.last_index(&worker).await.expect("readable"), Some(1));
    let append = Append::new(worker, 2, 2, b"entry".to_vec());
    commit(&store, Batch { appends: vec![append], ..Batch::default() }).await.expect("stored");
    assert!(server.ask("GET everlog:format").contains("everlog redis 2"));
}
