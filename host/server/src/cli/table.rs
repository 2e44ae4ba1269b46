//! Tables of text.

use std::fmt::Write;

use serde_json::Value;

/// Space between two columns.
const GAP: usize = 2;

/// A table with a head, each column as wide as its widest cell.
pub(super) fn table(head: &[&str], rows: &[Vec<String>]) -> String {
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count());
        cells.chain([head[column].chars().count()]).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..head.len()).map(width).collect();
    let mut text = String::new();
    push_row(&mut text, head.iter().copied(), &widths);
    for row in rows {
        push_row(&mut text, row.iter().map(String::as_str), &widths);
    }
    text
}

fn push_row<'a>(text: &mut String, cells: impl Iterator<Item = &'a str>, widths: &[usize]) {
    let start = text.len();
    for (cell, width) in cells.zip(widths) {
        let _ = write!(text, "{cell:<width$}", width = width + GAP);
    }
    text.truncate(start + text[start..].trim_end().len());
    text.push('\n');
}

/// A member as a cell: texts bare, other values as JSON, nothing where there is none.
pub(super) fn cell(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => one_line(text),
        other => other.to_string(),
    }
}

/// The members of an object, one a line, with their names before them.
pub(super) fn members(value: &Value) -> String {
    let Some(members) = value.as_object() else { return cell(value) };
    let rows: Vec<Vec<String>> =
        members.iter().map(|(name, value)| vec![name.clone(), cell(value)]).collect();
    let width = rows.iter().map(|row| row[0].chars().count()).max().unwrap_or(0);
    let mut text = String::new();
    for row in &rows {
        push_row(&mut text, row.iter().map(String::as_str), &[width, 0]);
    }
    text
}

/// What a guest or an error said, without characters that would steer a terminal.
fn one_line(text: &str) -> String {
    text.chars().map(|character| if character.is_control() { ' ' } else { character }).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn columns_are_as_wide_as_they_must_be() {
        let rows = [vec!["größe".to_owned(), "1".to_owned()], vec!["a".to_owned(), String::new()]];
        assert_eq!(table(&["NAME", "N"], &rows), "NAME   N\ngröße  1\na\n");
    }

    #[test]
    fn members_are_lined_up() {
        let text = members(&json!({ "a": "x\u{1b}[2Jy", "long": [1], "none": null }));
        assert_eq!(text, "a     x [2Jy\nlong  [1]\nnone\n");
    }
}
