//! What the benchmarks share.

use std::time::Instant;

/// Seconds that one call of `f` takes, after one that is not counted: the median and the minimum of as many calls as fit into
/// `time` seconds, at least 5.
pub fn seconds(time: f64, mut f: impl FnMut()) -> (f64, f64) {
    f();
    let (mut times, started) = (Vec::new(), Instant::now());
    while started.elapsed().as_secs_f64() < time || times.len() < 5 {
        let begin = Instant::now();
        f();
        times.push(begin.elapsed().as_secs_f64());
    }
    times.sort_by(f64::total_cmp);
    (times[times.len() / 2], times[0])
}

/// Seconds of measuring for each line: the environment variable `SECS`, or `default`.
pub fn secs(default: f64) -> f64 {
    std::env::var("SECS").ok().and_then(|secs| secs.parse().ok()).unwrap_or(default)
}

/// The arguments that are no flags: names of what to measure. Without any, everything is.
pub fn wanted(name: &str) -> bool {
    let mut named = std::env::args().skip(1).filter(|name| !name.starts_with('-')).peekable();
    named.peek().is_none() || named.any(|n| n == name)
}

/// A line of `/proc/self/status` in MB; 0 where there is no such file.
pub fn memory(line: &str) -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|l| l.starts_with(line));
    let kilobytes =
        line.and_then(|line| line.split_whitespace().nth(1)).and_then(|number| number.parse::<f64>().ok());
    kilobytes.unwrap_or(0.0) / 1024.0
}
