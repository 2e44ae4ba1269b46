//! `everlog:api/state`.

use bindings::everlog::api::state as api;

mod bindings {
    #![allow(missing_docs, unreachable_pub, unused_qualifications, reason = "generated")]
    #![allow(elided_lifetimes_in_paths, clippy::all, reason = "generated")]
    wit_bindgen::generate!({
        path: ["../wit/deps/io", "../wit/deps/clocks", "../wit/everlog-api"],
        inline: "
            package everlog:guest-state;
            world imports {
                import everlog:api/state@0.1.0;
            }
        ",
        world: "everlog:guest-state/imports",
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
