//! One line for every workload, at 1 and at 2 threads: the time of a training step.
//!
//!     cargo bench -p tests --bench steps [-- W1 W6fb ...]
//!
//! prints all of them, or those named. `SECS` is the measuring time of a line in seconds (0.8). A line says `med_us`, `min_us` and `p90_us` of a step,
//! steps measured, seconds from the start of the process to the end of the line's first step, resident memory before the
//! workload and at the peak (of the whole process, so the first line's says most), the loss of the first step and of the last,
//! and heap allocations a step.

use std::alloc::System;
use std::time::{Duration, Instant};

use autograd::Nonlinearity;
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use tests::workloads::{TinyStep, VaeStep};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

fn main() {
    let started = Instant::now();
    let secs = std::env::var("SECS").ok().and_then(|secs| secs.parse().ok()).unwrap_or(0.8);
    let named: Vec<String> = std::env::args().skip(1).filter(|name| !name.starts_with('-')).collect();
    for threads in [1, 2] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("a pool of threads");
        pool.install(|| {
            let bench = Bench { started, threads, named: &named, time: Duration::from_secs_f64(secs) };
            for batch in [32, 128, 512] {
                let mut w1 = VaeStep::w1(Nonlinearity::Relu, batch);
                bench.run("W1", batch, "", || w1.step());
            }
            let mut w1t = VaeStep::w1(Nonlinearity::Tanh, 128);
            bench.run("W1t", 128, "", || w1t.step());
            let mut w2 = VaeStep::w2(100);
            bench.run("W2", 100, "", || w2.step());
            let operations = format!(" fwd_ops={}", TinyStep::OPERATIONS);
            let (mut w6, mut w6fb) = (TinyStep::w6(), TinyStep::w6());
            bench.run("W6", 1, &operations, || w6.step());
            bench.run("W6fb", 1, &operations, || w6fb.forward_backward());
        });
    }
}

struct Bench<'a> {
    named: &'a [String],
    started: Instant,
    threads: usize,
    time: Duration,
}

impl Bench<'_> {
    fn run(&self, name: &str, batch: usize, more: &str, mut step: impl FnMut() -> f64) {
        if !self.named.is_empty() && !self.named.iter().any(|n| n == name) {
            return;
        }
        let resident = memory("VmRSS");
        let first_loss = step();
        let first = self.started.elapsed().as_secs_f64();
        let warm = Instant::now();
        while warm.elapsed() < self.time / 4 {
            step();
        }
        let (mut times, measuring, mut loss) = (Vec::new(), Instant::now(), first_loss);
        while measuring.elapsed() < self.time || times.len() < 7 {
            let begin = Instant::now();
            loss = step();
            times.push(begin.elapsed().as_secs_f64() * 1e6);
        }
        let region = Region::new(ALLOCATOR);
        step();
        let allocations = region.change().allocations;
        times.sort_by(f64::total_cmp);
        let quantile = |q: f64| times[((times.len() - 1) as f64 * q) as usize];
        println!(
            "RES {name} B={batch} fw=ours th={} med_us={:.3} min_us={:.3} p90_us={:.3} n={} first_s={first:.2} \
             rss_import_mb={resident:.0} rss_peak_mb={:.0} loss0={first_loss:.2} loss={loss:.2} allocs={allocations}{more}",
            self.threads,
            quantile(0.5),
            quantile(0.0),
            quantile(0.9),
            times.len(),
            memory("VmHWM"),
        );
    }
}

/// A line of `/proc/self/status` in MB; 0 where there is no such file.
fn memory(line: &str) -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|l| l.starts_with(line));
    let kilobytes =
        line.and_then(|line| line.split_whitespace().nth(1)).and_then(|number| number.parse::<f64>().ok());
    kilobytes.unwrap_or(0.0) / 1024.0
}
