//! A simulated table of mixed columns: days at a lake.
//!
//! Row i is a day at a time of the year tᵢ, an angle, drawn evenly from 0 to 2π, with a weather wᵢ ~ N(0, 1) and as many people about as
//! vᵢ ~ N(0, 1) says. None of these is in the table.
//!
//! | column | | |
//! | --- | --- | --- |
//! | temperature | a real number, °C | N(12 − 9 cos t + 3 w, 1) |
//! | level | a real number, m | N(3 + sin t, 0.2²) |
//! | pressure | a real number, hPa | N(1013 + 8 sin 2t − 6 w, 2²) |
//! | humidity | a real number, % | N(70 − 8 w, 4²) |
//! | wind | a positive number, m/s | ln wind ~ N(1.2 + 0.6 cos 2t − 0.3 w, 0.2²) |
//! | market | yes or no | P(yes) = 1 / (1 + e^(−4 sin 2t − 2 v)) |
//! | birds | a category: ducks, geese, gulls, swans | P(k) ∝ e^(4 cos(2t − k π/2)), k = 0, 1, 2, 3 |
//! | visitors | a count | negative binomial, ln mean = 3 + cos 2t + 0.8 v, dispersion 20 |
//! | cars | a count | negative binomial, ln mean = 4 + 0.6 v + 0.2 w, dispersion 20 |
//! | boats | a count | negative binomial, ln mean = 2 − cos 2t + 0.5 w + 0.4 v, dispersion 20 |
//!
//! A twentieth of the cells is missing. A normal distribution sees cos t and sin t in temperature and level; of cos 2t and sin 2t it learns
//! nothing from these, since they are not correlated with them, though they are functions of them.

use std::f64::consts::{FRAC_PI_2, TAU};

use nn::data::{Table, TableOptions};
use rand::{RngExt, SeedableRng, rngs::StdRng};
use rand_distr::{Distribution, Gamma, Poisson, StandardNormal};

const DAYS: usize = 1000;
const BIRDS: [&str; 4] = ["ducks", "geese", "gulls", "swans"];
/// r
const DISPERSION: f64 = 20.0;
/// The share of cells that are missing.
const GAPS: f64 = 0.05;

/// The table of this seed.
pub(crate) fn days(seed: u64) -> anyhow::Result<Table> {
    let mut rng = StdRng::seed_from_u64(seed);
    let mut text = "temperature,level,pressure,humidity,wind,market,birds,visitors,cars,boats\n".to_owned();
    for _ in 0..DAYS {
        let t = TAU * rng.random::<f64>();
        let mut normal = || -> f64 { StandardNormal.sample(&mut rng) };
        let [w, v] = [normal(), normal()];
        let (cos, sin) = ((2.0 * t).cos(), (2.0 * t).sin());
        let temperature = 12.0 - 9.0 * t.cos() + 3.0 * w + normal();
        let level = 3.0 + t.sin() + 0.2 * normal();
        let pressure = 1013.0 + 8.0 * sin - 6.0 * w + 2.0 * normal();
        let humidity = 70.0 - 8.0 * w + 4.0 * normal();
        let wind = (1.2 + 0.6 * cos - 0.3 * w + 0.2 * normal()).exp();
        let is_market = rng.random::<f64>() < 1.0 / (1.0 + (-4.0 * sin - 2.0 * v).exp());
        let weights: [f64; 4] = std::array::from_fn(|k| (4.0 * (2.0 * t - k as f64 * FRAC_PI_2).cos()).exp());
        let mut rest = rng.random::<f64>() * weights.iter().sum::<f64>();
        let passed = |weight: &&f64| {
            rest -= **weight;
            rest >= 0.0
        };
        let birds = BIRDS[weights.iter().take_while(passed).count().min(BIRDS.len() - 1)];
        let mut count = |log_mean: f64| -> anyhow::Result<f64> {
            let rate = Gamma::new(DISPERSION, log_mean.exp() / DISPERSION)?.sample(&mut rng);
            Ok(Poisson::new(rate)?.sample(&mut rng))
        };
        let visitors = count(3.0 + cos + 0.8 * v)?;
        let cars = count(4.0 + 0.6 * v + 0.2 * w)?;
        let boats = count(2.0 - cos + 0.5 * w + 0.4 * v)?;
        let cells = [
            format!("{temperature:.1}"),
            format!("{level:.2}"),
            format!("{pressure:.1}"),
            format!("{humidity:.0}"),
            format!("{wind:.2}"),
            if is_market { "yes" } else { "no" }.to_owned(),
            birds.to_owned(),
            visitors.to_string(),
            cars.to_string(),
            boats.to_string(),
        ];
        let known = cells.map(|cell| if rng.random::<f64>() < GAPS { String::new() } else { cell });
        text += &(known.join(",") + "\n");
    }
    Ok(Table::parse_mixed(text.as_bytes(), &[], &TableOptions { missing: true, ..TableOptions::default() })?)
}
