//! What a path asks for.

use axum::http::Method;

/// A route of the API with the names in its path.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Route {
    Save { store: String },
    Get { store: String, key: String },
    Delete { store: String, key: String },
    BulkGet { store: String },
    Transaction { store: String },
    Query { store: String },
    Health,
    OutboundHealth,
    Metadata,
    SetMetadata { name: String },
    Shutdown,
}

impl Route {
    /// The route of a request; `None` if there is no such route.
    pub(super) fn of(method: &Method, path: &str) -> Option<Self> {
        let segments = path.split('/').filter(|segment| !segment.is_empty());
        let segments: Vec<String> = segments.map(decode).collect::<Option<_>>()?;
        let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
        let is_write = method == Method::POST || method == Method::PUT;
        Some(match segments.as_slice() {
            ["v1.0", "state", store] if is_write => Self::Save { store: (*store).to_owned() },
            ["v1.0", "state", store, "bulk"] if is_write => {
                Self::BulkGet { store: (*store).to_owned() }
            }
            ["v1.0", "state", store, "transaction"] if is_write => {
                Self::Transaction { store: (*store).to_owned() }
            }
            ["v1.0-alpha1", "state", store, "query"] if is_write => {
                Self::Query { store: (*store).to_owned() }
            }
            ["v1.0", "state", store, key] if method == Method::GET => {
                Self::Get { store: (*store).to_owned(), key: (*key).to_owned() }
            }
            ["v1.0", "state", store, key] if method == Method::DELETE => {
                Self::Delete { store: (*store).to_owned(), key: (*key).to_owned() }
            }
            ["v1.0", "healthz"] if method == Method::GET => Self::Health,
            ["v1.0", "healthz", "outbound"] if method == Method::GET => Self::OutboundHealth,
            ["v1.0", "metadata"] if method == Method::GET => Self::Metadata,
            ["v1.0", "metadata", name] if method == Method::PUT => {
                Self::SetMetadata { name: (*name).to_owned() }
            }
            ["v1.0", "shutdown"] if method == Method::POST => Self::Shutdown,
            _ => return None,
        })
    }
}

/// Whether a path belongs to this API, whatever it is.
pub(crate) fn is_ours(path: &str) -> bool {
    let first = path.split('/').find(|segment| !segment.is_empty());
    matches!(first, Some("v1.0" | "v1.0-alpha1"))
}

/// A segment as queries are decoded, where `+` is a space; `None` for what is no UTF-8.
fn decode(segment: &str) -> Option<String> {
    let spaced = segment.replace('+', " ");
    let decoded: Vec<u8> = percent_encoding::percent_decode_str(&spaced).collect();
    String::from_utf8(decoded).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn get(path: &str) -> Option<Route> {
        Route::of(&Method::GET, path)
    }

    #[test]
    fn names_are_decoded_and_slashes_cleaned() {
        let key = |path| match get(path) {
            Some(Route::Get { store, key }) => Some((store, key)),
            _ => None,
        };
        let found = |store: &str, key: &str| Some((store.to_owned(), key.to_owned()));
        assert_eq!(key("/v1.0/state/s/k"), found("s", "k"));
        assert_eq!(key("//v1.0/state//s/k/"), found("s", "k"));
        assert_eq!(key("/v1.0/state/a%20b/c+d%2Fe%7C%7Cf"), found("a b", "c d/e||f"));
        assert_eq!(key("/v1.0/state/s/bulk"), found("s", "bulk"));
        assert_eq!(key("/v1.0/state/s"), None);
        assert_eq!(key("/v1.0/state/s/a/b"), None);
        assert_eq!(key("/v1.0/state/s/%FF"), None);
    }

    #[test]
    fn methods_tell_routes_apart() {
        let of = |method, path| Route::of(&method, path);
        let store = || "s".to_owned();
        for method in [Method::POST, Method::PUT] {
            assert_eq!(of(method.clone(), "/v1.0/state/s"), Some(Route::Save { store: store() }));
            let bulk = of(method.clone(), "/v1.0/state/s/bulk");
            assert_eq!(bulk, Some(Route::BulkGet { store: store() }));
            let query = of(method, "/v1.0-alpha1/state/s/query");
            assert_eq!(query, Some(Route::Query { store: store() }));
        }
        assert_eq!(of(Method::PATCH, "/v1.0/state/s"), None);
        assert_eq!(of(Method::DELETE, "/v1.0/state/s"), None);
        assert_eq!(of(Method::POST, "/v1.0/state/s/query"), None);
        assert_eq!(get("/v1.0/healthz/outbound"), Some(Route::OutboundHealth));
        assert!(is_ours("//v1.0/x") && is_ours("/v1.0-alpha1") && !is_ours("/v1/workers"));
    }
}
