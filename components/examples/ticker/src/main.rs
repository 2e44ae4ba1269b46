//! Counts and sleeps: `ticker [TICKS] [MILLISECONDS]`, by default 60 ticks a second apart.
//!
//! Run it with `everlog run ticker.wasm`, kill it, and run the same line again: it goes on with the
//! next tick.

use std::process::ExitCode;
use std::thread::sleep;
use std::time::Duration;

fn main() -> ExitCode {
    let Some((ticks, interval)) = arguments() else {
        eprintln!("usage: ticker [TICKS] [MILLISECONDS]");
        return ExitCode::FAILURE;
    };
    for tick in 1..=ticks {
        println!("tick {tick} of {ticks}");
        sleep(interval);
    }
    println!("done");
    ExitCode::SUCCESS
}

fn arguments() -> Option<(u64, Duration)> {
    let mut arguments = std::env::args().skip(1);
    let ticks = arguments.next().map_or(Some(60), |text| text.parse().ok())?;
    let milliseconds = arguments.next().map_or(Some(1_000), |text| text.parse().ok())?;
    Some((ticks, Duration::from_millis(milliseconds)))
}
