//! Newton's method without a Hessian: conjugate gradients on Hessian-vector products (Nocedal & Wright, "Numerical Optimization",
//! algorithms 4.1 and 7.2), beside gradient descent (lecture 000, "Minimization by Stochastic gradient descent") and Adam.
//!
//!     cargo run --release -p nn --example newton
//!     cargo run --release -p nn --example newton -- --dim 1000 --hidden 32
//!
//! They minimise Rosenbrock's valley in two and in many dimensions, and the loss of a small network on the embedded diabetes table.
//! `methods.rs` has the methods. The example draws their paths through the valley, and how the loss falls with the work.

mod methods;

use std::process::ExitCode;

use autograd::ops::Nonlinearity;
use autograd::{Real, Var};
use methods::{Descent, FOUND, Function, Log, Step};
use nn::data::{self, Matrix, Standardizer};
use nn::model::density::squared_error;
use nn::model::{MlpConfig, MlpModel, Model};
use nn::outln;
use nn::picture::{Figure, Panels};
use nn::run::{Defaults, Label, Run, RunArgs, TextTable, width};
use rand::{SeedableRng, rngs::StdRng};

/// Minimises three functions by Newton's method, by gradient descent and by Adam
#[derive(clap::Parser, serde::Serialize)]
#[command(mut_arg("data", |arg| arg.hide(true)), mut_arg("batch_size", |arg| arg.hide(true)),
    mut_arg("epochs", |arg| arg.help("Spend the work of this many gradients on each function and method")),
    mut_arg("lr", |arg| arg.help("Learning rate of Adam; the others find their own steps")))]
struct Args {
    #[command(flatten)]
    #[serde(flatten)]
    run: RunArgs,
    /// Dimension of the larger of Rosenbrock's valleys
    #[arg(long, value_name = "D", default_value_t = 100, value_parser = width)]
    dim: usize,
    /// Neurons of the network's hidden layer
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = width)]
    hidden: usize,
}

fn main() -> ExitCode {
    nn::run::main(Defaults { out: "out/nn-newton", epochs: 10_000, batch_size: 1, lr: 0.01 }, |args: Args| {
        args.run.in_pool(|| newton(&args))?
    })
}

/// f(θ) = Σᵢ 100 (θᵢ₊₁ − θᵢ²)² + (1 − θᵢ)² (Rosenbrock 1960): a bent valley with steep sides, whose floor falls gently to θ = 1.
struct Rosenbrock(usize);

impl Function for Rosenbrock {
    fn start(&self) -> Vec<f64> {
        (0..self.0).map(|i| if i % 2 == 0 { -1.2 } else { 1.0 }).collect()
    }

    fn value<'t, F: Real>(&self, theta: Var<'t, F>) -> Var<'t, F> {
        let (here, next) = (theta.view(0, [self.0 - 1]), theta.view(1, [self.0 - 1]));
        (next - here.square()).square().sum() * F::from_f64(100.0) + (here - F::ONE).square().sum()
    }
}

/// f(θ) = 1/N Σ (y − f_θ(x))² + λ ‖θ‖²: a network of one hidden layer. λ makes its minima points.
struct Network {
    model: MlpModel,
    x: Matrix<f64>,
    y: Matrix<f64>,
    seed: u64,
}
const LAMBDA: f64 = 1e-3;

impl Function for Network {
    fn start(&self) -> Vec<f64> {
        self.model.layout().init(&mut StdRng::seed_from_u64(self.seed))
    }

    fn value<'t, F: Real>(&self, theta: Var<'t, F>) -> Var<'t, F> {
        let constant = |data: &Matrix<f64>| {
            let lift =
                |out: &mut [F]| out.iter_mut().zip(&*data.values).for_each(|(out, &x)| *out = F::from_f64(x));
            theta.tape().constant_with([data.rows, data.cols], lift)
        };
        let error = squared_error(self.model.apply(theta, constant(&self.x)), constant(&self.y)).mean();
        error + theta.square().sum() * F::from_f64(LAMBDA)
    }
}

const METHODS: [&str; 3] = ["Newton", "gradient descent", "Adam"];

/// What each method may spend on a function, in gradients.
fn work(args: &RunArgs) -> usize {
    if args.dry_run { 50 } else { args.epochs }
}

/// What the three methods made of a function.
struct Race {
    /// For the result line.
    key: &'static str,
    /// For readers.
    name: String,
    logs: [Log; 3],
}

impl Race {
    fn new(key: &'static str, name: String, function: &impl Function, args: &RunArgs) -> Self {
        let work = work(args);
        let descent = || Descent::new(function);
        let logs = [descent().newton(work), descent().gradient_descent(work), descent().adam(work, args.lr)];
        Self { key, name, logs }
    }

    /// Prints what each method needed and reached. Returns it for the result line.
    fn print(&self) -> Vec<(String, f64)> {
        outln!("{}", self.name);
        let mut table = TextTable::new().header(["", "steps", "gradients", "products", "ms", "loss", "‖∇f‖"]);
        let mut results = Vec::new();
        for (method, log) in METHODS.iter().zip(&self.logs) {
            let Step { work, value, slope, .. } = log.steps[log.steps.len() - 1];
            let counts = [log.steps.len() - 1, log.gradients, log.products].map(|count| count.to_string());
            let ends = [format!("{:.1}", 1e3 * log.seconds), format!("{value:.3e}"), format!("{slope:.0e}")];
            table.row([&[method.to_string()], &counts[..], &ends].concat());
            let key = format!("{}_{}", self.key, method.to_lowercase().replace(' ', "_"));
            results.extend(
                [("work", work), ("loss", value), ("slope", slope)].map(|(of, x)| (format!("{key}_{of}"), x)),
            );
        }
        table.print();
        results
    }
}

fn newton(args: &Args) -> anyhow::Result<()> {
    anyhow::ensure!(args.run.data.is_none(), "this example has its data embedded: leave --data out");
    anyhow::ensure!(args.dim > 1, "--dim: expected at least 2, found {}", args.dim);
    args.run.without_checkpoint()?;
    let run = Run::open(&args.run, args)?.documented("nn", "Second derivatives");
    let (inputs, target) = data::diabetes().split_target("progression")?;
    let rows: Vec<usize> = (0..target.rows).collect();
    let scale = |data: &Matrix<f64>| Ok::<_, anyhow::Error>(Standardizer::fit(data, &rows)?.apply(data));
    let widths = vec![inputs.values.cols, args.hidden, 1];
    let model = MlpModel::new(MlpConfig { widths, phi: Nonlinearity::Tanh, psi: Nonlinearity::Identity })?;
    let parameters = model.layout().size();
    let network = Network { model, x: scale(&inputs.values)?, y: scale(&target)?, seed: args.run.seed };

    let valley = |dim| format!("Rosenbrock's valley, {dim} dimensions");
    let races = [
        Race::new("valley", valley(2), &Rosenbrock(2), &args.run),
        Race::new("long_valley", valley(args.dim), &Rosenbrock(args.dim), &args.run),
        Race::new(
            "network",
            format!("a network of {parameters} numbers, {} rows", target.rows),
            &network,
            &args.run,
        ),
    ];
    let results: Vec<(String, f64)> = races.iter().flat_map(Race::print).collect();
    draw_paths(&run, &races[0])?;
    draw_losses(&run, &races)?;
    let arrival = |race: &Race, method: usize| {
        let log = &race.logs[method];
        match log.steps.last() {
            Some(Step { work, slope, .. }) if *slope <= FOUND => {
                format!("after the work of {work} gradients")
            }
            _ => format!("not within that of {}", work(&args.run)),
        }
    };
    let [valley, long_valley, network] =
        races.each_ref().map(|race| [0, 1].map(|method| arrival(race, method)));
    run.found(&format!(
        "Newton's method is at the bottom of the valley {}, gradient descent {}. In {} dimensions they are there {}, and {}; at a \
         minimum of the network's loss {}, and {}. Newton's method knows how the slope changes from place to place: it follows the \
         valley's bend, and near a minimum each step doubles the digits.",
        valley[0], valley[1], args.dim, long_valley[0], long_valley[1], network[0], network[1]
    ));
    run.label(&[
        Label::new("*_work", "gradients, or what costs as much, until the end; function and method: *", ""),
        Label::new("*_loss", "loss at the end; function and method: *", ""),
        Label::new("*_slope", "length of the gradient at the end; function and method: *", ""),
    ]);
    Ok(run.finish(&results)?)
}

/// Draws where each method is in the valley of two dimensions when Newton's method has arrived.
fn draw_paths(run: &Run<'_>, valley: &Race) -> anyhow::Result<()> {
    const CELLS: usize = 120;
    let ((left, right), (low, high)) = ((-1.5, 1.5), (-0.5, 1.5));
    let cell = |i: usize, low: f64, high: f64| low + (high - low) * (i as f64 + 0.5) / CELLS as f64;
    let height = |i: usize| {
        let (x, y) = (cell(i % CELLS, left, right), cell(i / CELLS, low, high));
        (100.0 * (y - x * x).powi(2) + (1.0 - x).powi(2)).log10()
    };
    let work = valley.logs[0].steps.last().map_or(0.0, |step| step.work);
    let title = format!("Rosenbrock's valley: all steps within the work of {work} gradients");
    let panels = METHODS.iter().zip(&valley.logs).fold(Panels::new(&title, 3), |panels, (method, log)| {
        let path = || log.steps.iter().take_while(|step| step.work <= work).map(|step| step.at);
        let map = Figure::new(method).axes("θ₁", "θ₂");
        let map = map.heat_map("log₁₀ f(θ)", (left..right, low..high), CELLS, (0..CELLS * CELLS).map(height));
        panels.figure(map.line("path", path()).points("after each step", path()))
    });
    Ok(panels.save(&run.picture(
        "paths.png",
        "The steps of three methods from (−1.2, 1) towards the minimum (1, 1), as far as they come with the work that Newton's \
         method spent. Look at how it follows the valley's bend, while gradient descent, which sees the steep sides, makes \
         small steps to and fro (lecture 000, \"Minimization by Stochastic gradient descent\")",
    ))?)
}

/// Draws how f and ‖∇f‖ fall with the work.
fn draw_losses(run: &Run<'_>, races: &[Race]) -> anyhow::Result<()> {
    let figure = |race: &Race, label, of: fn(&Step) -> f64| {
        let figure = Figure::new(&race.name).axes("work, gradients", label).log_x().log_y();
        METHODS.iter().zip(&race.logs).fold(figure, |figure, (method, log)| {
            figure.line(method, log.steps.iter().map(|step| (step.work, of(step))))
        })
    };
    let losses = races.iter().map(|race| figure(race, "loss", |step| step.value));
    let slopes = races.iter().map(|race| figure(race, "‖∇f‖", |step| step.slope));
    let panels = losses.chain(slopes).fold(Panels::new("Three functions, three methods", 3), Panels::figure);
    Ok(panels.save(&run.picture(
        "losses.png",
        "The loss, and below it the length of its gradient, over the work, on logarithmic axes: a Hessian-vector product counts as \
         three gradients. Near a minimum Newton's method should fall vertically, where each step doubles the digits. A network has many \
         minima, so that each method may end at another loss (lecture 000, \"Minimization by Stochastic gradient descent\")",
    ))?)
}
