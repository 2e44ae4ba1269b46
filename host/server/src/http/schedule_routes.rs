//! Schedules: calls of workers at times that are told in advance.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use everlog_runtime::schedules::{Missed, NewSchedule, Schedule, ScheduleError, Timing};
use everlog_runtime::value::HandleUrns;
use everlog_runtime::{Timestamp, WorkerError, clock};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::app::App;
use super::errors::sentence;
use super::history_routes::order;
use super::names::PathOf;
use super::parameters::Parameters;
use super::problem::{Code, Problem};
use super::worker_routes::Named;
use crate::time::{format_instant, parse_instant};
use crate::units::parse_duration;
use crate::values;

const DEFAULT_LIMIT: usize = 100;
const MAX_LIMIT: usize = 1_000;
/// How many coming times a schedule tells.
const UPCOMING: usize = 5;
/// How many missed firings `run-all` makes up for, unless the schedule says otherwise.
const MADE_UP: u32 = 100;

/// The body of a `POST`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Wanted {
    name: String,
    component: String,
    worker: String,
    function: String,
    #[serde(default)]
    arguments: Option<Value>,
    cron: Option<String>,
    time_zone: Option<String>,
    at: Option<String>,
    delay: Option<String>,
    missed: Option<String>,
    missed_limit: Option<u32>,
    #[serde(default)]
    paused: bool,
}

/// `POST /v1/schedules`: 201 for a new schedule, 200 where the very same one is there.
pub(super) async fn add(
    State(app): State<Arc<App>>,
    request: Request,
) -> Result<Response, Problem> {
    let wanted: Wanted = order(&app, request).await?;
    let timing = wanted.timing(clock::now())?;
    let missed = wanted.missed()?;
    let Wanted { name, component, worker, function, arguments, paused, .. } = wanted;
    let named = Named::find(&app, &component, worker)?;
    let version = match app.runtime.versions_for(&named.id).await {
        Ok(versions) => versions.current,
        // Its node looks again before each call.
        Err(WorkerError::Elsewhere { .. }) => Arc::clone(&named.component),
        Err(error) => return Err(named.problem(error)),
    };
    let exports = version.exports();
    let target = exports.resolve(&function)?;
    let arguments = arguments.map_or_else(String::new, |arguments| arguments.to_string());
    let urns = HandleUrns::of_worker(&named.component.id.to_string(), &named.id.name);
    let parameters = exports.parameters_of(&target);
    let args = values::decode_arguments(arguments.as_bytes(), parameters, &urns)?;
    let function = exports.name_of(&target).into_owned();
    let worker = named.id;
    let new = NewSchedule { name, worker, function, args, arguments, timing, missed, paused };
    let (schedule, is_new) = app.runtime.add_schedule(new).await?;
    let status = if is_new { StatusCode::CREATED } else { StatusCode::OK };
    Ok((status, Json(described(&app, &schedule))).into_response())
}

/// `GET /v1/schedules?limit=&cursor=`.
pub(super) async fn list(
    State(app): State<Arc<App>>,
    request: Request,
) -> Result<Json<Value>, Problem> {
    let parameters = Parameters::of(request.uri(), &["limit", "cursor"])?;
    let limit = parameters.limit(DEFAULT_LIMIT, MAX_LIMIT)?;
    let after = parameters.one("cursor")?.map(read_cursor).transpose()?;
    let mut schedules = app.runtime.schedules(after.as_deref(), limit + 1).await?;
    let more = schedules.len() > limit;
    schedules.truncate(limit);
    let listed: Vec<Value> = schedules.iter().map(|it| described(&app, it)).collect();
    let mut answer = json!({ "schedules": listed });
    if let Some(last) = schedules.last().filter(|_| more) {
        answer["cursor"] = URL_SAFE_NO_PAD.encode(&last.name).into();
    }
    Ok(Json(answer))
}

/// `GET /v1/schedules/{name}`.
pub(super) async fn get(
    State(app): State<Arc<App>>,
    PathOf(name): PathOf<String>,
    request: Request,
) -> Result<Json<Value>, Problem> {
    Parameters::of(request.uri(), &[])?;
    let schedule = app.runtime.schedule(&name).await?;
    Ok(Json(described(&app, &schedule)))
}

/// `DELETE /v1/schedules/{name}`.
pub(super) async fn remove(
    State(app): State<Arc<App>>,
    PathOf(name): PathOf<String>,
    request: Request,
) -> Result<StatusCode, Problem> {
    Parameters::of(request.uri(), &[])?;
    app.runtime.remove_schedule(&name).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// `POST /v1/schedules/{name}/pause`.
pub(super) async fn pause(
    State(app): State<Arc<App>>,
    PathOf(name): PathOf<String>,
    request: Request,
) -> Result<Json<Value>, Problem> {
    Parameters::of(request.uri(), &[])?;
    Ok(Json(described(&app, &app.runtime.pause_schedule(&name, true).await?)))
}

/// `POST /v1/schedules/{name}/resume`.
pub(super) async fn resume(
    State(app): State<Arc<App>>,
    PathOf(name): PathOf<String>,
    request: Request,
) -> Result<Json<Value>, Problem> {
    Parameters::of(request.uri(), &[])?;
    Ok(Json(described(&app, &app.runtime.pause_schedule(&name, false).await?)))
}

impl Wanted {
    fn timing(&self, now: Timestamp) -> Result<Timing, Problem> {
        let within = |name: &str, detail: String| invalid(&format!("`{name}`: {detail}"));
        if self.time_zone.is_some() && self.cron.is_none() {
            return Err(invalid("`timeZone` belongs to `cron`; an instant has its zone in it"));
        }
        match (&self.cron, &self.at, &self.delay) {
            (Some(cron), None, None) => {
                let time_zone = self.time_zone.clone().unwrap_or_else(|| "UTC".to_owned());
                Ok(Timing::Cron { expression: cron.clone(), time_zone })
            }
            (None, Some(at), None) => {
                Ok(Timing::At(parse_instant(at).map_err(|detail| within("at", detail))?))
            }
            (None, None, Some(delay)) => {
                let delay = parse_duration(delay).map_err(|detail| within("delay", detail))?;
                Ok(Timing::At(now.after(u64::try_from(delay.as_nanos()).unwrap_or(u64::MAX))))
            }
            _ => Err(invalid("a schedule has one of `cron`, `at` and `delay`")),
        }
    }

    fn missed(&self) -> Result<Missed, Problem> {
        let limit = self.missed_limit;
        match (self.missed.as_deref(), limit) {
            (Some("run-all"), limit) => Ok(Missed::RunAll(limit.unwrap_or(MADE_UP))),
            (_, Some(_)) => Err(invalid("`missedLimit` belongs to `missed` run-all")),
            (None | Some("run-once"), None) => Ok(Missed::RunOnce),
            (Some("skip"), None) => Ok(Missed::Skip),
            (Some(other), None) => {
                Err(super::parameters::invalid("missed", "skip, run-once or run-all", other))
            }
        }
    }
}

fn described(app: &App, schedule: &Schedule) -> Value {
    let id = schedule.worker.component.to_string();
    let component = app.runtime.component(&id).map(|component| component.name.clone());
    let (missed, limit) = match schedule.missed {
        Missed::Skip => ("skip", None),
        Missed::RunOnce => ("run-once", None),
        Missed::RunAll(limit) => ("run-all", Some(limit)),
    };
    let status = match schedule.next {
        None => "finished",
        Some(_) if schedule.paused => "paused",
        Some(_) => "active",
    };
    let (at, cron, time_zone) = match &schedule.timing {
        Timing::At(at) => (Some(format_instant(*at)), None, None),
        Timing::Cron { expression, time_zone } => (None, Some(expression), Some(time_zone)),
    };
    let upcoming = app.runtime.upcoming(schedule, UPCOMING);
    let upcoming: Vec<String> = upcoming.into_iter().map(format_instant).collect();
    let last = schedule.last.as_ref().map(|last| {
        json!({
            "due": format_instant(last.due), "at": format_instant(last.at),
            "idempotencyKey": last.key, "error": last.error,
        })
    });
    let arguments: Value = serde_json::from_str(&schedule.arguments).unwrap_or(Value::Null);
    let mut members = Map::new();
    for (name, member) in [
        ("name", json!(schedule.name)),
        ("id", json!(schedule.id)),
        ("status", json!(status)),
        ("component", json!(component.unwrap_or_else(|_| id.clone()))),
        ("componentId", json!(id)),
        ("worker", json!(schedule.worker.name)),
        ("function", json!(schedule.function)),
        ("arguments", arguments),
        ("cron", json!(cron)),
        ("timeZone", json!(time_zone)),
        ("at", json!(at)),
        ("missed", json!(missed)),
        ("missedLimit", json!(limit)),
        ("createdAt", json!(format_instant(schedule.created_at))),
        ("upcoming", json!(upcoming)),
        ("last", json!(last)),
        ("fired", json!(schedule.fired)),
        ("skipped", json!(schedule.skipped)),
    ] {
        if !member.is_null() {
            members.insert(name.to_owned(), member);
        }
    }
    members.into()
}

impl From<ScheduleError> for Problem {
    fn from(error: ScheduleError) -> Self {
        let code = match error {
            ScheduleError::Worker(error) => return error.into(),
            ScheduleError::NotFound { .. } => Code::ScheduleNotFound,
            ScheduleError::Exists { .. } => Code::ScheduleExists,
            ScheduleError::Invalid { .. } => Code::InvalidRequest,
            ScheduleError::TooMany { .. } => Code::TooManyRequests,
            ScheduleError::Contended { .. } => Code::Unavailable,
            _ => Code::InternalError,
        };
        Self::new(code, sentence(&error))
    }
}

/// A cursor is the name of the last schedule of the page before.
fn read_cursor(text: &str) -> Result<String, Problem> {
    let name = URL_SAFE_NO_PAD.decode(text).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    name.ok_or_else(|| invalid("`cursor` is not one that an answer of this route had"))
}

fn invalid(detail: &str) -> Problem {
    Problem::new(Code::InvalidRequest, detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(members: &Value) -> Wanted {
        let mut body = json!({ "name": "n", "component": "c", "worker": "w", "function": "f" });
        for (name, member) in members.as_object().expect("an object") {
            body[name] = member.clone();
        }
        serde_json::from_value(body).expect("valid")
    }

    #[test]
    fn a_schedule_has_one_time() {
        let timing = |members: Value| wanted(&members).timing(Timestamp(1));
        let cron = Timing::Cron { expression: "* * * * *".to_owned(), time_zone: "UTC".to_owned() };
        assert_eq!(timing(json!({ "cron": "* * * * *" })).expect("valid"), cron);
        let at = timing(json!({ "at": "1970-01-01T00:00:01Z" })).expect("valid");
        assert_eq!(at, Timing::At(Timestamp(1_000_000_000)));
        let delay = timing(json!({ "delay": "2s" })).expect("valid");
        assert_eq!(delay, Timing::At(Timestamp(2_000_000_001)));
        for bad in [
            json!({}),
            json!({ "at": "1970-01-01T00:00:01Z", "delay": "1s" }),
            json!({ "at": "noon" }),
            json!({ "delay": "1s", "timeZone": "UTC" }),
        ] {
            let problem = timing(bad.clone()).expect_err(&bad.to_string());
            assert_eq!(problem.code(), Code::InvalidRequest);
        }
    }

    #[test]
    fn missed_firings_have_a_policy() {
        let missed = |members: Value| wanted(&members).missed();
        assert_eq!(missed(json!({})).expect("valid"), Missed::RunOnce);
        assert_eq!(missed(json!({ "missed": "skip" })).expect("valid"), Missed::Skip);
        let all = missed(json!({ "missed": "run-all", "missedLimit": 3 }));
        assert_eq!(all.expect("valid"), Missed::RunAll(3));
        for bad in [json!({ "missed": "all" }), json!({ "missed": "skip", "missedLimit": 3 })] {
            assert!(missed(bad).is_err());
        }
    }
}
