//! One line for every workload, at 1 and at 2 threads: the time of a training step.
//!
//!     cargo bench -p tests --bench steps [-- vae_mnist_batch128 W6fb ...]
//!
//! prints all of them, or those named: by name, by code, or by code and batch, as `W1:128`. `SECS` is the measuring time of a
//! line in seconds (0.8), `THREADS` the one number of threads to measure. A line is
//!
//!     RES W1 B=128 fw=ours th=2 med_us=1072.8 min_us=1030.3 p90_us=2198.8 n=347 first_s=0.044 rss_import_mb=3 rss_peak_mb=33
//!     loss0=551.47 loss=479.70 name=vae_mnist_batch128 allocs=2
//!
//! (here in two): the workload's code, its batch, who computes it and on how many threads; microseconds of a step; steps measured;
//! seconds from the start of the process to the end of the line's first step; resident memory before the workload and at the peak
//! (of the whole process, so the first line's says most); the loss of the first step and of the last; and of this program alone
//! the workload's name and the heap allocations of a step. `tests/compare/frameworks.py` prints the same line for other
//! frameworks, and `tests/compare/speed.py` runs both in turns.

use std::alloc::System;
use std::time::{Duration, Instant};

use nn::model::Nonlinearity;
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use tests::measure::{memory, secs, wanted};
use tests::workloads::{
    BayesMlpStep, BayesStep, ConvolutionalVaeStep, GaussianProcessStep, TinyStep, VaeStep,
};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

fn main() {
    let started = Instant::now();
    let secs = secs(0.8);
    for threads in threads() {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("a pool of threads");
        pool.install(|| {
            let bench = Bench { started, threads, time: Duration::from_secs_f64(secs) };
            for batch in [32, 128, 512] {
                bench.run("vae_mnist", "W1", Size::Batch(batch), "", || {
                    let mut vae = VaeStep::one_layer(Nonlinearity::Relu, batch);
                    move || vae.step()
                });
            }
            bench.run("vae_mnist_tanh", "W1t", Size::Batch(128), "", || {
                let mut vae = VaeStep::one_layer(Nonlinearity::Tanh, 128);
                move || vae.step()
            });
            bench.run("vae_mnist_two_layers", "W2", Size::Batch(100), "", || {
                let mut vae = VaeStep::two_layers(100);
                move || vae.step()
            });
            for batch in [32, 455] {
                bench.run("bayes_by_backprop", "W3", Size::Batch(batch), "", || {
                    let mut bayes = BayesStep::new(batch);
                    move || bayes.step()
                });
            }
            for batch in [32, 455] {
                bench.run("bayes_mlp", "W3m", Size::Batch(batch), "", || {
                    let mut bayes = BayesMlpStep::new(batch);
                    move || bayes.step()
                });
            }
            for rows in [500, 2000] {
                bench.run("gaussian_process", "W4", Size::Rows(rows), "", || {
                    let mut process = GaussianProcessStep::by_factor(rows);
                    move || process.step()
                });
            }
            for rows in [500, 2000] {
                bench.run("gaussian_process_fused", "W4h", Size::Rows(rows), "", || {
                    let mut process = GaussianProcessStep::fused(rows);
                    move || process.step()
                });
            }
            let operations = format!(" fwd_ops={}", TinyStep::OPERATIONS);
            bench.run("tiny_network_step", "W6", Size::One, &operations, || {
                let mut tiny = TinyStep::new();
                move || tiny.step()
            });
            bench.run("tiny_network_gradient", "W6fb", Size::One, &operations, || {
                let mut tiny = TinyStep::new();
                move || tiny.forward_backward()
            });
            bench.run("convolutional_vae", "W7", Size::Batch(64), "", || {
                let mut vae = ConvolutionalVaeStep::new(64);
                move || vae.forward_backward()
            });
        });
    }
}

/// The numbers of threads to measure at.
fn threads() -> Vec<usize> {
    match std::env::var("THREADS") {
        Ok(threads) => vec![threads.parse().expect("THREADS: expected a number")],
        Err(_) => vec![1, 2],
    }
}

/// What a workload's time depends on: the end of its name, and the number after `B=`.
enum Size {
    Batch(usize),
    Rows(usize),
    One,
}

struct Bench {
    started: Instant,
    threads: usize,
    time: Duration,
}

impl Bench {
    fn run<S: FnMut() -> f64>(
        &self,
        name: &str,
        code: &str,
        size: Size,
        more: &str,
        workload: impl FnOnce() -> S,
    ) {
        let (name, size) = match size {
            Size::Batch(batch) => (format!("{name}_batch{batch}"), batch),
            Size::Rows(rows) => (format!("{name}_rows{rows}"), rows),
            Size::One => (name.to_owned(), 1),
        };
        if !wanted(&name) && !wanted(code) && !wanted(&format!("{code}:{size}")) {
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
            "RES {code} B={size} fw=ours th={} med_us={:.3} min_us={:.3} p90_us={:.3} n={} first_s={first:.3} \
             rss_import_mb={resident:.0} rss_peak_mb={:.0} loss0={first_loss:.5} loss={loss:.5} name={name} \
             allocs={allocations}{more}",
            self.threads,
            quantile(0.5),
            quantile(0.0),
            quantile(0.9),
            group * times.len(),
            memory("VmHWM"),
        );
    }
}
