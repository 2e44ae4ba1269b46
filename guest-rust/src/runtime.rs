//! Futures in a guest.

/// Runs a future to its end. Everything asynchronous of this crate and of `wstd` runs within.
///
/// # Panics
/// If it is called within itself.
#[cfg(target_arch = "wasm32")]
pub fn block_on<F: Future>(future: F) -> F::Output {
    wstd::runtime::block_on(future)
}

/// Runs a future to its end.
#[cfg(not(target_arch = "wasm32"))]
pub fn block_on<F: Future>(future: F) -> F::Output {
    use std::task::{Context, Poll, Waker};

    // Nothing natively waits for anything but itself, so polling again is all there is to do.
    let mut future = std::pin::pin!(future);
    let mut context = Context::from_waker(Waker::noop());
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut context) {
            return output;
        }
    }
}

/// Waits without keeping other futures from going on; for a long time also without taking memory.
#[cfg(target_arch = "wasm32")]
pub async fn sleep_async(duration: std::time::Duration) {
    wstd::task::sleep(duration.into()).await;
}

/// Waits, natively on the clock of the host in memory.
#[cfg(not(target_arch = "wasm32"))]
pub async fn sleep_async(duration: std::time::Duration) {
    crate::host::sleep(duration);
}
