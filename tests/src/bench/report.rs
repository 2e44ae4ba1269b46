//! The table that `make bench` prints.

use std::time::Duration;

/// Prints rows as they come, and counts the aims that were missed.
#[derive(Debug, Default)]
pub struct Report {
    missed: u32,
}

impl Report {
    /// Begins a section.
    pub fn section(&self, title: &str) {
        println!("\n{title}");
    }

    /// Prints a row that says how something went, without an aim.
    pub fn row(&self, what: &str, value: &str) {
        println!("  {what:<46} {value}");
    }

    /// Prints a row whose value should be at least `aim`.
    pub fn at_least(&mut self, what: &str, value: f64, aim: f64, unit: &str) {
        self.judged(what, value, &format!("{unit}, aim ≥ {aim}"), value / aim, value >= aim);
    }

    /// Prints a row whose value should be at most `aim`.
    pub fn at_most(&mut self, what: &str, value: f64, aim: f64, unit: &str) {
        self.judged(what, value, &format!("{unit}, aim ≤ {aim}"), value / aim, value <= aim);
    }

    /// Returns how many aims were missed.
    pub fn missed(&self) -> u32 {
        self.missed
    }

    fn judged(&mut self, what: &str, value: f64, unit: &str, ratio: f64, reached: bool) {
        let verdict =
            if reached { String::new() } else { format!("  MISSED: {ratio:.2} × the aim") };
        self.missed += u32::from(!reached);
        println!("  {what:<46} {value:>9.2} {unit}{verdict}");
    }
}

/// Returns a duration in milliseconds.
pub fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1_000.0
}
