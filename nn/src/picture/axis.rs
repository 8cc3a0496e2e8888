//! Axes: the places of numbers along them, and the round numbers that are marked.

/// Numbers beyond this are left out, as infinities are: their differences overflow.
const LARGEST: f64 = 1e300;
/// The room between the data and the frame, as a part of the frame.
const ROOM: f64 = 0.04;

/// An axis, linear or in powers of ten.
pub(super) struct Axis {
    log: bool,
    /// Whether only whole numbers lie on it, such as epochs: then there are no marks between them.
    whole: bool,
    low: f64,
    high: f64,
}

impl Axis {
    /// An axis that holds all of these numbers that can be shown.
    pub(super) fn over(values: impl Iterator<Item = f64>, log: bool) -> Self {
        let mut axis = Self { log, whole: true, low: f64::INFINITY, high: f64::NEG_INFINITY };
        for value in values {
            if let Some(v) = axis.scale(value) {
                axis.whole &= value.fract() == 0.0;
                (axis.low, axis.high) = (axis.low.min(v), axis.high.max(v));
            }
        }
        if axis.low > axis.high {
            (axis.low, axis.high) = (0.0, 1.0);
        }
        let (span, largest) = (axis.high - axis.low, axis.low.abs().max(axis.high.abs()));
        // Numbers that differ by rounding alone get a frame that is wide against it.
        let room = if span > 1e-9 * largest.max(1e-200) { ROOM * span } else { 0.5_f64.max(largest / 10.0) };
        Self { low: axis.low - room, high: axis.high + room, ..axis }
    }

    /// An axis from `low` to `high`, without room beyond them.
    pub(super) fn exact(low: f64, high: f64) -> Self {
        Self { log: false, whole: false, low, high }
    }

    /// Widens the axis on both sides, if it is linear, so that its length grows by this factor.
    pub(super) fn widen(&mut self, factor: f64) {
        if !self.log {
            let (middle, half) = (f64::midpoint(self.low, self.high), (self.high - self.low) / 2.0 * factor);
            (self.low, self.high) = (middle - half, middle + half);
        }
    }

    /// The difference of the numbers at its ends.
    pub(super) fn length(&self) -> f64 {
        self.high - self.low
    }

    /// The place of a number, from 0 to 1 within the frame; none if it cannot be shown.
    pub(super) fn place(&self, value: f64) -> Option<f64> {
        Some((self.scale(value)? - self.low) / (self.high - self.low))
    }

    /// The places of 0, 1, 2 … with these names, of many every second, third …; without names, those of about `count` round
    /// numbers.
    pub(super) fn marks(&self, names: &[String], count: usize) -> Vec<(f64, String)> {
        if names.is_empty() {
            return self.ticks(count);
        }
        let place = |(i, name): (usize, &String)| Some((self.place(i as f64)?, name.clone()));
        let every = names.len().div_ceil(2 * count).max(1);
        names
            .iter()
            .enumerate()
            .step_by(every)
            .filter_map(place)
            .filter(|(at, _)| (0.0..=1.0).contains(at))
            .collect()
    }

    /// The places and names of about `count` round numbers.
    pub(super) fn ticks(&self, count: usize) -> Vec<(f64, String)> {
        let [low, high] = [self.low, self.high].map(|v| if self.log { 10_f64.powf(v) } else { v });
        let decades = round_step((self.high - self.low) / count as f64);
        let step = round_step((high - low) / count as f64).max(if self.whole { 1.0 } else { 0.0 });
        let (step, values): (f64, Vec<f64>) = if self.log && decades >= 1.0 {
            (0.0, multiples(self.low, self.high, decades).map(|power| 10_f64.powf(power)).collect())
        } else if self.log && self.high - self.low > 1.0 {
            let powers = self.low.floor() as i32..=self.high.floor() as i32;
            (0.0, powers.flat_map(|power| [1.0, 2.0, 5.0].map(|digit| digit * 10_f64.powi(power))).collect())
        } else {
            (step, multiples(low, high, step).collect())
        };
        let place =
            |value: f64| Some((self.place(value).filter(|at| (0.0..=1.0).contains(at))?, name(value, step)));
        values.into_iter().filter_map(place).collect()
    }

    fn scale(&self, value: f64) -> Option<f64> {
        let shown = value.abs() < LARGEST && (!self.log || value > 0.0);
        shown.then(|| if self.log { value.log10() } else { value })
    }
}

fn multiples(low: f64, high: f64, step: f64) -> impl Iterator<Item = f64> {
    let first = (low / step).ceil();
    (0..99).map(move |i| (first + f64::from(i)) * step).take_while(move |v| *v <= high)
}

/// The smallest of 1, 2 and 5 times a power of ten that is not smaller than `step`.
fn round_step(step: f64) -> f64 {
    let power = 10_f64.powf(step.log10().floor());
    power * [1.0, 2.0, 5.0].into_iter().find(|digit| digit * power >= step).unwrap_or(10.0)
}

/// A number as text, as short as it can be told from its neighbours `step` away (0: it has none), with a minus sign.
fn name(value: f64, step: f64) -> String {
    let (size, fine) = (value.abs().max(step), if step > 0.0 { step } else { value });
    let digits = (-fine.log10() - 1e-9).ceil().max(0.0) as usize;
    let text = if !(1e-4..1e6).contains(&size) {
        let text = format!(
            "{value:.*e}",
            ((size.log10() + 1e-9).floor() - (fine.log10() + 1e-9).floor()).max(0.0) as usize
        );
        if value == 0.0 { "0".to_owned() } else { text }
    } else {
        format!("{value:.digits$}")
    };
    text.replace('-', "−")
}
