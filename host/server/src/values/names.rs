//! WIT's kebab-case names, as callers of other languages write them.

/// The place of the name that `given` means, and whether it is written exactly so.
///
/// `item-name` may be written `item_name` or `itemName`; a name that is exactly as given goes first.
pub(super) fn find_name(names: &[&str], given: &str) -> Option<(usize, bool)> {
    let exact = names.iter().position(|name| *name == given).map(|place| (place, true));
    exact.or_else(|| {
        let place = names.iter().position(|name| same_words(name, given))?;
        Some((place, false))
    })
}

/// Whether `given` has the words of the kebab-case `name`, joined by `_` or in camelCase.
fn same_words(name: &str, given: &str) -> bool {
    let mut rest = given;
    for (index, word) in name.split('-').enumerate() {
        let joined = index == 0 || {
            let unjoined = rest.strip_prefix('_');
            let is_joined = unjoined.is_some() || starts_word(rest);
            rest = unjoined.unwrap_or(rest);
            is_joined
        };
        match rest.get(..word.len()) {
            Some(start) if joined && start.eq_ignore_ascii_case(word) => rest = &rest[word.len()..],
            _ => return false,
        }
    }
    rest.is_empty()
}

fn starts_word(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_uppercase() || first.is_ascii_digit())
}
