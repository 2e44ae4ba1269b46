//! `everlog:api`, and random numbers.

use bindings::everlog::api::{actions, invocations, state as api};
use uuid::Uuid;

mod bindings {
    #![allow(missing_docs, unreachable_pub, unused_qualifications, reason = "generated")]
    #![allow(elided_lifetimes_in_paths, clippy::all, reason = "generated")]
    wit_bindgen::generate!({
        path: ["../wit/deps/io", "../wit/deps/clocks", "../wit/everlog-api"],
        inline: "
            package everlog:guest-api;
            world imports {
                import everlog:api/actions@0.1.0;
                import everlog:api/invocations@0.1.0;
                import everlog:api/state@0.1.0;
            }
        ",
        world: "everlog:guest-api/imports",
        generate_all,
    });
}

pub(crate) fn state_get(key: &str) -> Result<Option<Vec<u8>>, String> {
    api::get(key)
}

pub(crate) fn state_set(key: &str, value: &[u8]) -> Result<(), String> {
    api::set(key, value)
}

pub(crate) fn state_clear(key: &str) -> Result<(), String> {
    api::clear(key)
}

pub(crate) fn state_clear_all() -> Result<(), String> {
    api::clear_all()
}

/// A page of keys, and behind which key the next one begins.
pub(crate) fn state_keys(
    prefix: &str,
    after: Option<&str>,
) -> Result<(Vec<String>, Option<String>), String> {
    let page = api::keys(prefix, after)?;
    Ok((page.keys, page.next))
}

/// Has the C library open the standard streams: the standard library writes nothing that is empty.
#[expect(unsafe_code, reason = "the C library's `write`, of nothing")]
fn open_output() {
    unsafe extern "C" {
        fn write(file: i32, bytes: *const u8, count: usize) -> isize;
    }
    for file in [1, 2] {
        // SAFETY: no byte is read from the pointer.
        unsafe { write(file, std::ptr::dangling(), 0) };
    }
}

/// Has everything set up that the standard library sets up on first use, so that it is not set up inside
/// of an action, which a replay skips: the seed of hash maps, the environment, streams, the directory.
fn set_up() {
    static DONE: std::sync::Once = std::sync::Once::new();
    DONE.call_once(|| {
        std::hint::black_box(std::hash::RandomState::new());
        std::hint::black_box(std::env::var_os("EVERLOG"));
        open_output();
        std::hint::black_box(std::fs::File::open("").is_ok());
    });
}

/// Begins an action; its outcome, if that is recorded.
pub(crate) fn action_begin(name: &str) -> Option<Vec<u8>> {
    set_up();
    match actions::begin(name) {
        actions::Step::Run => None,
        actions::Step::Done(outcome) => Some(outcome),
    }
}

pub(crate) fn action_end(_name: &str, outcome: &[u8]) {
    actions::end(outcome);
}

pub(crate) fn invocation_key() -> Option<String> {
    invocations::key()
}

pub(crate) fn invocation_id(name: &str) -> Uuid {
    let (high, low) = invocations::id(name);
    Uuid::from_u64_pair(high, low)
}

pub(crate) fn random_bytes(bytes: &mut [u8]) {
    wstd::rand::get_random_bytes(bytes);
}
