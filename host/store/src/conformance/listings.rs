//! What there is can be found out.

use std::collections::BTreeSet;
use std::sync::Arc;

use futures::stream::TryStreamExt as _;

use super::{append, appends, store_all, worker};
use crate::{Batch, Digest, Store, WorkerKey};

/// More than an engine finds at once.
const MANY: u32 = 1_500;

async fn listed(store: &dyn Store) -> (BTreeSet<WorkerKey>, BTreeSet<Digest>) {
    let logs = store.logs().try_collect().await.expect("oplogs can be listed");
    let blobs = store.blobs().try_collect().await.expect("blobs can be listed");
    (logs, blobs)
}

/// [`Store::logs`] and [`Store::blobs`] leave nothing out and make nothing up.
pub async fn oplogs_and_blobs_are_listed(store: Arc<dyn Store>) {
    assert_eq!(listed(&*store).await, Default::default(), "an empty store");
    let names: Vec<String> = (0..MANY).map(|number| format!("worker-{number}")).collect();
    let odd = ["w", "w\0", "w\0\0\0\0\0\0\0\u{1}", "log:*", "worker"].map(String::from);
    let all = || names.iter().chain(&odd);
    for some in all().collect::<Vec<_>>().chunks(50) {
        let batch = some.iter().map(|name| append(name, 1, 2)).collect();
        store_all(&*store, vec![appends(batch)]).await;
    }
    store_all(&*store, vec![appends(vec![append("w", 3, 3)])]).await;
    let mut expected: BTreeSet<WorkerKey> = all().map(|name| worker(name)).collect();
    let mut digests = BTreeSet::new();
    for number in 0..40_u8 {
        digests.insert(store.put_blob(vec![number; 3]).await.expect("a small blob is stored"));
    }
    assert_eq!(listed(&*store).await, (expected.clone(), digests.clone()));

    let gone = [worker("w"), worker("worker-7"), worker("log:*")];
    gone.iter().for_each(|worker| assert!(expected.remove(worker)));
    let batch = Batch { delete_logs: gone.to_vec(), ..Batch::default() };
    store_all(&*store, vec![batch, appends(vec![append("worker-7", 1, 1)])]).await;
    expected.insert(worker("worker-7"));
    assert_eq!(listed(&*store).await, (expected, digests));
}
