//! What calls of `golem:api/host` brought, for readers of an oplog.

use bincode::Decode;
use everlog_oplog::{Payload, RetryPolicy};
use uuid::Uuid;

use super::updates::Requested;
use super::workers::WorkerRecord;
use crate::value::Value;
use crate::wasi::Wait;

/// The recorded outcome of a host call, as far as it can be read.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// A value of the function's result type, or near it.
    Value(Value),
    /// Bytes that somebody gave.
    Data(Payload),
}

impl Outcome {
    /// Reads the outcome of `function`; `None` where it is of no function of `golem:api/host` or `everlog:api`, or can't be
    /// read.
    #[must_use]
    pub fn of(function: &str, outcome: &Payload) -> Option<Self> {
        let Payload::Inline(bytes) = outcome else { return None };
        if let Some(outcome) = crate::everlog_api::outcome(function, bytes) {
            return Some(outcome);
        }
        let value = match function.strip_prefix("golem:api/host.")? {
            "await-promise" => match decode::<Wait<Payload>>(bytes)? {
                Wait::Over(data) => return Some(Self::Data(data)),
                Wait::Cancelled(_) => Value::String("cancelled".to_owned()),
                Wait::LinesEnded => Value::String("left memory while it waits".to_owned()),
            },
            "complete-promise" => Value::Bool(decode(bytes)?),
            "update-worker" => match decode::<Requested>(bytes)? {
                Ok(()) => Value::Result(Ok(None)),
                Err(why) => Value::Result(Err(Some(Box::new(Value::String(why))))),
            },
            "get-self-metadata" => decode::<WorkerRecord>(bytes)?.to_value(),
            "get-worker-metadata" => {
                let record: Option<WorkerRecord> = decode(bytes)?;
                Value::Option(record.map(|record| Box::new(record.to_value())))
            }
            "[method]get-workers.get-next" => {
                let page: Vec<WorkerRecord> = decode(bytes)?;
                Value::List(page.iter().map(WorkerRecord::to_value).collect())
            }
            "generate-idempotency-key" => {
                let (high, low) = decode(bytes)?;
                Value::String(Uuid::from_u64_pair(high, low).to_string())
            }
            "get-retry-policy" => {
                let policy: RetryPolicy = decode(bytes)?;
                Value::Record(vec![
                    ("max-attempts".to_owned(), Value::U32(policy.max_attempts)),
                    ("min-delay".to_owned(), Value::U64(policy.min_delay_nanos)),
                    ("max-delay".to_owned(), Value::U64(policy.max_delay_nanos)),
                ])
            }
            _ => return None,
        };
        Some(Self::Value(value))
    }
}

impl WorkerRecord {
    fn to_value(&self) -> Value {
        let text = |text: &String| Value::String(text.clone());
        let variable =
            |(name, value): &(String, String)| Value::Tuple(vec![text(name), text(value)]);
        let fields = [
            ("worker-name", text(&self.name)),
            ("args", Value::List(self.args.iter().map(text).collect())),
            ("env", Value::List(self.env.iter().map(variable).collect())),
            ("status", Value::Enum(self.status_name().to_owned())),
            ("component-version", Value::U64(self.version)),
            ("retry-count", Value::U64(self.retries)),
        ];
        Value::Record(fields.map(|(name, value)| (name.to_owned(), value)).to_vec())
    }
}

fn decode<T: Decode<()>>(bytes: &[u8]) -> Option<T> {
    let decoded = bincode::decode_from_slice(bytes, bincode::config::standard());
    decoded.ok().map(|(value, _)| value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoded<T: bincode::Encode>(outcome: T) -> Payload {
        Payload::Inline(bincode::encode_to_vec(outcome, bincode::config::standard()).unwrap())
    }

    fn of(function: &str, outcome: &Payload) -> Option<Outcome> {
        Outcome::of(&format!("golem:api/host.{function}"), outcome)
    }

    #[test]
    fn outcomes_are_read_by_their_function() {
        let first = of("complete-promise", &encoded(true));
        assert_eq!(first, Some(Outcome::Value(Value::Bool(true))));
        let data = Payload::Inline(b"yes".to_vec());
        let awaited = of("await-promise", &encoded(Wait::Over(data.clone())));
        assert_eq!(awaited, Some(Outcome::Data(data)));
        assert_eq!(of("get-self-metadata", &encoded(())), None);
        assert_eq!(Outcome::of("wasi:random/random.get-random-u64", &encoded(1_u64)), None);
    }
}
