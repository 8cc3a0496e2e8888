//! Every rule against its formula, number by number; what holds for all of them; schedules.

use autograd::Real;
use nn::train::{Group, Optimizer, Rates, Rule, Schedule, ShardSum};

const RULES: [Rule; 7] = [
    Rule::Sgd,
    Rule::Momentum { momentum: 0.8 },
    Rule::Nesterov { momentum: 0.8 },
    Rule::AdaGrad { epsilon: 1e-6 },
    Rule::RmsProp { decay: 0.95, epsilon: 1e-6 },
    Rule::Adam { beta1: 0.8, beta2: 0.9, epsilon: 1e-5 },
    Rule::AdamW { beta1: 0.8, beta2: 0.9, epsilon: 1e-5, weight_decay: 0.3 },
];

/// A parameter by the formulas of the papers, one step after another.
#[derive(Default)]
struct Scalar {
    theta: f64,
    m: f64,
    v: f64,
    t: i32,
}

impl Scalar {
    fn step(&mut self, rule: Rule, rate: f64, g: f64) {
        self.t += 1;
        let Self { theta, m, v, t } = self;
        match rule {
            Rule::Sgd => *theta -= rate * g,
            Rule::Momentum { momentum } => {
                *m = momentum * *m + g;
                *theta -= rate * *m;
            }
            Rule::Nesterov { momentum } => {
                *m = momentum * *m + g;
                *theta -= rate * (g + momentum * *m);
            }
            Rule::AdaGrad { epsilon } => {
                *v += g * g;
                *theta -= rate * g / (v.sqrt() + epsilon);
            }
            Rule::RmsProp { decay, epsilon } => {
                *v = decay * *v + (1.0 - decay) * g * g;
                *theta -= rate * g / (v.sqrt() + epsilon);
            }
            Rule::Adam { beta1, beta2, epsilon } | Rule::AdamW { beta1, beta2, epsilon, .. } => {
                let decay = if let Rule::AdamW { weight_decay, .. } = rule { weight_decay } else { 0.0 };
                *m = beta1 * *m + (1.0 - beta1) * g;
                *v = beta2 * *v + (1.0 - beta2) * g * g;
                let (m_hat, v_hat) = (*m / (1.0 - beta1.powi(*t)), *v / (1.0 - beta2.powi(*t)));
                *theta = *theta - rate * decay * *theta - rate * m_hat / (v_hat.sqrt() + epsilon);
            }
        }
    }
}

/// `n` numbers in −1..1, of many magnitudes.
fn numbers(seed: usize, n: usize) -> Vec<f64> {
    (0..n).map(|i| ((i * 7 + seed * 13) as f64).sin() * 10f64.powi(-((i % 4) as i32))).collect()
}

fn follows_the_formula<F: Real>(tolerance: f64) {
    for rule in RULES {
        let start = numbers(0, 5);
        let mut scalars: Vec<_> = start.iter().map(|&theta| Scalar { theta, ..Scalar::default() }).collect();
        let mut theta: Vec<F> = start.iter().map(|&x| F::from_f64(x)).collect();
        let mut optimizer = Optimizer::new(rule, 5);
        for step in 1..=30 {
            // The rate changes, as under a schedule.
            let (rate, g) = (0.1 / step as f64, numbers(step, 5));
            scalars.iter_mut().zip(&g).for_each(|(scalar, &g)| scalar.step(rule, rate, g));
            optimizer.step(rate, &mut theta, &g.iter().map(|&g| F::from_f64(g)).collect::<Vec<_>>());
            for (theta, scalar) in theta.iter().zip(&scalars) {
                let (found, expected) = (theta.to_f64(), scalar.theta);
                assert!(
                    (found - expected).abs() < tolerance,
                    "{rule:?}, step {step}: {found}, not {expected}"
                );
            }
        }
        assert_eq!(optimizer.steps(), 30);
    }
}

#[test]
fn every_rule_is_its_formula_in_double_precision() {
    follows_the_formula::<f64>(1e-14);
}

#[test]
fn every_rule_is_its_formula_in_single_precision() {
    follows_the_formula::<f32>(2e-6);
}

#[test]
fn nesterov_takes_the_slope_where_the_momentum_leads() {
    // Sutskever et al. 2013, eq. 3 and 4, for f(x) = x⁴/4 from x = 1; ours holds x + μ v.
    let (mu, rate, mut x, mut v) = (0.7, 0.05, 1.0_f64, 0.0);
    let (mut theta, mut optimizer) = ([1.0_f64], Optimizer::new(Rule::Nesterov { momentum: mu }, 1));
    for _ in 0..20 {
        v = mu * v - rate * (x + mu * v).powi(3);
        x += v;
        let slope = theta[0].powi(3);
        optimizer.step(rate, &mut theta, &[slope]);
        assert!((theta[0] - (x + mu * v)).abs() < 1e-14);
    }
}

#[test]
fn the_first_step_of_adam_is_the_rate_whatever_the_slope() {
    for g in [1e-4, 3.0, -2e5] {
        let mut theta = [1.0_f64];
        Optimizer::new(Rule::ADAM, 1).step(0.01, &mut theta, &[g]);
        assert!((theta[0] - (1.0 - 0.01 * f64::signum(g))).abs() < 1e-5, "{}", theta[0]);
    }
}

#[test]
fn the_decay_of_adamw_is_not_scaled_by_the_gradient() {
    let rule = Rule::AdamW { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weight_decay: 0.5 };
    let (mut theta, mut optimizer) = ([2.0_f64, 2.0], Optimizer::new(rule, 2));
    for t in 1..=10 {
        optimizer.step(0.1, &mut theta, &[0.0, 1e6]);
        // Without a gradient nothing but the decay; Adam's own step is as long as without it.
        assert!((theta[0] - 2.0 * 0.95_f64.powi(t)).abs() < 1e-14);
    }
    let adam: f64 = (1..=10).fold(2.0, |theta, _| 0.95 * theta - 0.1);
    assert!((theta[1] - adam).abs() < 1e-9);
}

#[test]
fn a_long_gradient_is_shortened_and_a_short_one_is_not() {
    let step = |clip: f64, g: [f32; 2]| {
        let mut theta = [0.0_f32; 2];
        Optimizer::new(Rule::Sgd, 2).clip_norm(clip).step(1.0, &mut theta, &g);
        theta
    };
    assert_eq!(step(5.0, [3.0, 4.0]), [-3.0, -4.0]);
    assert_eq!(step(10.0, [3.0, 4.0]), [-3.0, -4.0]);
    let [a, b] = step(1.0, [3.0, 4.0]);
    assert!((a + 0.6).abs() < 1e-6 && (b + 0.8).abs() < 1e-6);
    assert_eq!(step(1.0, [0.0, 0.0]), [0.0, 0.0]);
    // Squares that overflow single precision.
    let [a, b] = step(1.0, [3e30, 4e30]);
    assert!((a + 0.6).abs() < 1e-6 && (b + 0.8).abs() < 1e-6);
}

#[test]
fn the_norm_that_clips_is_that_of_the_averaged_sum() {
    let mut theta = [0.0_f64; 2];
    let mut optimizer = Optimizer::new(Rule::Sgd, 2).clip_norm(1.0);
    let gradient = ShardSum { shards: &[&[3.0, 0.0], &[3.0, 8.0]], scale: 0.5 };
    optimizer.step_sum(Rates::all(1.0), &mut theta, gradient);
    assert!((theta[0] + 0.6).abs() < 1e-15 && (theta[1] + 0.8).abs() < 1e-15);
}

/// The slopes that plain descent takes: θ = −Σ g, 0 and −0 told apart.
fn summed(shards: &[&[f32]]) -> Vec<u32> {
    let mut theta = vec![-0.0_f32; shards[0].len()];
    let gradient = ShardSum { shards, scale: 1.0 };
    Optimizer::new(Rule::Sgd, theta.len()).step_sum(Rates::all(-1.0), &mut theta, gradient);
    theta.iter().map(|x| x.to_bits()).collect()
}

/// What several machines rely on, each of which adds a half of the shards, or a half of a half.
#[test]
fn gradients_are_added_in_a_tree_whose_halves_can_be_added_elsewhere() {
    fn tree(shards: &[&[f32]], i: usize) -> f32 {
        match shards {
            [only] => only[i],
            _ => {
                let (left, right) = shards.split_at(shards.len().div_ceil(2));
                tree(left, i) + tree(right, i)
            }
        }
    }
    let all: Vec<Vec<f32>> = (1..17)
        .map(|s| {
            let mut shard: Vec<f32> = numbers(s, 3001).iter().map(|&g| g as f32).collect();
            (shard[0], shard[1]) = (-0.0, if s % 2 == 0 { 0.0 } else { -0.0 });
            shard
        })
        .collect();
    for count in 1..17 {
        let shards: Vec<&[f32]> = all[..count].iter().map(Vec::as_slice).collect();
        let sums: Vec<f32> = (0..3001).map(|i| tree(&shards, i)).collect();
        let bits: Vec<u32> = sums.iter().map(|x| x.to_bits()).collect();
        assert!(summed(&shards) == bits, "{count} shards");
        assert!(summed(&[&sums]) == bits, "the sum of {count} shards");
        if count > 1 {
            let halves = shards.split_at(count.div_ceil(2));
            let [left, right] =
                [halves.0, halves.1].map(|half| -> Vec<f32> { (0..3001).map(|i| tree(half, i)).collect() });
            assert!(summed(&[&left, &right]) == bits, "the halves of {count} shards");
        }
    }
}

/// Longer than what goes to one thread.
const LONG: usize = 70_001;

#[test]
fn a_sum_of_gradients_makes_the_step_of_their_sum_with_the_same_bits_on_any_number_of_threads() {
    let shards: Vec<Vec<f32>> =
        (1..4).map(|s| numbers(s, LONG).iter().map(|&g| g as f32).collect()).collect();
    let shards: Vec<&[f32]> = shards.iter().map(Vec::as_slice).collect();
    let sum: Vec<f32> = (0..LONG).map(|i| 0.25 * (shards[0][i] + shards[1][i] + shards[2][i])).collect();
    for rule in RULES {
        for clip in [f64::INFINITY, 0.5] {
            let start: Vec<f32> = numbers(9, LONG).iter().map(|&x| x as f32).collect();
            let run = |threads: usize| {
                let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
                let (mut theta, mut optimizer) = (start.clone(), Optimizer::new(rule, LONG).clip_norm(clip));
                let gradient = ShardSum { shards: &shards, scale: 0.25 };
                pool.install(|| {
                    (0..3).for_each(|_| optimizer.step_sum(Rates::all(0.1), &mut theta, gradient))
                });
                (theta, optimizer)
            };
            let alone = run(1);
            assert!(alone == run(2) && alone == run(16), "{rule:?}");
            let (mut theta, mut optimizer) = (start.clone(), Optimizer::new(rule, LONG).clip_norm(clip));
            (0..3).for_each(|_| optimizer.step(0.1, &mut theta, &sum));
            if clip.is_infinite() {
                assert!((theta, optimizer) == alone, "{rule:?}");
            } else {
                let differ = |(a, b): (&f32, &f32)| (a - b).abs() > 1e-5;
                assert!(!theta.iter().zip(&alone.0).any(differ), "{rule:?}, clipped");
            }
        }
    }
}

#[test]
fn moments_never_become_subnormal() {
    for rule in RULES {
        let (mut theta, mut optimizer) = ([0.5_f32; 4], Optimizer::new(rule, 4));
        optimizer.step(1e-3, &mut theta, &[1e-18, 1e-10, 1.0, 1e-38]);
        for _ in 0..3000 {
            optimizer.step(1e-3, &mut theta, &[0.0; 4]);
            let shown = format!("{optimizer:?}");
            let numbers = shown.split([' ', '[', ']', ',', '}']).filter_map(|word| word.parse::<f32>().ok());
            assert!(numbers.clone().all(|x| !x.is_subnormal()), "{shown}");
        }
        assert!(theta.iter().all(|x| x.is_finite()));
    }
}

#[test]
fn groups_are_optimisers_of_their_own() {
    let (len, cuts) = (50_000, [0, 10_007, 30_000, 50_000]);
    let parts = cuts.windows(2).map(|cut| cut[0]..cut[1]).collect::<Vec<_>>();
    // The rates of the parts, step by step; 0 holds a part.
    let steps = [[0.1, 0.0, 0.0], [0.1, 0.2, 0.0], [0.1, 0.1, 0.1], [0.0, 0.3, 0.0], [0.1, 0.1, 0.1]];
    for rule in RULES {
        let start: Vec<f32> = numbers(9, len).iter().map(|&x| x as f32).collect();
        let (mut whole, mut optimizer) = (start.clone(), Optimizer::new(rule, len));
        let mut apart = start;
        let mut optimizers: Vec<_> = parts.iter().map(|part| Optimizer::new(rule, part.len())).collect();
        for (step, rates) in steps.iter().enumerate() {
            let g: Vec<f32> = numbers(step, len).iter().map(|&g| g as f32).collect();
            let groups: Vec<Group> = parts
                .iter()
                .zip(rates)
                .skip(1)
                .map(|(range, &rate)| Group { range: range.clone(), rate })
                .collect();
            // Where all rates are equal, no groups are needed.
            let groups = if rates == &[0.1; 3] { &[][..] } else { &groups };
            let rates_of_step = Rates { rate: rates[0], groups, factor: 0.5 };
            optimizer.step_sum(rates_of_step, &mut whole, ShardSum { shards: &[&g], scale: 1.0 });
            for ((part, &rate), optimizer) in parts.iter().zip(rates).zip(&mut optimizers) {
                if rate > 0.0 {
                    optimizer.step(0.5 * rate, &mut apart[part.clone()], &g[part.clone()]);
                }
            }
            assert!(whole == apart, "{rule:?}, step {step}");
        }
        assert_eq!(optimizer.steps(), 4);
    }
}

#[test]
fn what_is_held_does_not_count_in_the_norm_and_of_two_groups_the_first_counts() {
    let (mut theta, mut optimizer) = ([0.0_f64; 3], Optimizer::new(Rule::Sgd, 3).clip_norm(1.0));
    let groups = [Group { range: 1..2, rate: 0.0 }, Group { range: 0..2, rate: 2.0 }];
    let gradient = ShardSum { shards: &[&[3.0, 1e9, 4.0]], scale: 1.0 };
    optimizer.step_sum(Rates { rate: 1.0, groups: &groups, factor: 1.0 }, &mut theta, gradient);
    assert!((theta[0] + 1.2).abs() < 1e-15 && theta[1] == 0.0 && (theta[2] + 0.8).abs() < 1e-15, "{theta:?}");
}

#[test]
#[should_panic(expected = "Optimizer: expected a gradient of 3 numbers, found 2")]
fn a_gradient_of_another_length_panics() {
    Optimizer::new(Rule::Sgd, 3).step(0.1, &mut [0.0_f32; 3], &[0.0; 2]);
}

#[test]
#[should_panic(expected = "Optimizer: expected 0 parameters, found 3")]
fn a_theta_of_another_length_panics() {
    Optimizer::new(Rule::ADAM, 0).step(0.1, &mut [0.0_f32; 3], &[0.0; 3]);
}

#[test]
fn every_rule_finds_the_bottom_of_a_bowl() {
    // ½ Σ cᵢ (xᵢ − i)², curvatures 1 to 10
    for rule in RULES {
        let rule = match rule {
            Rule::AdamW { beta1, beta2, epsilon, .. } => {
                Rule::AdamW { beta1, beta2, epsilon, weight_decay: 0.0 }
            }
            rule => rule,
        };
        let rate = match rule {
            Rule::AdaGrad { .. } => 1.0,
            Rule::Momentum { .. } | Rule::Nesterov { .. } => 0.05,
            _ => 0.1,
        };
        let (mut theta, mut optimizer) = ([9.0_f64; 4], Optimizer::new(rule, 4));
        for step in 0..2000 {
            let g: Vec<f64> = (0..4).map(|i| (1 + 3 * i) as f64 * (theta[i] - i as f64)).collect();
            optimizer.step(rate * Schedule::Cosine { epochs: 2000 }.factor(step), &mut theta, &g);
        }
        for (i, x) in theta.iter().enumerate() {
            assert!((x - i as f64).abs() < 1e-3, "{rule:?}: {theta:?}");
        }
    }
}

#[test]
fn schedules_at_their_edges() {
    let at = |schedule: &Schedule, epochs: &[usize]| -> Vec<f64> {
        epochs.iter().map(|&epoch| schedule.factor(epoch)).collect()
    };
    assert_eq!(at(&Schedule::Constant, &[0, usize::MAX]), [1.0, 1.0]);
    let step = Schedule::Step { every: 3, factor: 0.5 };
    assert_eq!(at(&step, &[0, 2, 3, 5, 6]), [1.0, 1.0, 0.5, 0.5, 0.25]);
    assert_eq!(at(&Schedule::Step { every: 0, factor: 0.5 }, &[0, 1]), [1.0, 0.5]);
    assert_eq!(at(&Schedule::InverseTime { decay: 0.5 }, &[0, 2, 6]), [1.0, 0.5, 0.25]);
    let cosine = at(&Schedule::Cosine { epochs: 4 }, &[0, 2, 4, 5, usize::MAX]);
    assert_eq!((cosine[0], cosine[2], cosine[3], cosine[4]), (1.0, 0.0, 0.0, 0.0));
    assert!((cosine[1] - 0.5).abs() < 1e-15);
    assert_eq!(Schedule::Cosine { epochs: 0 }.factor(0), 1.0);
    let stages = Schedule::Piecewise(vec![(5, 0.1), (2, 0.5)]);
    assert_eq!(at(&stages, &[0, 1, 2, 4, 5, 99]), [1.0, 1.0, 0.5, 0.5, 0.1, 0.1]);
    assert_eq!(Schedule::Piecewise(vec![]).factor(3), 1.0);
    assert_eq!(Schedule::default(), Schedule::Constant);
}
