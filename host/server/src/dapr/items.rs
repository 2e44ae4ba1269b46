//! The items of a body: what is to be written, as callers say it.

use std::borrow::Cow;

use everlog_runtime::state_store::{Operation, Value};

use super::failure::Failure;
use super::json::{Form, Json};
use super::query_string::{concurrency, is_strong};

/// What separates the prefix of a store from a key, so that no key may have it.
pub(super) const SEPARATOR: &str = "||";

/// The name under which metadata say how long a value stays.
const TTL: &str = "ttlInSeconds";

/// Texts by name, in the order of the body.
type Texts<'a> = Vec<(Cow<'a, str>, Cow<'a, str>)>;

/// One write of a body that is well-formed.
#[derive(Debug)]
pub(super) struct Item {
    pub(super) key: String,
    /// What it asks for, or why that cannot be done.
    pub(super) operation: Result<Operation, String>,
    /// Whether it wants to wait for the replicas.
    pub(super) is_strong: bool,
}

/// Where the item is to be written, and what counts unless it says otherwise.
#[derive(Clone, Copy)]
pub(super) struct Surroundings<'a> {
    pub(super) store: &'a str,
    pub(super) default_ttl_seconds: Option<u32>,
    /// Of the query: they go before those of the item.
    pub(super) metadata: &'a [(String, String)],
}

/// Whether an item puts a value or deletes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Deed {
    Upsert,
    Delete,
}

/// The body as text.
pub(super) fn text(body: &[u8]) -> Result<&str, Failure> {
    std::str::from_utf8(body).map_err(|error| {
        let place = error.valid_up_to();
        Failure::malformed(format!("the body is not UTF-8: byte {place} does not fit"))
    })
}

/// The first JSON value of the body.
pub(super) fn json(text: &str) -> Result<Json<'_>, Failure> {
    Json::read(text).map_err(|error| Failure::malformed(format!("the body is no JSON: {error}")))
}

/// The elements of a body that is an array.
pub(super) fn elements<'a>(json: &'a Json<'a>) -> Result<&'a [Json<'a>], Failure> {
    match &json.form {
        Form::List(elements) => Ok(elements),
        Form::Text(inner) if Json::read(inner).is_ok_and(|inner| inner.kind() != "a string") => {
            Err(Failure::malformed(
                "the body is a JSON string that itself holds JSON: send the JSON as it is (with \
                 Python's requests, `json=` takes the list, `data=` takes text)",
            ))
        }
        _ => Err(Failure::malformed(format!(
            "the body must be an array of items, it is {}",
            json.kind()
        ))),
    }
}

impl Item {
    /// Reads one item.
    ///
    /// # Errors
    /// [`Failure`] for what makes the whole body malformed.
    pub(super) fn read(
        json: &Json<'_>,
        deed: Deed,
        around: Surroundings<'_>,
    ) -> Result<Self, Failure> {
        if !matches!(json.form, Form::Object(_)) {
            let kind = json.kind();
            return Err(Failure::malformed(format!("an item must be an object, it is {kind}")));
        }
        let key = match member_text(json, "key")? {
            Some(key) if !key.is_empty() => key.into_owned(),
            _ => return Err(Failure::malformed("an item has no `key`, or an empty one")),
        };
        check_key(around.store, &key)?;
        let etag = member_text(json, "etag")?.filter(|etag| !etag.is_empty());
        let metadata = metadata(json)?;
        let options = json.member("options").filter(|options| !is_null(options));
        if let Some(options) = options
            && !matches!(options.form, Form::Object(_))
        {
            let kind = options.kind();
            return Err(Failure::malformed(format!("`options` must be an object, it is {kind}")));
        }
        let option = |name| match options {
            Some(options) => member_text(options, name),
            None => Ok(None),
        };
        let (wanted_concurrency, consistency) = (option("concurrency")?, option("consistency")?);
        let strong = is_strong(consistency.as_deref());
        let operation = (|| {
            let is_put = deed == Deed::Upsert;
            strong.clone()?;
            Ok(Operation {
                key: key.clone(),
                value: is_put.then(|| value(json, &metadata, around)).transpose()?,
                etag: etag.map(Cow::into_owned),
                concurrency: concurrency(wanted_concurrency.as_deref())?,
            })
        })();
        Ok(Self { key, operation, is_strong: strong.unwrap_or(false) })
    }
}

/// Refuses a key that could be taken for one of another application.
pub(super) fn check_key(store: &str, key: &str) -> Result<(), Failure> {
    if key.contains(SEPARATOR) { Err(Failure::illegal_key(store, key)) } else { Ok(()) }
}

fn value(json: &Json<'_>, metadata: &Texts<'_>, around: Surroundings<'_>) -> Result<Value, String> {
    let text = json.member("value").map_or("null", |value| value.text);
    let own = metadata.iter().rev().find(|(name, _)| name == TTL).map(|(_, value)| value.as_ref());
    let of_query = around.metadata.iter().rev().find(|(name, _)| name == TTL);
    let ttl = of_query.map(|(_, value)| value.as_str()).or(own).filter(|ttl| !ttl.is_empty());
    let ttl_seconds = match ttl {
        Some(text) => ttl_seconds(text)?,
        None => around.default_ttl_seconds,
    };
    Ok(Value { bytes: text.as_bytes().to_vec(), ttl_seconds })
}

/// Reads a time to live; `None` for one that has no end.
pub(super) fn ttl_seconds(text: &str) -> Result<Option<u32>, String> {
    let seconds: i32 = text.parse().ok().filter(|seconds| *seconds >= -1).ok_or_else(|| {
        format!("incorrect value for metadata '{TTL}': '{text}' is no whole number of seconds from -1 on")
    })?;
    Ok(u32::try_from(seconds).ok().filter(|seconds| *seconds > 0))
}

/// The metadata of an item, which are texts.
fn metadata<'a>(json: &'a Json<'a>) -> Result<Texts<'a>, Failure> {
    let Some(metadata) = json.member("metadata").filter(|metadata| !is_null(metadata)) else {
        return Ok(Vec::new());
    };
    let Form::Object(members) = &metadata.form else {
        let kind = metadata.kind();
        return Err(Failure::malformed(format!("`metadata` must be an object, it is {kind}")));
    };
    let text = |(name, value): &'a (Cow<'a, str>, Json<'a>)| match &value.form {
        Form::Text(text) => Ok((name.clone(), text.clone())),
        _ => Err(Failure::malformed(format!(
            "metadata `{name}` must be a string, it is {}",
            value.kind()
        ))),
    };
    members.iter().map(text).collect()
}

/// A member that is a string; `null` is as good as none.
pub(super) fn member_text<'a>(
    json: &'a Json<'a>,
    name: &str,
) -> Result<Option<Cow<'a, str>>, Failure> {
    match json.member(name) {
        None => Ok(None),
        Some(value) => match &value.form {
            Form::Null => Ok(None),
            Form::Text(text) => Ok(Some(text.clone())),
            _ => Err(Failure::malformed(format!(
                "`{name}` must be a string, it is {}",
                value.kind()
            ))),
        },
    }
}

fn is_null(json: &Json<'_>) -> bool {
    matches!(json.form, Form::Null)
}

#[cfg(test)]
mod tests {
    use everlog_runtime::state_store::Concurrency;

    use super::*;

    const AROUND: Surroundings<'_> =
        Surroundings { store: "s", default_ttl_seconds: Some(9), metadata: &[] };

    fn read(text: &str) -> Result<Item, Failure> {
        Item::read(&json(text).expect("JSON"), Deed::Upsert, AROUND)
    }

    #[test]
    fn an_item_is_what_it_says() {
        let item = read(
            r#"{"key":"k","value":{"a" : 1.0},"etag":"7","metadata":{"ttlInSeconds":"5","x":"y"},
                "options":{"concurrency":"first-write","consistency":"strong"},"unknown":1}"#,
        );
        let item = item.expect("well-formed");
        assert!(item.is_strong);
        let operation = item.operation.expect("valid");
        let expected = Value { bytes: br#"{"a" : 1.0}"#.to_vec(), ttl_seconds: Some(5) };
        assert_eq!(operation.value, Some(expected));
        assert_eq!(operation.etag.as_deref(), Some("7"));
        assert_eq!(operation.concurrency, Concurrency::FirstWrite);

        let bare = read(r#"{"key":"k","etag":"","options":{},"metadata":null}"#);
        let operation = bare.expect("well-formed").operation.expect("valid");
        let expected = Value { bytes: b"null".to_vec(), ttl_seconds: Some(9) };
        assert_eq!((operation.value, operation.etag), (Some(expected), None));
    }

    #[test]
    fn what_is_malformed_refuses_the_body_and_what_is_wrong_the_item() {
        for malformed in [
            "1",
            "{}",
            r#"{"ey":1}"#,
            r#"{"key":""}"#,
            r#"{"key":1}"#,
            r#"{"key":"a||b"}"#,
            r#"{"key":"k","etag":1}"#,
            r#"{"key":"k","metadata":{"a":1}}"#,
            r#"{"key":"k","metadata":[]}"#,
            r#"{"key":"k","options":1}"#,
            r#"{"key":"k","options":{"consistency":1}}"#,
        ] {
            assert!(read(malformed).is_err(), "{malformed}");
        }
        for wrong in [
            r#"{"key":"k","metadata":{"ttlInSeconds":"foo"}}"#,
            r#"{"key":"k","metadata":{"ttlInSeconds":"-2"}}"#,
            r#"{"key":"k","options":{"consistency":"later"}}"#,
            r#"{"key":"k","options":{"concurrency":"me"}}"#,
        ] {
            assert!(read(wrong).expect("well-formed").operation.is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_time_to_live_may_be_endless() {
        assert_eq!(ttl_seconds("3600"), Ok(Some(3_600)));
        assert_eq!(ttl_seconds("-1"), Ok(None));
        assert_eq!(ttl_seconds("0"), Ok(None));
        for wrong in ["1.5", "1s", "4294967296", "-2", " 1"] {
            assert!(ttl_seconds(wrong).is_err(), "{wrong}");
        }
    }
}
