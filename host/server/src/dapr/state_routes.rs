//! Reading and writing state.

use axum::http::request::Parts;
use axum::http::{StatusCode, header};
use axum::response::Response;
use everlog_runtime::state_store::{
    MAX_STATE_BYTES, MAX_STATE_KEYS, MAX_TRANSACTION_OPERATIONS, Operation, Rejection, StateStore,
};
use futures::stream::{self, StreamExt as _};

use super::answers::{self, Entry};
use super::failure::{Failure, mismatch};
use super::items::{self, Deed, Item, Surroundings, check_key, member_text};
use super::json::{Form, Json};
use super::query_string::Options;

/// Keys of one request that are read at the same time.
const READS_AT_ONCE: usize = 64;

type Answer = Result<Response, Failure>;

/// `POST /v1.0/state/{store}`.
///
/// Each item stands for itself, so that some may be written and others not; those that are, are written in one step.
pub(super) async fn save(store: &StateStore, options: &Options, body: &[u8]) -> Answer {
    let text = items::text(body)?;
    let json = items::json(text)?;
    let elements = items::elements(&json)?;
    if elements.len() > MAX_STATE_KEYS {
        let found = elements.len();
        let message = format!("{found} items, but at most {MAX_STATE_KEYS} are allowed");
        return Err(Failure::malformed(message));
    }
    let around = surroundings(store, options);
    let read = |item| Item::read(item, Deed::Upsert, around);
    let items: Vec<Item> = elements.iter().map(read).collect::<Result<_, _>>()?;
    let valid: Vec<Operation> =
        items.iter().filter_map(|item| item.operation.clone().ok()).collect();
    let doing = format!("failed saving state in state store {}", name(store));
    let failed = |error| Failure::of_store("ERR_STATE_SAVE", &doing, &error);
    let told = store.apply_each(&valid).await.map_err(failed)?;
    if items.iter().any(|item| item.is_strong) {
        store.wait_replicas().await.map_err(failed)?;
    }
    let rejected: Vec<(&str, Rejection)> = valid
        .iter()
        .zip(told)
        .filter_map(|(operation, told)| Some((operation.key.as_str(), told.err()?)))
        .collect();
    if let Some((_, first)) = rejected.first() {
        let keys: Vec<&str> = rejected.iter().map(|(key, _)| *key).collect();
        let message = format!("{doing}: {} (key {})", mismatch(*first), keys.join(", "));
        let mut rejections = rejected.iter().map(|(_, rejection)| *rejection);
        let status = rejections.find_map(malformed_status).unwrap_or(StatusCode::CONFLICT);
        return Err(Failure::new(status, "ERR_STATE_SAVE", message));
    }
    let invalid = items.iter().find_map(|item| Some((&item.key, item.operation.as_ref().err()?)));
    match invalid {
        None => Ok(answers::nothing()),
        Some((key, wrong)) => {
            let message = format!("{doing}: key {key}: {wrong}");
            Err(Failure::new(StatusCode::INTERNAL_SERVER_ERROR, "ERR_STATE_SAVE", message))
        }
    }
}

/// `GET /v1.0/state/{store}/{key}`.
///
/// What is read is always the newest, so that both kinds of consistency are the same here.
pub(super) async fn get(store: &StateStore, options: &Options, key: &str) -> Answer {
    check_key(name(store), key)?;
    let doing = format!("fail to get {key} from state store {}", name(store));
    let invalid = |wrong: String| {
        let message = format!("{doing}: {wrong}");
        Failure::new(StatusCode::INTERNAL_SERVER_ERROR, "ERR_STATE_GET", message)
    };
    options.is_strong().map_err(invalid)?;
    let found = store.get(key).await;
    match found.map_err(|error| Failure::of_store("ERR_STATE_GET", &doing, &error))? {
        Some(state) => Ok(answers::value(state)),
        None => Ok(answers::nothing()),
    }
}

/// `DELETE /v1.0/state/{store}/{key}`.
pub(super) async fn delete(
    store: &StateStore,
    options: &Options,
    parts: &Parts,
    key: String,
) -> Answer {
    check_key(name(store), &key)?;
    let doing = format!("failed deleting state with key {key}");
    let invalid = |wrong: String| {
        let message = format!("{doing}: {wrong}");
        Failure::new(StatusCode::INTERNAL_SERVER_ERROR, "ERR_STATE_DELETE", message)
    };
    let is_strong = options.is_strong().map_err(invalid)?;
    let concurrency = options.concurrency().map_err(invalid)?;
    let etag = parts.headers.get(header::IF_MATCH);
    let etag = etag.map(|etag| String::from_utf8_lossy(etag.as_bytes()).into_owned());
    let etag = etag.filter(|etag| !etag.is_empty());
    let operation = Operation { key, value: None, etag, concurrency };
    let failed = |error| Failure::of_store("ERR_STATE_DELETE", &doing, &error);
    let told = store.apply_each(std::slice::from_ref(&operation)).await.map_err(failed)?;
    if let Some(Err(rejection)) = told.first() {
        let message = format!("{doing}: {}", mismatch(*rejection));
        let status = malformed_status(*rejection).unwrap_or(StatusCode::CONFLICT);
        return Err(Failure::new(status, "ERR_STATE_DELETE", message));
    }
    if is_strong {
        store.wait_replicas().await.map_err(failed)?;
    }
    Ok(answers::nothing())
}

/// `POST /v1.0/state/{store}/bulk`: what is under each key, in the order of the request.
pub(super) async fn bulk_get(store: &StateStore, body: &[u8]) -> Answer {
    let text = items::text(body)?;
    let json = items::json(text)?;
    let keys = bulk_keys(store, &json)?;
    let mut entries = Vec::with_capacity(keys.len());
    let mut bytes = 0;
    let reads: Vec<_> = keys.iter().map(|key| store.get(key)).collect();
    let mut found = stream::iter(reads).buffered(READS_AT_ONCE);
    for key in &keys {
        let Some(found) = found.next().await else { break };
        let entry = Entry::of(key);
        entries.push(match found {
            Ok(None) => entry,
            Ok(Some(state)) => {
                bytes += state.bytes.len();
                if bytes <= MAX_STATE_BYTES {
                    entry.state(&state)
                } else {
                    entry.error(&format!(
                        "the values before this one have {MAX_STATE_BYTES} bytes, the most that \
                         one answer holds; ask for fewer keys"
                    ))
                }
            }
            Err(error) => entry.error(&error.to_string()),
        });
    }
    Ok(answers::json_text(answers::list(&entries)))
}

fn bulk_keys(store: &StateStore, json: &Json<'_>) -> Result<Vec<String>, Failure> {
    if !matches!(json.form, Form::Object(_)) {
        let kind = json.kind();
        return Err(Failure::malformed(format!("the body must be an object, it is {kind}")));
    }
    let elements = match json.member("keys").map(|keys| (keys, &keys.form)) {
        None | Some((_, Form::Null)) => &[][..],
        Some((_, Form::List(elements))) => elements,
        Some((other, _)) => {
            let kind = other.kind();
            return Err(Failure::malformed(format!("`keys` must be an array, it is {kind}")));
        }
    };
    if elements.len() > MAX_STATE_KEYS {
        let found = elements.len();
        let message = format!("{found} keys, but at most {MAX_STATE_KEYS} are allowed");
        return Err(Failure::malformed(message));
    }
    let key = |element: &Json<'_>| match &element.form {
        Form::Text(key) => {
            check_key(name(store), key)?;
            Ok(key.clone().into_owned())
        }
        _ => Err(Failure::malformed(format!("a key must be a string, it is {}", element.kind()))),
    };
    elements.iter().map(key).collect()
}

/// `POST /v1.0/state/{store}/transaction`: all operations or none.
pub(super) async fn transact(store: &StateStore, options: &Options, body: &[u8]) -> Answer {
    let text = items::text(body)?;
    let json = items::json(text)?;
    let items = transaction_items(store, options, &json)?;
    let failed = |message: String| {
        let message = format!("error while executing state transaction: {message}");
        Failure::new(StatusCode::INTERNAL_SERVER_ERROR, "ERR_STATE_TRANSACTION", message)
    };
    let mut operations = Vec::with_capacity(items.len());
    for item in &items {
        let wrong = |wrong: &String| failed(format!("key {}: {wrong}", item.key));
        operations.push(item.operation.as_ref().map_err(wrong)?.clone());
    }
    let doing = "error while executing state transaction";
    let broken = |error| Failure::of_store("ERR_STATE_TRANSACTION", doing, &error);
    let told = store.transact(&operations).await.map_err(broken)?;
    let mut rejected = operations.iter().zip(told);
    if let Some((operation, Err(rejection))) = rejected.find(|(_, told)| told.is_err()) {
        let message = format!("{} (key {})", mismatch(rejection), operation.key);
        return Err(failed(message));
    }
    if items.iter().any(|item| item.is_strong) {
        store.wait_replicas().await.map_err(broken)?;
    }
    Ok(answers::nothing())
}

fn transaction_items(
    store: &StateStore,
    options: &Options,
    json: &Json<'_>,
) -> Result<Vec<Item>, Failure> {
    if !matches!(json.form, Form::Object(_)) {
        let kind = json.kind();
        return Err(Failure::malformed(format!("the body must be an object, it is {kind}")));
    }
    let elements = match json.member("operations").map(|all| (all, &all.form)) {
        None | Some((_, Form::Null)) => &[][..],
        Some((_, Form::List(elements))) => elements,
        Some((other, _)) => {
            let kind = other.kind();
            return Err(Failure::malformed(format!("`operations` must be an array, it is {kind}")));
        }
    };
    let mut items = Vec::with_capacity(elements.len().min(MAX_TRANSACTION_OPERATIONS));
    if elements.len() > MAX_TRANSACTION_OPERATIONS {
        let (found, limit) = (elements.len(), MAX_TRANSACTION_OPERATIONS);
        return Err(Failure::too_many_operations(name(store), found, limit));
    }
    for element in elements {
        if !matches!(element.form, Form::Object(_)) {
            let kind = element.kind();
            return Err(Failure::malformed(format!(
                "an operation must be an object, it is {kind}"
            )));
        }
        let deed = match member_text(element, "operation")?.as_deref() {
            Some("upsert") => Deed::Upsert,
            Some("delete") => Deed::Delete,
            other => return Err(Failure::unknown_operation(other.unwrap_or_default())),
        };
        let Some(request) = element.member("request") else {
            return Err(Failure::malformed("an operation has no `request`"));
        };
        items.push(Item::read(request, deed, surroundings(store, options))?);
    }
    Ok(items)
}

/// The status for an ETag that can be none, which goes before that for one that does not fit.
fn malformed_status(rejection: Rejection) -> Option<StatusCode> {
    (rejection == Rejection::EtagMalformed).then_some(StatusCode::BAD_REQUEST)
}

fn surroundings<'a>(store: &'a StateStore, options: &'a Options) -> Surroundings<'a> {
    Surroundings {
        store: name(store),
        default_ttl_seconds: store.config().default_ttl_seconds,
        metadata: &options.metadata,
    }
}

fn name(store: &StateStore) -> &str {
    &store.config().name
}
