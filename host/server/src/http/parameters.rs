//! Query parameters: each route names those it takes, and others are refused, since a mistyped
//! `?folow=true` that does nothing is worse than an error.

use std::borrow::Cow;
use std::time::Duration;

use axum::http::Uri;

use super::problem::{Code, Problem};
use crate::units::parse_duration;

/// The query parameters of one request.
#[derive(Debug)]
pub(super) struct Parameters<'a>(Vec<(Cow<'a, str>, Cow<'a, str>)>);

impl<'a> Parameters<'a> {
    /// The parameters of `uri`, which must be among `known`.
    ///
    /// # Errors
    /// A problem that names the unknown one and those there are.
    pub(super) fn of(uri: &'a Uri, known: &[&str]) -> Result<Self, Problem> {
        let Some(query) = uri.query() else { return Ok(Self(Vec::new())) };
        let pairs: Vec<_> = form_urlencoded::parse(query.as_bytes()).collect();
        match pairs.iter().find(|(name, _)| !known.contains(&name.as_ref())) {
            None => Ok(Self(pairs)),
            Some((name, _)) => Err(Problem::new(Code::InvalidRequest, unknown(name, known))),
        }
    }

    /// The value of a parameter that is given at most once.
    ///
    /// # Errors
    /// A problem if it is given more than once.
    pub(super) fn one(&self, name: &str) -> Result<Option<&str>, Problem> {
        let mut values = self.all(name);
        match (values.next(), values.next()) {
            (value, None) => Ok(value),
            (_, Some(_)) => {
                Err(Problem::new(Code::InvalidRequest, format!("`{name}` is given more than once")))
            }
        }
    }

    /// The values of a parameter that may repeat.
    pub(super) fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.0.iter().filter(move |(found, _)| found == name).map(|(_, value)| value.as_ref())
    }

    /// A parameter that switches something on: absent, `true`, `false`, or bare for `true`.
    ///
    /// # Errors
    /// A problem for any other value.
    pub(super) fn switch(&self, name: &str) -> Result<bool, Problem> {
        match self.one(name)? {
            None | Some("false") => Ok(false),
            Some("" | "true") => Ok(true),
            Some(other) => Err(invalid(name, "true or false", other)),
        }
    }

    /// A whole number.
    ///
    /// # Errors
    /// A problem for anything else.
    pub(super) fn number(&self, name: &str) -> Result<Option<u64>, Problem> {
        let Some(text) = self.one(name)? else { return Ok(None) };
        text.parse().map(Some).map_err(|_| invalid(name, "a whole number", text))
    }

    /// How many items a page has: from 1 to `most`, otherwise `default`.
    ///
    /// # Errors
    /// A problem for anything else.
    pub(super) fn limit(&self, default: usize, most: usize) -> Result<usize, Problem> {
        let Some(number) = self.number("limit")? else { return Ok(default) };
        match usize::try_from(number) {
            Ok(limit) if (1..=most).contains(&limit) => Ok(limit),
            _ => Err(invalid("limit", &format!("a number from 1 to {most}"), &number.to_string())),
        }
    }

    /// A length of time up to `most`.
    ///
    /// # Errors
    /// A problem for anything else.
    pub(super) fn duration(&self, name: &str, most: Duration) -> Result<Option<Duration>, Problem> {
        let Some(text) = self.one(name)? else { return Ok(None) };
        let duration = parse_duration(text)
            .map_err(|detail| Problem::new(Code::InvalidRequest, format!("`{name}`: {detail}")))?;
        if duration <= most {
            return Ok(Some(duration));
        }
        let expected = format!("at most {}", crate::units::format_duration(most));
        Err(invalid(name, &expected, text))
    }
}

fn unknown(name: &str, known: &[&str]) -> String {
    match known {
        [] => format!("this route takes no query parameters, `{name}` is one"),
        known => {
            format!("this route takes no query parameter `{name}`; it takes {}", known.join(", "))
        }
    }
}

/// A problem that says what a parameter may be.
pub(super) fn invalid(name: &str, expected: &str, found: &str) -> Problem {
    Problem::new(Code::InvalidRequest, format!("`{name}` must be {expected}, found `{found}`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: [&str; 4] = ["limit", "wait", "follow", "type"];

    fn detail(query: &str, read: fn(&Parameters<'_>) -> Result<(), Problem>) -> String {
        let uri: Uri = format!("/?{query}").parse().expect("a URI");
        let problem = Parameters::of(&uri, &KNOWN).and_then(|parameters| read(&parameters));
        problem.expect_err(query).to_json()["detail"].as_str().expect("a detail").to_owned()
    }

    #[test]
    fn reads_what_is_there() {
        let uri = "/?limit=5&wait=1m&follow&type=a&type=b%20c".parse::<Uri>().expect("a URI");
        let parameters = Parameters::of(&uri, &KNOWN).expect("known");
        assert_eq!(parameters.limit(100, 1_000).expect("valid"), 5);
        let wait = parameters.duration("wait", Duration::from_secs(600)).expect("valid");
        assert_eq!(wait, Some(Duration::from_secs(60)));
        assert!(parameters.switch("follow").expect("valid"));
        assert_eq!(parameters.all("type").collect::<Vec<_>>(), ["a", "b c"]);
    }

    #[test]
    fn refuses_what_cannot_be_meant() {
        let message = detail("folow=true", |_| Ok(()));
        assert!(message.contains("`folow`") && message.contains("follow"), "{message}");
        let limit = |parameters: &Parameters<'_>| parameters.limit(100, 1_000).map(drop);
        assert!(detail("limit=0", limit).contains("from 1 to 1000"));
        assert!(detail("limit=1001", limit).contains("1001"));
        assert!(detail("limit=1&limit=2", limit).contains("more than once"));
        assert!(detail("limit=-1", limit).contains("whole number"));
        let wait = |parameters: &Parameters<'_>| {
            parameters.duration("wait", Duration::from_secs(600)).map(drop)
        };
        assert!(detail("wait=11m", wait).contains("at most 10m"));
        assert!(detail("wait=1", wait).contains("length of time"));
        let follow = |parameters: &Parameters<'_>| parameters.switch("follow").map(drop);
        assert!(detail("follow=yes", follow).contains("true or false"));
    }
}
