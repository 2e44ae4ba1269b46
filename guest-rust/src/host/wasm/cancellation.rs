//! `everlog:api/cancellation`.

mod bindings {
    #![allow(missing_docs, unreachable_pub, unused_qualifications, reason = "generated")]
    #![allow(elided_lifetimes_in_paths, clippy::all, reason = "generated")]
    wit_bindgen::generate!({
        path: ["../wit/deps/io", "../wit/deps/clocks", "../wit/everlog-api"],
        inline: "
            package everlog:guest-cancellation;
            world imports {
                import everlog:api/cancellation@0.1.0;
            }
        ",
        world: "everlog:guest-cancellation/imports",
        generate_all,
    });
}

pub(crate) fn cancelled() -> bool {
    bindings::everlog::api::cancellation::cancelled()
}
