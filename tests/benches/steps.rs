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
use tests::measure::{memory, secs, wanted};
use tests::workloads::{BayesMlpStep, BayesStep, GaussianProcessStep, TinyStep, VaeStep};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

fn main() {
    let started = Instant::now();
    let secs = secs(0.8);
    for threads in [1, 2] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("a pool of threads");
        pool.install(|| {
            let bench = Bench { started, threads, time: Duration::from_secs_f64(secs) };
            for batch in [32, 128, 512] {
                bench.run("W1", batch, "", || {
                    let mut w1 = VaeStep::w1(Nonlinearity::Relu, batch);
                    move || w1.step()
                });
            }
            bench.run("W1t", 128, "", || {
                let mut w1t = VaeStep::w1(Nonlinearity::Tanh, 128);
                move || w1t.step()
            });
            bench.run("W2", 100, "", || {
                let mut w2 = VaeStep::w2(100);
                move || w2.step()
            });
            for batch in [32, 455] {
                bench.run("W3", batch, "", || {
                    let mut w3 = BayesStep::w3(batch);
                    move || w3.step()
                });
            }
            for batch in [32, 455] {
                bench.run("W3m", batch, "", || {
                    let mut w3 = BayesMlpStep::w3(batch);
                    move || w3.step()
                });
            }
            for (rows, name, fused) in
                [(500, "W4", false), (2000, "W4", false), (500, "W4h", true), (2000, "W4h", true)]
            {
                bench.run(name, rows, "", || {
                    let mut w4 = GaussianProcessStep::w4(rows, fused);
                    move || w4.step()
                });
            }
            let operations = format!(" fwd_ops={}", TinyStep::OPERATIONS);
            bench.run("W6", 1, &operations, || {
                let mut w6 = TinyStep::w6();
                move || w6.step()
            });
            bench.run("W6fb", 1, &operations, || {
                let mut w6 = TinyStep::w6();
                move || w6.forward_backward()
            });
        });
    }
}

struct Bench {
    started: Instant,
    threads: usize,
    time: Duration,
}

impl Bench {
    fn run<S: FnMut() -> f64>(&self, name: &str, batch: usize, more: &str, workload: impl FnOnce() -> S) {
        if !wanted(name) {
            return;
        }
        let resident = memory("VmRSS");
        let mut step = workload();
        let first_loss = step();
        let first = self.started.elapsed().as_secs_f64();
        let (warm, mut steps) = (Instant::now(), 0);
        while warm.elapsed() < self.time / 4 {
            step();
            steps += 1;
        }
        // Short steps are timed in groups of 50 µs, or reading the clock would be a part of them.
        let group = (50e-6 * f64::from(steps) / warm.elapsed().as_secs_f64()).max(1.0) as usize;
        let (mut times, measuring, mut loss) = (Vec::new(), Instant::now(), first_loss);
        while measuring.elapsed() < self.time || times.len() < 7 {
            let begin = Instant::now();
            for _ in 0..group {
                loss = step();
            }
            times.push(begin.elapsed().as_secs_f64() * 1e6 / group as f64);
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
            group * times.len(),
            memory("VmHWM"),
        );
    }
}
