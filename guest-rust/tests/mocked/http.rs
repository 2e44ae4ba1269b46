//! Requests are effects: one that was answered is not sent again.

use std::cell::RefCell;
use std::rc::Rc;

use everlog::http::{self, Error, Response};
use everlog::mock::Host;

#[test]
fn an_answer_that_was_seen_is_not_asked_for_again() {
    let sent = Rc::new(RefCell::new(Vec::new()));
    let host = {
        let sent = Rc::clone(&sent);
        Host::new().crash_after(2).on_http(move |request| {
            sent.borrow_mut().push(format!("{} {}", request.method, request.url));
            Response::new(200, "[1, 2]")
        })
    };
    let numbers: Vec<u8> = host
        .run(|| {
            let key = everlog::generate_idempotency_key();
            http::put("http://a/b").idempotency_key(key).send()?.error_for_status()?.json()
        })
        .unwrap();
    assert_eq!(numbers, [1, 2]);
    assert_eq!(*sent.borrow(), ["PUT http://a/b"]);
}

#[test]
fn errors_tell_what_is_wrong() {
    let host = Host::new().on_http(|request| match request.url.as_str() {
        "missing" => Response::new(404, "no such thing"),
        _ => Response::new(200, b"\xff".to_vec()),
    });
    host.run(|| {
        let missing = http::get("missing").send().unwrap();
        let error = missing.error_for_status().unwrap_err();
        assert_eq!(error.to_string(), "status 404: no such thing");
        let binary = http::get("binary").send().unwrap();
        assert!(matches!(binary.text(), Err(Error::Body(_))));
        assert!(matches!(binary.json::<u8>(), Err(Error::Body(_))));
    });
    let unanswered = Host::new().run(|| http::get("http://a").send());
    assert!(matches!(unanswered, Err(Error::Connection(_))));
}
