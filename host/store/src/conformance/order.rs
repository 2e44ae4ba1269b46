//! Batches take effect in their order, each as a whole.

use super::*;

/// Submitted without waiting: the guard passes only if the order is kept.
pub async fn batches_of_one_thread_take_effect_in_order(store: Arc<dyn Store>) {
    const BATCHES: u64 = 500;
    let (sender, receiver) = mpsc::channel();
    for index in 1..=BATCHES {
        let sender = sender.clone();
        let done = move |outcome: Result<(), StoreError>| {
            sender.send((index, outcome.is_ok())).expect("the test waits");
        };
        store.submit(appends(vec![append("mary", index, index)]), Box::new(done));
    }
    drop(sender);
    let answers = tokio::task::spawn_blocking(move || receiver.iter().collect::<Vec<_>>());
    let expected: Vec<_> = (1..=BATCHES).map(|index| (index, true)).collect();
    assert_eq!(answers.await.expect("the answers come"), expected);
}

/// Guards, changes and deletions look at what was submitted before, stored or not.
pub async fn batches_that_wait_together_see_each_other(store: Arc<dyn Store>) {
    let deletion = || Batch { delete_logs: vec![worker("mary")], ..Batch::default() };
    let batches = [
        (appends(vec![append("mary", 1, 2)]), true),
        (appends(vec![append("mary", 2, 2)]), false),
        (deletion(), true),
        (appends(vec![append("mary", 3, 3)]), false),
        (appends(vec![append("mary", 1, 1)]), true),
        (deletion(), true),
        (deletion(), true),
        (appends(vec![append("mary", 1, 4)]), true),
        (appends(vec![append("mary", 5, 5)]), true),
    ];
    let (batches, expected): (Vec<_>, Vec<_>) = batches.into_iter().unzip();
    // Twice, since the second time some oplog is there already.
    for _ in 0..2 {
        store_all(&*store, vec![deletion()]).await;
        let outcomes = submit_all(&*store, batches.clone()).await;
        let outcomes: Vec<_> = outcomes.iter().map(Result::is_ok).collect();
        assert_eq!(outcomes, expected);
        assert_eq!(ranges(&*store, "mary", 1).await, [(1, 4), (5, 5)]);
    }
}

/// No scan shows one half of a batch.
pub async fn readers_see_a_batch_whole(store: Arc<dyn Store>) {
    let writer = Arc::clone(&store);
    let keys = ["a", "b", "c", "d", "e", "f", "g", "h"];
    let writer = tokio::spawn(async move {
        for round in 0..300 {
            let all = keys.map(|key| put(RED, key, &round.to_string())).to_vec();
            store_all(&*writer, vec![changes(all)]).await;
        }
    });
    while !writer.is_finished() {
        let found = store.scan(RED, KeyRange::all(), Order::Forward, 100).await.unwrap();
        let values: Vec<_> = found.iter().map(|(_, value)| value).collect();
        assert!(values.is_empty() || values.len() == keys.len(), "{found:?}");
        assert!(values.windows(2).all(|pair| pair[0] == pair[1]), "{found:?}");
    }
    writer.await.expect("the writer succeeds");
}

/// A batch that is queued behind one of another thread is not seen without that one.
pub async fn whoever_sees_a_batch_sees_those_before_it(store: Arc<dyn Store>) {
    const ROUNDS: u64 = 300;
    if !store.is_sequential() {
        return;
    }
    let (turn, turns) = mpsc::channel();
    let (first, second) = (Arc::clone(&store), Arc::clone(&store));
    let submit = |store: &dyn Store, key: &str, round: u64| {
        store.submit(changes(vec![put(RED, key, &round.to_string())]), Box::new(drop));
    };
    let one = std::thread::spawn(move || {
        for round in 0..ROUNDS {
            submit(&*first, "one", round);
            turn.send(round).expect("the other takes its turn");
        }
    });
    let two =
        std::thread::spawn(move || turns.iter().for_each(|round| submit(&*second, "two", round)));
    loop {
        let round = |value: Option<String>| value.and_then(|value| value.parse::<u64>().ok());
        let two = round(get(&*store, RED, "two").await);
        let one = round(get(&*store, RED, "one").await);
        assert!(one >= two, "{two:?} is seen, which was behind another one than {one:?}");
        if two == Some(ROUNDS - 1) {
            break;
        }
    }
    one.join().expect("it submits");
    two.join().expect("it submits");
}
