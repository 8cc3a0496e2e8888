//! Sensors on several subjects, simulated.

use std::f64::consts::{PI, TAU};

use nn::data::{Matrix, Table};
use nn::train::Noise;

/// What is simulated.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Simulation {
    pub(crate) rows: usize,
    pub(crate) sensors: usize,
    pub(crate) subjects: usize,
    pub(crate) seed: u64,
}

/// The movements of a subject, and the waves that each is the sum of.
const MOVEMENTS: usize = 3;
const WAVES: usize = 3;
/// About so many rows a day.
const DAILY: f64 = 24.0;

impl Simulation {
    /// A table (subject, time in days, sensors). Each subject has slow movements of its own, sums of waves with periods of about three
    /// days, which all sensors see through curved characteristics and noise. Times are irregular. Every sensor of a
    /// subject fails once, for a tenth of the time.
    pub(crate) fn table(self) -> Table {
        let Self { rows, sensors, subjects, seed } = self;
        let draw = |sample: usize, n: usize| {
            let mut out = vec![0.0; n];
            Noise::evaluation(seed).normal(sample, 1, &mut out);
            out
        };
        let [waves, weights, jitter, noise, failures] = [
            2 * subjects * MOVEMENTS * WAVES,
            2 * sensors * MOVEMENTS,
            rows,
            rows * sensors,
            subjects * sensors,
        ]
        .map({
            let mut sample = 0;
            move |n| {
                sample += 1;
                draw(sample, n)
            }
        });
        let movement = |subject: usize, m: usize, t: f64| {
            let first = 2 * (subject * MOVEMENTS + m) * WAVES;
            let wave = |wave: &[f64]| (TAU * t / (3.0 * (0.4 * wave[0]).exp()) + PI * wave[1]).sin();
            waves[first..first + 2 * WAVES].chunks_exact(2).map(wave).sum::<f64>()
                * (2.0 / WAVES as f64).sqrt()
        };
        let sensor = |j: usize, a: &[f64; MOVEMENTS]| {
            let along = |which: usize| {
                let w = &weights[(2 * j + which) * MOVEMENTS..][..MOVEMENTS];
                let norm = w.iter().map(|w| w * w).sum::<f64>().sqrt();
                w.iter().zip(a).map(|(w, a)| w * a).sum::<f64>() / norm
            };
            let (s, r) = (along(0), along(1));
            match j % 4 {
                0 => (1.5 * s).tanh(),
                1 => s + 0.3 * r * r,
                2 => s * r,
                _ => (-s * s).exp(),
            }
        };
        let length = rows.div_ceil(subjects);
        let row = |i: usize| {
            let (subject, place) = (i / length, i % length);
            let t = (place as f64 + 0.4 * jitter[i].tanh()) / DAILY;
            let a: [f64; MOVEMENTS] = std::array::from_fn(|m| movement(subject, m, t));
            let cell = |j: usize| {
                let from = 0.45 * (1.0 + failures[subject * sensors + j].tanh()) * length as f64;
                let fails = (from..from + 0.1 * length as f64).contains(&(place as f64));
                if fails { f64::NAN } else { sensor(j, &a) + 0.07 * noise[i * sensors + j] }
            };
            let cells: Vec<f64> = (0..sensors).map(cell).collect();
            let digits = |x: f64| (1e5 * x).round() / 1e5;
            [(subject + 1) as f64, digits(t)].into_iter().chain(cells.into_iter().map(digits))
        };
        let names = ["subject".to_owned(), "time".to_owned()].into_iter();
        let names = names.chain((1..=sensors).map(|j| format!("sensor {j}"))).collect();
        Table::new(names, Matrix::new(rows, sensors + 2, (0..rows).flat_map(row).collect()))
    }
}
