//! Tables of any length are scored in bounded memory.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use tests::programs::program;

use crate::alone;

fn table(path: &Path, rows: usize) {
    let cell = |i: usize, j: usize| match (i + 3 * j).is_multiple_of(31) {
        true => String::new(),
        false => format!("{:.4}", ((i % 977) as f64 * (0.1 + j as f64)).sin()),
    };
    let line = |i: usize| (0..20).map(|j| cell(i, j)).collect::<Vec<_>>().join(",") + "\n";
    let header = (0..20).map(|j| format!("x{j}")).collect::<Vec<_>>().join(",") + "\n";
    fs::write(path, header + &(0..rows).map(line).collect::<String>()).unwrap();
}

/// Runs a command and returns the most memory that it had, in MiB.
fn peak(command: &mut Command) -> u64 {
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let mut peak = 0;
    loop {
        let status = fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kib = line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok());
        peak = peak.max(kib.unwrap_or(0u64));
        if let Some(status) = child.try_wait().unwrap() {
            assert!(status.success());
            return peak / 1024;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_long_table_is_scored_in_bounded_memory() {
    let _alone = alone();
    let dir = tempfile::tempdir().unwrap();
    let file = |name: &str| dir.path().join(name);
    table(&file("short.csv"), 500);
    table(&file("long.csv"), 300_000);
    let mut train = Command::new(program("table"));
    train.args(["--csv", "short.csv", "--latent", "2", "--epochs", "2", "--samples", "2", "--out", "run"]);
    peak(train.current_dir(dir.path()));
    let mut apply = Command::new(program("vae_apply"));
    apply.args(["--model", "run", "--csv", "long.csv", "--samples", "2", "--threads", "2", "--out", "new"]);
    let peak = peak(apply.current_dir(dir.path()));
    eprintln!(
        "300,000 rows of 20 columns, {} MiB of text: {peak} MiB",
        fs::metadata(file("long.csv")).unwrap().len() >> 20
    );
    // The numbers alone would take 46 MiB, the text as much.
    assert!((1..40).contains(&peak), "{peak} MiB");
    for name in ["rows.csv", "imputed.csv"] {
        assert_eq!(fs::read_to_string(dir.path().join("new").join(name)).unwrap().lines().count(), 300_001);
    }
}
