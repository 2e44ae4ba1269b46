//! Names that a caller may have meant.

/// How many near names an error lists.
const MAX_NEAR: usize = 5;
/// Longer names are not compared; a distance costs the product of both lengths.
const MAX_COMPARED_BYTES: usize = 200;

/// The `names` that are nearest to the unknown `name`, nearest first.
///
/// Compared are the functions without their interfaces, ignoring case and the kind of dash.
pub(super) fn near_names<'names>(
    name: &str,
    names: impl Iterator<Item = &'names str>,
) -> Vec<String> {
    if name.len() > MAX_COMPARED_BYTES {
        return Vec::new();
    }
    let wanted = essence(name);
    let limit = (wanted.chars().count() / 3).max(2);
    let mut near: Vec<(usize, &str)> = names
        .filter(|candidate| candidate.len() <= MAX_COMPARED_BYTES)
        .map(|candidate| (distance(&wanted, &essence(candidate)), candidate))
        .filter(|(distance, _)| *distance <= limit)
        .collect();
    near.sort_unstable();
    near.into_iter().take(MAX_NEAR).map(|(_, candidate)| candidate.to_owned()).collect()
}

/// What is left to compare: the name within the interface, without brackets and case.
fn essence(name: &str) -> String {
    let name = name.split_once(".{").map_or(name, |(_, name)| name.trim_end_matches('}'));
    let name = name.rsplit_once(']').map_or(name, |(_, name)| name);
    let plain = |character: char| match character {
        '_' => '-',
        other => other.to_ascii_lowercase(),
    };
    name.chars().map(plain).collect()
}

/// Insertions, removals and replacements from `left` to `right`.
fn distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (line, from) in left.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = line + 1;
        for (column, to) in right.iter().enumerate() {
            let replaced = diagonal + usize::from(from != *to);
            diagonal = row[column + 1];
            row[column + 1] = replaced.min(diagonal + 1).min(row[column] + 1);
        }
    }
    row[right.len()]
}
