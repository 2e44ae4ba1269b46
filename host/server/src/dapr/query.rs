//! Queries over values: which they match, in which order, and which page of them is wanted.

use std::cmp::Ordering;

use serde_json::{Map, Value};

/// How deep filters may nest.
const MAX_DEPTH: usize = 16;
/// Conditions in one filter.
const MAX_CONDITIONS: usize = 1_000;

/// What is asked for.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Query {
    filter: Filter,
    sort: Vec<Sort>,
    /// At most so many hits; `None`: all.
    pub(super) limit: Option<usize>,
    /// How many hits were seen already.
    pub(super) skip: usize,
}

#[derive(Debug, Default, PartialEq)]
enum Filter {
    #[default]
    Everything,
    All(Vec<Filter>),
    Any(Vec<Filter>),
    /// What the place in the value is compared with.
    Compare(Comparison, Path, Value),
    In(Path, Vec<Value>),
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Comparison {
    Equal,
    NotEqual,
    Greater,
    GreaterOrEqual,
    Less,
    LessOrEqual,
}

#[derive(Debug, PartialEq)]
struct Sort {
    path: Path,
    is_descending: bool,
}

/// A place in a value: names of members, one within the other.
#[derive(Debug, PartialEq)]
struct Path(Vec<String>);

impl Path {
    fn read(text: &str) -> Self {
        // What is queried is a value, which some clients call so.
        let text = text.strip_prefix("value.").unwrap_or(text);
        Self(text.split('.').map(str::to_owned).collect())
    }

    fn of<'a>(&self, value: &'a Value) -> Option<&'a Value> {
        self.0.iter().try_fold(value, |value, name| match value {
            Value::Object(members) => members.get(name),
            Value::Array(elements) => elements.get(name.parse::<usize>().ok()?),
            _ => None,
        })
    }
}

impl Query {
    /// Reads a query.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(super) fn read(json: &Value) -> Result<Self, String> {
        let Value::Object(members) = json else {
            return Err("a query must be an object".to_owned());
        };
        let mut query = Self::default();
        for (name, value) in members {
            match name.as_str() {
                _ if value.is_null() => {}
                "filter" => {
                    let mut left = MAX_CONDITIONS;
                    query.filter = Filter::read(value, MAX_DEPTH, &mut left)?;
                }
                "sort" => query.sort = read_sort(value)?,
                "page" => (query.limit, query.skip) = read_page(value)?,
                // Others say what is known here already, such as `metadata`.
                _ => {}
            }
        }
        Ok(query)
    }

    /// Whether a value is a hit.
    pub(super) fn matches(&self, value: &Value) -> bool {
        self.filter.matches(value)
    }

    /// Which of two hits comes first; those without the member that is sorted by come last.
    pub(super) fn compare(&self, left: &Value, right: &Value) -> Ordering {
        let by_one = |sort: &Sort| {
            let ordering = match (sort.path.of(left), sort.path.of(right)) {
                (Some(left), Some(right)) => order(left, right).unwrap_or(Ordering::Equal),
                (None, None) => return Ordering::Equal,
                (None, Some(_)) => return Ordering::Greater,
                (Some(_), None) => return Ordering::Less,
            };
            if sort.is_descending { ordering.reverse() } else { ordering }
        };
        self.sort.iter().map(by_one).find(|ordering| ordering.is_ne()).unwrap_or(Ordering::Equal)
    }
}

impl Filter {
    fn read(json: &Value, depth: usize, left: &mut usize) -> Result<Self, String> {
        let depth = depth.checked_sub(1).ok_or("the filter nests too deep")?;
        *left = left
            .checked_sub(1)
            .ok_or_else(|| format!("the filter has more than {MAX_CONDITIONS} conditions"))?;
        let Value::Object(members) = json else {
            return Err("a filter must be an object".to_owned());
        };
        let mut members = members.iter();
        let (operator, operand) = match (members.next(), members.next()) {
            (None, _) => return Ok(Self::Everything),
            (Some(member), None) => member,
            (Some(_), Some(_)) => {
                return Err("a filter has one operator; join several by AND or OR".to_owned());
            }
        };
        let comparison = match operator.as_str() {
            "AND" => return Ok(Self::All(read_parts(operator, operand, depth, left)?)),
            "OR" => return Ok(Self::Any(read_parts(operator, operand, depth, left)?)),
            "IN" => {
                let (path, values) = one_member(operator, operand)?;
                let Value::Array(values) = values else {
                    return Err("IN compares with an array".to_owned());
                };
                return Ok(Self::In(path, values.clone()));
            }
            "EQ" => Comparison::Equal,
            "NEQ" => Comparison::NotEqual,
            "GT" => Comparison::Greater,
            "GTE" => Comparison::GreaterOrEqual,
            "LT" => Comparison::Less,
            "LTE" => Comparison::LessOrEqual,
            other => {
                return Err(format!(
                    "a filter has no operator {other}; there are EQ, NEQ, IN, GT, GTE, LT, LTE, \
                     AND and OR"
                ));
            }
        };
        let (path, value) = one_member(operator, operand)?;
        Ok(Self::Compare(comparison, path, value.clone()))
    }

    fn matches(&self, value: &Value) -> bool {
        match self {
            Self::Everything => true,
            Self::All(parts) => parts.iter().all(|part| part.matches(value)),
            Self::Any(parts) => parts.iter().any(|part| part.matches(value)),
            Self::In(path, values) => {
                path.of(value).is_some_and(|found| values.iter().any(|one| equal(found, one)))
            }
            Self::Compare(comparison, path, wanted) => {
                let Some(found) = path.of(value) else { return false };
                match comparison {
                    Comparison::Equal => equal(found, wanted),
                    Comparison::NotEqual => !equal(found, wanted),
                    Comparison::Greater => order(found, wanted).is_some_and(Ordering::is_gt),
                    Comparison::GreaterOrEqual => order(found, wanted).is_some_and(Ordering::is_ge),
                    Comparison::Less => order(found, wanted).is_some_and(Ordering::is_lt),
                    Comparison::LessOrEqual => order(found, wanted).is_some_and(Ordering::is_le),
                }
            }
        }
    }
}

fn read_parts(
    operator: &str,
    json: &Value,
    depth: usize,
    left: &mut usize,
) -> Result<Vec<Filter>, String> {
    match json {
        Value::Array(parts) if !parts.is_empty() => {
            parts.iter().map(|part| Filter::read(part, depth, left)).collect()
        }
        _ => Err(format!("{operator} joins an array of filters that is not empty")),
    }
}

fn one_member<'a>(operator: &str, json: &'a Value) -> Result<(Path, &'a Value), String> {
    let mut members = json.as_object().map(Map::iter).into_iter().flatten();
    match (members.next(), members.next()) {
        (Some((path, value)), None) => Ok((Path::read(path), value)),
        _ => Err(format!("{operator} takes an object with one member, as in {{\"person.id\": 1}}")),
    }
}

fn read_sort(json: &Value) -> Result<Vec<Sort>, String> {
    let Value::Array(all) = json else { return Err("`sort` must be an array".to_owned()) };
    let one = |json: &Value| {
        let path = json["key"].as_str().filter(|path| !path.is_empty());
        let path = path.ok_or("a member of `sort` has no `key`")?;
        let is_descending = match &json["order"] {
            Value::Null => false,
            Value::String(order) if order.eq_ignore_ascii_case("asc") => false,
            Value::String(order) if order.eq_ignore_ascii_case("desc") => true,
            other => return Err(format!("`order` must be ASC or DESC, it is {other}")),
        };
        Ok(Sort { path: Path::read(path), is_descending })
    };
    all.iter().map(one).collect()
}

fn read_page(json: &Value) -> Result<(Option<usize>, usize), String> {
    let limit = match &json["limit"] {
        Value::Null => None,
        limit => match limit.as_u64().and_then(|limit| usize::try_from(limit).ok()) {
            Some(0) => None,
            Some(limit) => Some(limit),
            None => return Err(format!("`limit` must be a whole number, it is {limit}")),
        },
    };
    let skip = match &json["token"] {
        Value::Null => 0,
        Value::String(token) if token.is_empty() => 0,
        Value::String(token) => {
            token.parse().map_err(|_| format!("`token` must be one of an answer, it is {token}"))?
        }
        token => return Err(format!("`token` must be a string, it is {token}")),
    };
    Ok((limit, skip))
}

/// Numbers are equal if their values are, as in 1 and 1.0.
fn equal(left: &Value, right: &Value) -> bool {
    left == right || order(left, right) == Some(Ordering::Equal)
}

/// Which of two values comes first; `None` if they cannot be compared.
fn order(left: &Value, right: &Value) -> Option<Ordering> {
    match (left, right) {
        (Value::String(left), Value::String(right)) => Some(left.cmp(right)),
        (Value::Bool(left), Value::Bool(right)) => Some(left.cmp(right)),
        (Value::Number(left), Value::Number(right)) => match (left.as_i64(), right.as_i64()) {
            (Some(left), Some(right)) => Some(left.cmp(&right)),
            _ => left.as_f64()?.partial_cmp(&right.as_f64()?),
        },
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn matches(filter: &Value, value: &Value) -> bool {
        Query::read(&json!({ "filter": filter })).expect("a query").matches(value)
    }

    #[test]
    fn each_operator_compares_a_place_in_the_value() {
        let value = json!({ "a": { "b": 5 }, "s": "x", "l": [1, 2] });
        for (filter, expected) in [
            (json!({}), true),
            (json!({ "EQ": { "a.b": 5 } }), true),
            (json!({ "EQ": { "a.b": 5.0 } }), true),
            (json!({ "EQ": { "value.a.b": 5 } }), true),
            (json!({ "EQ": { "a.b": "5" } }), false),
            (json!({ "EQ": { "a.c": null } }), false),
            (json!({ "EQ": { "l.1": 2 } }), true),
            (json!({ "NEQ": { "a.b": 6 } }), true),
            (json!({ "IN": { "s": ["y", "x"] } }), true),
            (json!({ "IN": { "s": [] } }), false),
            (json!({ "GT": { "a.b": 4 } }), true),
            (json!({ "GT": { "a.b": 5 } }), false),
            (json!({ "GTE": { "a.b": 5 } }), true),
            (json!({ "LT": { "s": "y" } }), true),
            (json!({ "LTE": { "a.b": 4.9 } }), false),
            (json!({ "AND": [{ "EQ": { "s": "x" } }, { "LT": { "a.b": 9 } }] }), true),
            (json!({ "OR": [{ "EQ": { "s": "y" } }, { "GT": { "a.b": 9 } }] }), false),
        ] {
            assert_eq!(matches(&filter, &value), expected, "{filter}");
        }
    }

    #[test]
    fn what_is_no_query_is_refused() {
        for wrong in [
            json!([]),
            json!({ "filter": 1 }),
            json!({ "filter": { "XOR": [] } }),
            json!({ "filter": { "AND": [] } }),
            json!({ "filter": { "EQ": {} } }),
            json!({ "filter": { "EQ": { "a": 1, "b": 2 } } }),
            json!({ "filter": { "EQ": { "a": 1 }, "NEQ": { "a": 1 } } }),
            json!({ "filter": { "IN": { "a": 1 } } }),
            json!({ "sort": [{}] }),
            json!({ "sort": [{ "key": "a", "order": "up" }] }),
            json!({ "page": { "limit": -1 } }),
            json!({ "page": { "token": "x" } }),
        ] {
            assert!(Query::read(&wrong).is_err(), "{wrong}");
        }
        let mut deep = json!({});
        for _ in 0..MAX_DEPTH {
            deep = json!({ "AND": [deep] });
        }
        assert!(Query::read(&json!({ "filter": deep })).is_err());
    }

    #[test]
    fn hits_are_sorted_by_one_member_after_the_other() {
        let sort = json!([{ "key": "a", "order": "DESC" }, { "key": "b" }]);
        let query = Query::read(&json!({ "sort": sort, "page": { "limit": 2, "token": "4" } }));
        let query = query.expect("a query");
        assert_eq!((query.limit, query.skip), (Some(2), 4));
        let mut hits =
            [json!({"b": 0}), json!({"a": 1, "b": 2}), json!({"a": 1, "b": 1}), json!({"a": 2})];
        hits.sort_by(|left, right| query.compare(left, right));
        let expected =
            [json!({"a": 2}), json!({"a": 1, "b": 1}), json!({"a": 1, "b": 2}), json!({"b": 0})];
        assert_eq!(hits, expected);
    }
}
