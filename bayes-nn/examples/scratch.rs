//! Scratch.
use std::time::Instant;
use bayes_nn::*;
use nn::data::{Matrix, Standardizer, table};
use nn::optim::{Optimizer, Rule};
use nn::schedule::Schedule;
use nn::train::{Fit, Trainer};
use rand::{SeedableRng, rngs::StdRng};
use rayon::prelude::*;

fn env<T: std::str::FromStr>(k: &str, d: T) -> T { std::env::var(k).ok().and_then(|v| v.parse().ok()).unwrap_or(d) }

fn main() {
    let steps: usize = env("STEPS", 20000);
    let batch: usize = env("BATCH", 100);
    let lr: f64 = env("LR", 0.01);
    let s0: f64 = env("S0", 0.05);
    let splits: usize = env("SPLITS", 4);
    let draws: usize = env("DRAWS", 200);
    let prior: String = env("PRIOR", "learned".into());
    let lik: String = env("LIK", "learned".into());
    let members: usize = env("MEMBERS", 1);
    let samples: usize = env("SAMPLES", 1);
    let phi: String = env("PHI", "relu".into());
    let weights: bool = env("WEIGHTS", false);
    let beta2: f64 = env("BETA2", 0.999);
    for set in env("SETS", "concrete energy yacht".to_string()).split(' ') {
        let started = Instant::now();
        let dir = std::path::PathBuf::from("/work/shared/data/uci").join(set);
        let t = table::read(dir.join("data.txt"), &Default::default()).unwrap();
        let feats = table::read_indices(dir.join("index_features.txt"), t.names.len()).unwrap();
        let target = table::read_indices(dir.join("index_target.txt"), t.names.len()).unwrap();
        let (x, y) = (t.values.columns(&feats), t.values.columns(&target));
        let res: Vec<_> = (0..splits).into_par_iter().map(|k| {
            let tr = table::read_indices(dir.join(format!("index_train_{k}.txt")), x.rows).unwrap();
            let te = table::read_indices(dir.join(format!("index_test_{k}.txt")), x.rows).unwrap();
            let (sx, sy) = (Standardizer::fit(&x, &tr), Standardizer::fit(&y, &tr));
            let f = |m: &Matrix<f64>, s: &Standardizer, r: &[usize]| s.apply(&m.select(r)).map(|v| v as f32);
            let (xt, yt, xe) = (f(&x, &sx, &tr), f(&y, &sy, &tr), f(&x, &sx, &te));
            let mut c = MlpConfig::new(x.cols, &[50]);
            c.initial_sigma = s0;
            c.prior = match &prior[..] { "learned" => Prior::Learned, "mix" => Prior::Mixture { share: 0.5, first: 1.0, second: 0.1 },
                v => Prior::Normal(v.split(',').map(|v| v.parse().unwrap()).collect()) };
            c.likelihood = match &lik[..] { "head" => Likelihood::NormalHead, "learned" => Likelihood::NORMAL_LEARNED, v => Likelihood::Normal { sigma: v.parse().unwrap() } };
            if phi == "tanh" { c.phi = nn::Nonlinearity::Tanh; }
            let mut fs = vec![]; let mut ss = vec![]; let mut elbo = 0.0; let mut parts=[0.0;2];
            for m in 0..members {
            let model = BayesMlp::new(&c);
            let seed = (k * 100 + m) as u64;
            let eta: Vec<f32> = model.layout().init(&mut StdRng::seed_from_u64(seed));
            let opt = Optimizer::new(Rule::Adam { beta1: 0.9, beta2, epsilon: 1e-8 }, eta.len());
            let mut trainer = Trainer::new(eta, opt, seed);
            let per = xt.rows.div_ceil(batch);
            let epochs = steps.div_ceil(per);
            let fit = Fit { epochs, batch_size: batch, rate: lr, schedule: Schedule::Cosine { epochs }, patience: None };
            let mut obj = Regression::new(&model, &xt, &yt);
            obj.samples = samples;
            if weights { obj.sampling = Sampling::Weights; }
            trainer.fit(&obj, xt.rows, None, &fit, &mut ()).unwrap();
            let last = trainer.history().last().unwrap().train;
            elbo += last.parts[0] / members as f64; parts = [last.parts[1], last.parts[2]];
            let d = model.draws(trainer.theta(), draws, 1);
            let p = model.predict(&d, &xe).rescaled(sy.sd[0], sy.mean[0]);
            fs.extend_from_slice(&p.f.values); ss.extend_from_slice(&p.sigma.values);
            }
            let p = Predictive { f: Matrix::new(draws * members, te.len(), fs), sigma: Matrix::new(draws * members, te.len(), ss) };
            let s = Scores::of(&p, &y.select(&te).values);
            (s.rmse, s.log_likelihood, elbo, parts, s.coverage(0.9), s.crps)
        }).collect();
        let stat = |g: &dyn Fn(usize) -> f64| { let n = splits as f64; let m = (0..splits).map(g).sum::<f64>() / n;
            let v = (0..splits).map(|i| (g(i) - m).powi(2)).sum::<f64>() / (n - 1.0); (m, (v / n).sqrt()) };
        let (r, l, e) = (stat(&|i| res[i].0), stat(&|i| res[i].1), stat(&|i| res[i].2));
        println!("{set:9} rmse {:.3}±{:.3} ll {:.3}±{:.3} elbo {:.4} (ll {:.3} kl {:.3}) cov90 {:.3} crps {:.3} {:.1}s", r.0, r.1, l.0, l.1, e.0,
            stat(&|i| res[i].3[0]).0, stat(&|i| res[i].3[1]).0, stat(&|i| res[i].4).0, stat(&|i| res[i].5).0, started.elapsed().as_secs_f64());
    }
}
