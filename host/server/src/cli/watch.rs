//! Showing the same again and again.

use std::io::IsTerminal;
use std::time::Duration;

use everlog_runtime::clock;

use super::output::line;
use crate::units::parse_duration;

/// Whether something is shown once, or again and again until somebody ends it.
#[derive(Clone, Copy, Debug, clap::Args)]
pub(super) struct Watch {
    /// Show it again and again, this often
    #[arg(long, value_name = "TIME", num_args = 0..=1, default_missing_value = "1s",
        value_parser = parse_duration)]
    watch: Option<Duration>,
}

impl Watch {
    /// Shows once, or until the process ends; on a terminal each time on an empty screen.
    ///
    /// # Errors
    /// The first of `show`.
    pub(super) async fn repeat(
        self,
        show: impl AsyncFn() -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let Some(pause) = self.watch else { return show().await };
        loop {
            if std::io::stdout().is_terminal() {
                line("\x1b[2J\x1b[H")?;
            }
            show().await?;
            clock::pause(pause).await;
        }
    }
}
