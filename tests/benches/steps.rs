//! One line for every workload, at 1 and at 2 threads: the time of a training step.
//!
//!     cargo bench -p tests --bench steps [-- vae_mnist_batch128 W6fb ...]
//!
//! prints all of them, or those named, by name or by code. `SECS` is the measuring time of a line in seconds (0.8). A line says `med_us`, `min_us` and `p90_us` of a step,
//! steps measured, seconds from the start of the process to the end of the line's first step, resident memory before the
//! workload and at the peak (of the whole process, so the first line's says most), the loss of the first step and of the last,
//! and heap allocations a step.

use std::alloc::System;
use std::time::{Duration, Instant};

use nn::model::Nonlinearity;
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
                bench.run(&format!("vae_mnist_batch{batch}"), "W1", "", || {
                    let mut vae = VaeStep::one_layer(Nonlinearity::Relu, batch);
                    move || vae.step()
                });
            }
            bench.run("vae_mnist_tanh_batch128", "W1t", "", || {
                let mut vae = VaeStep::one_layer(Nonlinearity::Tanh, 128);
                move || vae.step()
            });
            bench.run("vae_mnist_two_layers_batch100", "W2", "", || {
                let mut vae = VaeStep::two_layers(100);
                move || vae.step()
            });
            for batch in [32, 455] {
                bench.run(&format!("bayes_by_backprop_batch{batch}"), "W3", "", || {
                    let mut bayes = BayesStep::new(batch);
                    move || bayes.step()
                });
            }
            for batch in [32, 455] {
                bench.run(&format!("bayes_mlp_batch{batch}"), "W3m", "", || {
                    let mut bayes = BayesMlpStep::new(batch);
                    move || bayes.step()
                });
            }
            for rows in [500, 2000] {
                bench.run(&format!("gaussian_process_rows{rows}"), "W4", "", || {
                    let mut process = GaussianProcessStep::by_factor(rows);
                    move || process.step()
                });
            }
            for rows in [500, 2000] {
                bench.run(&format!("gaussian_process_fused_rows{rows}"), "W4h", "", || {
                    let mut process = GaussianProcessStep::fused(rows);
                    move || process.step()
                });
            }
            let operations = format!(" fwd_ops={}", TinyStep::OPERATIONS);
            bench.run("tiny_network_step", "W6", &operations, || {
                let mut tiny = TinyStep::new();
                move || tiny.step()
            });
            bench.run("tiny_network_gradient", "W6fb", &operations, || {
                let mut tiny = TinyStep::new();
                move || tiny.forward_backward()
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
    fn run<S: FnMut() -> f64>(&self, name: &str, code: &str, more: &str, workload: impl FnOnce() -> S) {
        if !wanted(name) && !wanted(code) {
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
            "RES {name} code={code} fw=ours th={} med_us={:.3} min_us={:.3} p90_us={:.3} n={} first_s={first:.2} \
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
