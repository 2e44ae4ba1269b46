//! Free places of a resource table. Entries name resources by their place, so after an action, which replay skips, the
//! next resources must get the places that they will get in replay.

use wasmtime::component::{Resource, ResourceTable};

/// Holds a place.
struct Holder;

/// The free places, in the order in which they would be given.
pub(super) fn free(table: &mut ResourceTable) -> Vec<u32> {
    let held = hold_all(table);
    release(table, held.iter().rev());
    held
}

/// Has the free places given in this order, and then the others from the first on, as if these had never been used.
pub(super) fn set_free(table: &mut ResourceTable, first: &[u32]) {
    let mut new = hold_all(table);
    new.retain(|place| !first.contains(place));
    new.sort_unstable();
    release(table, new.iter().rev().chain(first.iter().rev()));
}

fn hold_all(table: &mut ResourceTable) -> Vec<u32> {
    let capacity = table.max_capacity();
    // So that it does not grow.
    table.set_max_capacity(0);
    let held = std::iter::from_fn(|| table.push(Holder).ok()).map(|held| held.rep()).collect();
    table.set_max_capacity(capacity);
    held
}

/// What is freed last is given first.
fn release<'a>(table: &mut ResourceTable, places: impl Iterator<Item = &'a u32>) {
    for place in places {
        let deleted = table.delete(Resource::<Holder>::new_own(*place));
        debug_assert!(deleted.is_ok(), "it was held just before");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn next(table: &mut ResourceTable, count: usize) -> Vec<u32> {
        (0..count).map(|_| table.push("next").unwrap().rep()).collect()
    }

    /// A table with some places free, in no particular order.
    fn table() -> ResourceTable {
        let mut table = ResourceTable::new();
        let made: Vec<_> = (0..8).map(|number| table.push(number).unwrap()).collect();
        for place in [3, 1, 6] {
            table.delete(Resource::<i32>::new_own(made[place].rep())).unwrap();
        }
        table
    }

    #[test]
    fn looking_changes_nothing() {
        let mut looked = table();
        assert_eq!(free(&mut looked), [6, 1, 3]);
        assert_eq!(next(&mut looked, 5), [6, 1, 3, 8, 9]);
    }

    #[test]
    fn what_was_used_in_between_leaves_no_trace() {
        let mut used = table();
        let before = free(&mut used);
        let made: Vec<_> = (0..7).map(|_| used.push("inside").unwrap()).collect();
        for place in [2, 0, 5, 1, 6, 3, 4] {
            used.delete(Resource::<&str>::new_own(made[place].rep())).unwrap();
        }
        set_free(&mut used, &before);
        assert_eq!(next(&mut used, 9), next(&mut table(), 9));
    }
}
