//! What was measured, and on what.

use std::fs::read_to_string;
use std::path::Path;
use std::process::Command;

/// Describes processor, memory and kernel in a line.
pub fn machine() -> String {
    let processor = field("/proc/cpuinfo", "model name");
    let memory = field("/proc/meminfo", "MemTotal");
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let kernel = read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    format!("{processor}, {cores} cores, {memory}, Linux {}", kernel.trim())
}

/// Names the commit of the checkout, with a mark if files differ from it.
pub fn commit() -> String {
    let git = |arguments: &[&str]| {
        let mut command = Command::new("git");
        command.args(arguments).current_dir(env!("CARGO_MANIFEST_DIR"));
        let printed = command.output().map(|output| output.stdout).unwrap_or_default();
        String::from_utf8_lossy(&printed).trim().to_owned()
    };
    let changed = !git(&["status", "--porcelain", "--untracked-files=no"]).is_empty();
    format!(
        "{}{}",
        git(&["rev-parse", "--short", "HEAD"]),
        if changed { " and changes" } else { "" }
    )
}

/// Returns the resident memory of a process in bytes; 0 if it is gone.
pub fn resident_bytes(process: u32) -> u64 {
    let text = field(&format!("/proc/{process}/status"), "VmRSS");
    let kibibytes: u64 = text.split(' ').next().and_then(|text| text.parse().ok()).unwrap_or(0);
    kibibytes * 1_024
}

/// Returns what the files below a directory take on disk, in bytes.
pub fn disk_bytes(directory: &Path) -> u64 {
    let output = Command::new("du").args(["-s", "--block-size=1"]).arg(directory).output();
    let text = output.map(|output| output.stdout).unwrap_or_default();
    let text = String::from_utf8_lossy(&text).into_owned();
    text.split_whitespace().next().and_then(|bytes| bytes.parse().ok()).unwrap_or(0)
}

/// Returns the value of the first `name: value` line of a file.
fn field(path: &str, name: &str) -> String {
    let text = read_to_string(path).unwrap_or_default();
    let line = text.lines().find(|line| line.starts_with(name));
    let value = line.and_then(|line| line.split_once(':')).map(|(_, value)| value.trim());
    value.unwrap_or("unknown").to_owned()
}
