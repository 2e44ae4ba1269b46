//! What calls of `everlog:api` brought, for readers of an oplog.

use bincode::Decode;
use everlog_oplog::Payload;
use uuid::Uuid;

use crate::durable::{Reply, decode_bytes};
use crate::golem::Outcome;
use crate::keyvalue::{Page, StoredValue};
use crate::value::Value;

/// Reads the outcome of `function`; `None` where it is of no function of `everlog:api`, or can't be read.
pub(crate) fn outcome(function: &str, bytes: &[u8]) -> Option<Outcome> {
    match function.strip_prefix("everlog:api/")? {
        // As the guest gave it.
        "actions.run" => Some(Outcome::Data(Payload::Inline(bytes.to_vec()))),
        "invocations.id" => {
            let (high, low) = decode_bytes(bytes)?;
            Some(Outcome::Value(Value::String(Uuid::from_u64_pair(high, low).to_string())))
        }
        "state.get" => told(bytes, |found: Option<StoredValue>| match found {
            None => Outcome::Value(Value::Option(None)),
            Some(StoredValue::Inline(bytes)) => Outcome::Data(Payload::Inline(bytes)),
            Some(StoredValue::Blob { digest, size }) => {
                Outcome::Data(Payload::Blob { digest, size })
            }
        }),
        "state.keys" => told(bytes, |page: Page| {
            Outcome::Value(Value::List(page.keys.into_iter().map(Value::String).collect()))
        }),
        "state.set" | "state.clear" | "state.clear-all" => {
            told(bytes, |()| Outcome::Value(Value::Result(Ok(None))))
        }
        _ => None,
    }
}

fn told<T: Decode<()>>(bytes: &[u8], shown: impl FnOnce(T) -> Outcome) -> Option<Outcome> {
    let refused = |why| Outcome::Value(Value::Result(Err(Some(Box::new(Value::String(why))))));
    Some(decode_bytes::<Reply<T>>(bytes)?.map_or_else(refused, shown))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of<T: bincode::Encode>(function: &str, told: Reply<T>) -> Option<Outcome> {
        let bytes = bincode::encode_to_vec(told, bincode::config::standard()).unwrap();
        outcome(&format!("everlog:api/{function}"), &bytes)
    }

    #[test]
    fn outcomes_are_read_by_their_function() {
        let found = of("state.get", Ok(Some(StoredValue::Inline(b"[1]".to_vec()))));
        assert_eq!(found, Some(Outcome::Data(Payload::Inline(b"[1]".to_vec()))));
        let refused = of::<()>("state.set", Err("too long".to_owned()));
        let why = Some(Box::new(Value::String("too long".to_owned())));
        assert_eq!(refused, Some(Outcome::Value(Value::Result(Err(why)))));
        let page = Page { keys: vec!["a".to_owned()], next: None };
        let keys = Value::List(vec![Value::String("a".to_owned())]);
        assert_eq!(of("state.keys", Ok(page)), Some(Outcome::Value(keys)));
        assert_eq!(of("state.other", Ok(())), None);
    }
}
