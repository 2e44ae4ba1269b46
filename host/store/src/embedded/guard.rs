use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Runs `read` and turns a panic into its message: on damaged files the engine below panics where
/// it should return an error, and a damaged record must not take the process with it.
///
/// Unwind safety: only for reads, which leave nothing behind that a panic could tear.
pub(super) fn without_panic<T>(read: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(read))
        .map_err(|panic| format!("the engine panicked: {}", panic_text(&*panic)))
}

/// What a panic said.
pub(super) fn panic_text(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("no message")
}
