//! Batches that say what records must hold.

use super::*;

/// Puts `to` where `from` is stored.
fn swap(key: &str, from: Option<&str>, to: &str) -> Batch {
    let expectations = vec![expect(RED, key, from)];
    Batch { expectations, changes: vec![put(RED, key, to)], ..Batch::default() }
}

/// What a record must hold, and what a refusal says.
pub async fn an_expectation_must_hold(store: Arc<dyn Store>) {
    store_all(&*store, vec![swap("a", None, "1"), swap("a", Some("1"), "2")]).await;
    for (expected, found) in [(None, Some("2")), (Some("1"), Some("2")), (Some(""), Some("2"))] {
        let refusal = commit(&*store, swap("a", expected, "3")).await.expect_err("refused");
        assert!(refusal.to_string().contains("record a of space 1"), "{refusal}");
        let bytes = |value: Option<&str>| value.map(|value| value.as_bytes().to_vec());
        match refusal {
            StoreError::Unexpected { space, key, expected: wanted, found: stored } => {
                assert_eq!((space, &*key), (RED, &b"a"[..]));
                assert_eq!((wanted, stored), (bytes(expected), bytes(found)));
            }
            other => panic!("{other:?}"),
        }
    }
    // One that does not hold keeps out everything else, and no space is another.
    let batch = Batch {
        expectations: vec![expect(RED, "a", Some("2")), expect(BLUE, "a", Some("2"))],
        appends: vec![append("mary", 1, 1)],
        changes: vec![put(RED, "a", "3"), put(RED, "b", "3")],
        delete_logs: vec![worker("other")],
    };
    let outcome = commit(&*store, batch.clone()).await;
    assert!(matches!(outcome, Err(StoreError::Unexpected { space: BLUE, found: None, .. })));
    assert_eq!(get(&*store, RED, "a").await.as_deref(), Some("2"));
    assert_eq!(get(&*store, RED, "b").await, None);
    assert_eq!(store.last_index(&worker("mary")).await.unwrap(), None);
    let kept = vec![expect(RED, "a", Some("2")), expect(BLUE, "a", None)];
    store_all(&*store, vec![Batch { expectations: kept, ..batch }]).await;
    assert_eq!(get(&*store, RED, "b").await.as_deref(), Some("3"));
    // An expectation alone is a question; the empty value is a value.
    let question =
        |value| Batch { expectations: vec![expect(RED, "a", value)], ..Batch::default() };
    store_all(&*store, vec![question(Some("3")), changes(vec![put(RED, "a", "")])]).await;
    assert!(commit(&*store, question(None)).await.is_err());
    store_all(&*store, vec![question(Some("")), changes(vec![delete(RED, "a")])]).await;
    store_all(&*store, vec![question(None)]).await;
}

/// Stored or not, what was submitted earlier counts, and what comes later does not.
pub async fn expectations_see_what_waits_before_them(store: Arc<dyn Store>) {
    let removal = Batch {
        expectations: vec![expect(RED, "a", Some("2"))],
        changes: vec![delete(RED, "a")],
        ..Batch::default()
    };
    let batches = [
        (swap("a", Some("1"), "2"), false),
        (swap("a", None, "1"), true),
        (swap("a", None, "9"), false),
        (swap("a", Some("2"), "9"), false),
        (swap("a", Some("1"), "2"), true),
        (removal.clone(), true),
        (removal, false),
        (swap("a", None, "3"), true),
    ];
    let (batches, expected): (Vec<_>, Vec<_>) = batches.into_iter().unzip();
    // Twice, since the second time the record was there before.
    for _ in 0..2 {
        store_all(&*store, vec![changes(vec![delete(RED, "a")])]).await;
        let outcomes = submit_all(&*store, batches.clone()).await;
        let outcomes: Vec<_> = outcomes.iter().map(Result::is_ok).collect();
        assert_eq!(outcomes, expected);
        assert_eq!(get(&*store, RED, "a").await.as_deref(), Some("3"));
    }
}

/// Sixteen writers count one record up; nobody's step is lost.
pub async fn of_many_that_expect_the_same_one_wins(store: Arc<dyn Store>) {
    const STEPS: u32 = 20;
    let writers = (0..16).map(|_| {
        let store = Arc::clone(&store);
        tokio::spawn(async move {
            let mut steps = 0;
            while steps < STEPS {
                let found = get(&*store, RED, "count").await;
                let count: u32 = found.as_deref().map_or(0, |text| text.parse().expect("digits"));
                let batch = swap("count", found.as_deref(), &(count + 1).to_string());
                match commit(&*store, batch).await {
                    Ok(()) => steps += 1,
                    Err(StoreError::Unexpected { .. }) => {}
                    Err(other) => panic!("{other}"),
                }
            }
        })
    });
    for writer in writers.collect::<Vec<_>>() {
        writer.await.expect("the writer succeeds");
    }
    assert_eq!(get(&*store, RED, "count").await, Some((16 * STEPS).to_string()));
}
