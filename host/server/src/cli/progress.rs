//! Progress on a terminal: never where output is read by a program.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// A wait that is shorter than this shows nothing.
const QUIET_TIME: Duration = Duration::from_secs(1);
/// How often the sign of life turns.
const TICK: Duration = Duration::from_millis(120);

/// Waits for `future` and, if that takes long, says on stderr what is waited for.
pub(super) async fn waiting<T>(what: &str, future: impl Future<Output = T>) -> T {
    let mut future = std::pin::pin!(future);
    if let Ok(done) = tokio::time::timeout(QUIET_TIME, &mut future).await {
        return done;
    }
    // indicatif draws nothing where stderr is not a terminal.
    let spinner = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
    spinner.set_message(what.to_owned());
    spinner.enable_steady_tick(TICK);
    let done = future.await;
    spinner.finish_and_clear();
    done
}

/// A bar for the upload of `bytes`.
pub(super) fn upload_bar(bytes: u64) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(Some(bytes), ProgressDrawTarget::stderr());
    let style = ProgressStyle::with_template("{bar:40} {bytes}/{total_bytes} {bytes_per_sec}");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar
}

/// A bar for the copy of a store, whose length comes to light while it is drawn.
pub(super) fn copy_bar() -> ProgressBar {
    let bar = ProgressBar::with_draw_target(Some(0), ProgressDrawTarget::stderr());
    let style = ProgressStyle::with_template("{prefix:8} {bar:40} {pos}/{len} {msg}");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar
}
