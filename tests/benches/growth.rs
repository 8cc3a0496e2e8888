//! How the time of a training step grows with batch, width, depth, the rows of a Gaussian process and threads, and its memory with
//! the batch, and that memory does not grow with steps.
//!
//!     cargo bench -p tests --bench growth [-- batch width depth rows threads memory]
//!
//! A step is forward, backward and Adam of a multilayer perceptron in f32 on one thread; under `rows` loss and gradient of 16
//! Gaussian processes in f64 (W4h of the bench `steps`); under `threads` a step of a VAE on batches of 128 and 2,048 images (W1),
//! on up to as many threads as the machine has. Each sweep prints its times and the slope of log time over log size in its upper
//! half (1 is expected of batch and depth, 2 of width, 3 of rows, -1 of threads), and draws them into `out/growth/`. What a step keeps from the forward pass to the backward pass is what minibatches save (lecture 000, "Tuning the
//! algorithm"): the peak of the memory is that of the parameters plus so many bytes for each row of the batch.

use std::path::Path;
use std::sync::Arc;

use autograd::Tape;
use nn::model::{Layout, Mlp, Nonlinearity};
use nn::picture::Figure;
use nn::train::{Noise, Optimizer, Rule};
use rand::SeedableRng;
use rand::rngs::StdRng;
use tests::measure::{memory, seconds, secs, wanted};
use tests::workloads::{GaussianProcessStep, VaeStep};

fn main() {
    let time = secs(0.3);
    let powers = |from: u32, to: u32| (from..=to).map(|power| 1usize << power);
    rayon::ThreadPoolBuilder::new().num_threads(1).build().expect("a pool of threads").install(|| {
        // Before the others, since what they return to the allocator would be taken again.
        if wanted("memory") {
            memory_of_batches(powers(4, 12));
        }
        sweep("batch", powers(4, 12), time, |batch| Step::new(batch, 128, 2), Step::run);
        sweep("width", powers(6, 12), time, |width| Step::new(64, width, 1), Step::run);
        sweep("depth", powers(0, 6), time, |depth| Step::new(64, 128, depth), Step::run);
        sweep("rows", powers(6, 12), time, GaussianProcessStep::fused, |step| _ = step.step());
        if wanted("memory") {
            let mut step = Step::new(16, 32, 2);
            (0..1000).for_each(|_| step.run());
            let before = memory("VmRSS");
            (0..99_000).for_each(|_| step.run());
            println!("memory: {before:.1} MB after 1,000 steps, {:.1} MB after 100,000", memory("VmRSS"));
        }
    });
    if wanted("threads") {
        threads(time);
    }
}

/// A network of `depth` hidden layers, all of `width`, with its optimiser.
struct Step {
    tape: Tape<f32>,
    network: Mlp,
    theta: Arc<Vec<f32>>,
    optimizer: Optimizer<f32>,
    x: Arc<Vec<f32>>,
    batch: usize,
}

impl Step {
    fn new(batch: usize, width: usize, depth: usize) -> Self {
        let mut layout = Layout::new();
        let widths = vec![width; depth + 1];
        let network = Mlp::new(&mut layout, "f", &widths, Nonlinearity::Relu, Nonlinearity::Relu);
        let theta = layout.init(&mut StdRng::seed_from_u64(0));
        let optimizer = Optimizer::new(Rule::ADAM, layout.size());
        let mut x = vec![0.0; batch * width];
        Noise::new(0, 0).normal(0, width, &mut x);
        Self { tape: Tape::new(), network, theta: Arc::new(theta), optimizer, x: Arc::new(x), batch }
    }

    fn run(&mut self) {
        let Self { tape, network, theta, optimizer, x, batch } = self;
        let (_, gradient) = tape.value_and_grad(theta, |tape, theta| {
            let x = tape.shared_constant(x, [*batch, x.len() / *batch]);
            network.apply(theta, x).square().mean()
        });
        let theta = Arc::get_mut(theta).expect("θ is not shared between steps");
        optimizer.step(1e-3, theta, &gradient);
    }
}

/// The peak of the memory of a step by the size of the batch, and what it grows by from batch to batch for each row.
fn memory_of_batches(sizes: impl Iterator<Item = usize>) {
    let before = memory("VmHWM");
    let mut last: Option<(usize, f64)> = None;
    for batch in sizes {
        let mut step = Step::new(batch, 512, 2);
        (0..3).for_each(|_| step.run());
        let peak = memory("VmHWM") - before;
        let row = last.map_or(String::new(), |(smaller, least)| {
            format!(", {:.1} kB a row more", (peak - least) * 1024.0 / (batch - smaller) as f64)
        });
        println!("memory: batch {batch:>5}, peak {peak:>7.1} MB{row}");
        last = Some((batch, peak));
    }
}

fn sweep<R>(
    name: &str,
    sizes: impl Iterator<Item = usize>,
    time: f64,
    workload: impl Fn(usize) -> R,
    step: impl Fn(&mut R),
) {
    if !wanted(name) {
        return;
    }
    let points: Vec<(f64, f64)> = sizes
        .map(|size| {
            let mut workload = workload(size);
            (size as f64, milliseconds(name, size, time, || step(&mut workload)))
        })
        .collect();
    let slope = slope(&points[points.len() / 2..]);
    println!("{name:>7} slope  {slope:.2} of the upper half");
    let figure = figure(&format!("Time of a training step, slope {slope:.2}"), name);
    save(figure.line("", points), name);
}

/// The step of a VAE on more and more threads.
fn threads(time: f64) {
    let most = std::thread::available_parallelism().map_or(1, usize::from);
    let counts = (0..).map(|power| 1 << power).take_while(|&count| count < most).chain([most]);
    let mut figure = figure("Time of a training step of a VAE", "threads");
    for batch in [128, 2048] {
        println!("threads, batch {batch}");
        let points = counts.clone().map(|count| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(count).build().expect("a pool of threads");
            pool.install(|| {
                let mut vae = VaeStep::one_layer(Nonlinearity::Relu, batch);
                (count as f64, milliseconds("threads", count, time, || _ = vae.step()))
            })
        });
        figure = figure.line(&format!("batch {batch}"), points);
    }
    save(figure, "threads");
}

/// The median time of a step, which is printed.
fn milliseconds(name: &str, size: usize, time: f64, step: impl FnMut()) -> f64 {
    let (median, _) = seconds(time, step);
    println!("{name:>7} {size:>5}  {:>12.1} us", median * 1e6);
    median * 1e3
}

fn figure(title: &str, x: &str) -> Figure {
    Figure::new(title).axes(x, "milliseconds").log_x().log_y()
}

fn save(figure: Figure, name: &str) {
    let folder = Path::new("out/growth");
    std::fs::create_dir_all(folder).expect("a folder for the picture");
    figure.save(&folder.join(format!("{name}.png"))).expect("the picture is written");
}

/// Least squares of log y over log x.
fn slope(points: &[(f64, f64)]) -> f64 {
    let logs: Vec<(f64, f64)> = points.iter().map(|(x, y)| (x.ln(), y.ln())).collect();
    let n = logs.len() as f64;
    let mean = logs.iter().fold((0.0, 0.0), |sum, (x, y)| (sum.0 + x / n, sum.1 + y / n));
    let products = logs.iter().map(|(x, y)| (x - mean.0) * (y - mean.1)).sum::<f64>();
    products / logs.iter().map(|(x, _)| (x - mean.0).powi(2)).sum::<f64>()
}
