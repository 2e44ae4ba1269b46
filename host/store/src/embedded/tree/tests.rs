//! The tree beside a map that does the same, and with damaged tables.

use std::collections::BTreeMap;
use std::fs;

use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use rand::{Rng as _, SeedableRng as _};

use super::compaction::Failure;
use super::levels::LEVELS;
use super::*;
use crate::embedded::envelope;
use crate::{KeyValue, Order};

type Map = BTreeMap<Vec<u8>, Vec<u8>>;

/// A tree without threads, and what must be in it.
struct Pair {
    tree: Tree,
    map: Map,
    group: u64,
    after: [Vec<u8>; LEVELS],
}

fn open(directory: &Path) -> Tree {
    Tree::open(directory, 8 * 1024, 64 * 1024).unwrap()
}

impl Pair {
    fn create(directory: &Path) -> Self {
        Tree::create(directory).unwrap();
        Self::new(open(directory), Map::new())
    }

    fn new(tree: Tree, map: Map) -> Self {
        let group = tree.last_group();
        Self { tree, map, group, after: [const { Vec::new() }; LEVELS] }
    }

    fn put(&mut self, key: &[u8], value: Option<&[u8]>) {
        self.group += 1;
        let sealed = value.map(|value| envelope::seal(key, &[value]).bytes);
        self.tree.insert(self.group, [(key.to_vec(), sealed.clone())]);
        match sealed {
            Some(value) => drop(self.map.insert(key.to_vec(), value)),
            None => drop(self.map.remove(key)),
        }
        if self.tree.is_full() {
            self.flush();
        }
    }

    fn flush(&mut self) {
        self.tree.rotate(Vec::new());
        self.tree.flush_now().unwrap();
        self.merge();
    }

    fn merge(&mut self) {
        loop {
            match self.tree.merge_next(&mut self.after) {
                Ok(true) => {}
                Ok(false) => return,
                Err(Failure::Io(error)) => panic!("{error}"),
                Err(Failure::Damaged(fault)) => panic!("{fault}"),
                Err(Failure::Closed) => panic!("closed"),
            }
        }
    }

    /// Merges everything into the deepest level there is.
    fn merge_all(&mut self) {
        self.merge();
        for level in 0..LEVELS - 1 {
            loop {
                let levels = self.tree.current().levels.clone();
                let Some(job) = levels.job_for_tests(level) else { break };
                match self.tree.compact(&job) {
                    Ok(()) => {}
                    Err(Failure::Damaged(Fault::Table { id, detail })) => {
                        self.tree.salvage(id, &detail).unwrap();
                    }
                    Err(_) => panic!("a merge failed"),
                }
            }
        }
    }

    fn fill(&mut self, random: &mut StdRng, count: u64) {
        for _ in 0..count {
            let key =
                format!("{:02}/{:04}", random.random_range(0..8), random.random_range(0..400));
            let value = vec![random.random(); random.random_range(0..300)];
            let is_removal = random.random_ratio(1, 5);
            self.put(key.as_bytes(), (!is_removal).then_some(&value));
        }
    }

    /// Keys whose values are not as they were put; panics if one is silently different.
    fn damaged(&self) -> Vec<Vec<u8>> {
        let mut damaged = Vec::new();
        for key in (0..8).flat_map(|a| (0..400).map(move |b| format!("{a:02}/{b:04}"))) {
            let key = key.into_bytes();
            match self.tree.read(|snapshot| snapshot.get(&key)) {
                Ok(found) if found.as_ref() == self.map.get(&key) => {}
                Ok(Some(value)) if envelope::open(&key, &value).is_err() => damaged.push(key),
                Ok(found) => panic!("{}: {found:?}", key.escape_ascii()),
                Err(Fault::Hole(hole)) => {
                    assert!(hole.contains(&key));
                    damaged.push(key);
                }
                Err(fault) => panic!("{fault}"),
            }
        }
        damaged
    }

    fn assert_same(&self, random: &mut StdRng) {
        assert_eq!(self.damaged(), [] as [Vec<u8>; 0]);
        for order in [Order::Forward, Order::Backward] {
            let mut bound = || {
                format!("{:02}/{:04}", random.random_range(0..8), random.random_range(0..400))
                    .into_bytes()
            };
            let (start, end) = (bound(), bound());
            for range in [Range::all(), Range { start, end: Some(end) }] {
                let expected = self
                    .map
                    .iter()
                    .filter(|(key, _)| range.start <= **key && range.is_before_end(key));
                let mut expected: Vec<_> =
                    expected.map(|(key, value)| (key.clone(), value.clone())).collect();
                if order == Order::Backward {
                    expected.reverse();
                }
                assert_eq!(collect(&self.tree, &range, order).unwrap(), expected);
            }
        }
    }
}

fn collect(tree: &Tree, range: &Range, order: Order) -> Result<Vec<KeyValue>, Fault> {
    tree.read(|snapshot| {
        let mut items = snapshot.range(range.clone(), order)?;
        let mut found = Vec::new();
        while let Some(item) = items.next()? {
            found.push(item);
        }
        Ok(found)
    })
}

fn table_files(directory: &Path) -> Vec<PathBuf> {
    let paths = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<_> =
        paths.filter(|path| path.extension().is_some_and(|found| found == "table")).collect();
    files.sort();
    files
}

fn copy(from: &Path) -> tempfile::TempDir {
    let to = tempfile::tempdir().unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        fs::copy(&path, to.path().join(path.file_name().unwrap())).unwrap();
    }
    to
}

/// Everything in tables of several levels.
fn built(seed: u64) -> (tempfile::TempDir, Map) {
    let directory = tempfile::tempdir().unwrap();
    let mut pair = Pair::create(directory.path());
    pair.fill(&mut StdRng::seed_from_u64(seed), 2500);
    pair.flush();
    (directory, pair.map)
}

#[test]
fn it_holds_what_a_map_holds() {
    for seed in 0..4 {
        let directory = tempfile::tempdir().unwrap();
        let mut random = StdRng::seed_from_u64(seed);
        let mut pair = Pair::create(directory.path());
        for _ in 0..6 {
            let count = random.random_range(0..900);
            pair.fill(&mut random, count);
            pair.assert_same(&mut random);
        }
        pair.flush();
        let Pair { tree, map, .. } = pair;
        drop(tree);
        let mut pair = Pair::new(open(directory.path()), map);
        pair.assert_same(&mut random);
        pair.merge_all();
        pair.assert_same(&mut random);
        let levels = pair.tree.current().levels.clone();
        assert!(levels.all().all(|(level, _)| level == LEVELS - 1), "all is at the bottom");
        // Nothing is left of what was removed or replaced, but for a mark of removal that sank
        // alone.
        let values: usize = levels.all().map(|(_, table)| values(table)).sum();
        assert_eq!(values, pair.map.len());
    }
}

fn values(table: &Table) -> usize {
    salvage::salvage(table).items().filter(|item| item.value.is_some()).count()
}

#[test]
fn a_snapshot_stays_as_it_was() {
    let directory = tempfile::tempdir().unwrap();
    let mut pair = Pair::create(directory.path());
    let mut random = StdRng::seed_from_u64(1);
    pair.fill(&mut random, 500);
    let expected: Vec<_> = pair.map.clone().into_iter().collect();
    let snapshot = pair.tree.snapshot();
    let mut items = snapshot.range(Range::all(), Order::Forward).unwrap();
    pair.fill(&mut random, 1500);
    pair.merge_all();
    let found: Vec<_> = std::iter::from_fn(|| items.next().unwrap()).collect();
    assert_eq!(found, expected);
}

#[test]
#[expect(clippy::disallowed_methods, reason = "damages files on purpose")]
fn a_flipped_bit_costs_one_item_at_most() {
    let (original, map) = built(2);
    let mut random = StdRng::seed_from_u64(3);
    let (mut lost, mut healed) = (0, 0);
    for round in 0..40 {
        let directory = copy(original.path());
        let file = table_files(directory.path()).choose(&mut random).unwrap().clone();
        let mut bytes = fs::read(&file).unwrap();
        let bit = random.random_range(0..bytes.len() * 8);
        bytes[bit / 8] ^= 1 << (bit % 8);
        fs::write(&file, bytes).unwrap();
        let mut pair = Pair::new(open(directory.path()), map.clone());
        let mut damaged = Vec::new();
        // Before the reads, or after them.
        if round % 2 == 0 {
            pair.merge_all();
        }
        for _ in 0..2 {
            damaged = pair.damaged();
            assert!(damaged.len() <= 1, "{}: bit {bit}: {damaged:?}", file.display());
            pair.merge_all();
        }
        // A range tells the same, and writing goes on.
        assert_eq!(collect(&pair.tree, &Range::all(), Order::Forward).unwrap().len(), map.len());
        lost += damaged.len();
        healed += usize::from(damaged.is_empty());
        for key in damaged {
            pair.put(&key, Some(b"again"));
        }
        pair.flush();
        pair.assert_same(&mut random);
    }
    assert!(lost > 10 && healed > 3, "{lost} values damaged, {healed} healed or not in use");
}

/// What lies in a hole is reported, also after merges, until it is written again.
#[test]
#[expect(clippy::disallowed_methods, reason = "damages files on purpose")]
fn a_large_damage_is_a_hole() {
    let (original, map) = built(4);
    let mut random = StdRng::seed_from_u64(5);
    let mut holes = 0;
    for round in 0..12 {
        let directory = copy(original.path());
        let file = table_files(directory.path()).choose(&mut random).unwrap().clone();
        let mut bytes = fs::read(&file).unwrap();
        match round % 3 {
            0 => bytes.truncate(random.random_range(0..bytes.len())),
            1 => {
                let (a, b) =
                    (random.random_range(0..bytes.len()), random.random_range(0..bytes.len()));
                bytes[a.min(b)..a.max(b)].fill(0);
            }
            _ => bytes.clear(),
        }
        fs::write(&file, bytes).unwrap();
        let mut pair = Pair::new(open(directory.path()), map.clone());
        let damaged = pair.damaged();
        pair.merge_all();
        // A merge may find out that an older version was replaced by what is lost.
        let merged = pair.damaged();
        assert!(damaged.iter().all(|key| merged.contains(key)), "nothing becomes silent");
        let is_hole =
            pair.tree.current().levels.all().any(|(_, table)| !table.meta.holes.is_empty());
        let range = collect(&pair.tree, &Range::all(), Order::Forward);
        assert_eq!(range.is_err(), is_hole, "{range:?}");
        assert_eq!(collect(&pair.tree, &Range::all(), Order::Backward).is_err(), is_hole);
        holes += usize::from(is_hole);
        let Pair { tree, map, .. } = pair;
        drop(tree);
        let mut pair = Pair::new(open(directory.path()), map);
        assert_eq!(pair.damaged(), merged);
        for key in &merged {
            let value = random.random_bool(0.5).then_some(&b"again"[..]);
            pair.put(key, value);
        }
        assert_eq!(pair.damaged(), [] as [Vec<u8>; 0]);
        pair.flush();
        pair.merge_all();
        assert_eq!(pair.damaged(), [] as [Vec<u8>; 0]);
    }
    assert!(holes > 4, "{holes} holes");
}

#[test]
#[expect(clippy::disallowed_methods, reason = "damages files on purpose")]
fn a_damaged_oplog_can_be_deleted() {
    use crate::WorkerKey;
    use crate::embedded::keys::{log_key, log_range};
    let directory = tempfile::tempdir().unwrap();
    let mut pair = Pair::create(directory.path());
    let worker = WorkerKey::new(*b"mary").unwrap();
    for index in 1..=60 {
        pair.put(&log_key(&worker, index), Some(&[7; 400]));
    }
    pair.flush();
    let table = table_files(directory.path()).pop().unwrap();
    fs::write(table, b"").unwrap();
    let mut pair = Pair::new(open(directory.path()), pair.map);
    let range = log_range(&worker, 1, u64::MAX);
    assert!(collect(&pair.tree, &range, Order::Forward).is_err());
    let (known, may_be_more) = pair.tree.read(|snapshot| snapshot.known_keys(&range)).unwrap();
    assert!(may_be_more);
    for key in known {
        pair.put(&key, None);
    }
    pair.put(&log_key(&worker, 0), Some(b""));
    for _ in 0..3 {
        assert_eq!(collect(&pair.tree, &range, Order::Forward).unwrap(), []);
        assert_eq!(collect(&pair.tree, &range, Order::Backward).unwrap(), []);
        let first = pair.tree.read(|snapshot| snapshot.get(&log_key(&worker, 60)));
        assert_eq!(first, Ok(None));
        pair.flush();
        pair.merge_all();
    }
    pair.put(&log_key(&worker, 1), Some(b"again"));
    assert_eq!(collect(&pair.tree, &range, Order::Forward).unwrap().len(), 1);
}
