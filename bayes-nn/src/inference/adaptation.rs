//! What the warm-up of Hamiltonian Monte Carlo finds: a step size and a mass matrix.

/// log ε moves against the average shortfall of the acceptance probability from its aim (Hoffman & Gelman 2014, equation 6).
pub(super) struct DualAveraging {
    mu: f64,
    shortfall: f64,
    log_step: f64,
    log_average: f64,
    count: f64,
}

impl DualAveraging {
    pub(super) fn new(step: f64) -> Self {
        Self {
            mu: (10.0 * step).ln(),
            shortfall: 0.0,
            log_step: step.ln(),
            log_average: step.ln(),
            count: 0.0,
        }
    }

    /// Takes aim − acceptance of an iteration and returns the ε of the next one.
    pub(super) fn update(&mut self, shortfall: f64) -> f64 {
        const GAMMA: f64 = 0.05;
        const T0: f64 = 10.0;
        const KAPPA: f64 = 0.75;
        self.count += 1.0;
        let weight = 1.0 / (self.count + T0);
        self.shortfall = (1.0 - weight) * self.shortfall + weight * shortfall;
        self.log_step = self.mu - self.count.sqrt() / GAMMA * self.shortfall;
        let weight = self.count.powf(-KAPPA);
        self.log_average = weight * self.log_step + (1.0 - weight) * self.log_average;
        self.log_step.exp()
    }

    /// The average ε, in which late iterations weigh more: what is used after the warm-up.
    pub(super) fn average(&self) -> f64 {
        self.log_average.exp()
    }
}

/// Running means and sums of squares (Welford 1962).
pub(super) struct Moments {
    count: f64,
    mean: Vec<f64>,
    squares: Vec<f64>,
}

impl Moments {
    pub(super) fn new(d: usize) -> Self {
        Self { count: 0.0, mean: vec![0.0; d], squares: vec![0.0; d] }
    }

    pub(super) fn add(&mut self, x: &[f64]) {
        self.count += 1.0;
        for ((mean, squares), x) in self.mean.iter_mut().zip(&mut self.squares).zip(x) {
            let change = x - *mean;
            *mean += change / self.count;
            *squares += change * (x - *mean);
        }
    }

    /// The variances, shrunk a little towards 10⁻³ as in Stan, since they come from few draws. The moments are empty
    /// afterwards.
    pub(super) fn take_variances(&mut self) -> Vec<f64> {
        let Self { count: n, squares, .. } = std::mem::replace(self, Self::new(self.mean.len()));
        let variance = |squares: &f64| n / (n + 5.0) * squares / (n - 1.0).max(1.0) + 1e-3 * 5.0 / (n + 5.0);
        squares.iter().map(variance).collect()
    }
}

/// The iterations of a warm-up at which the windows begin in which variances are estimated, and at the end the iteration at
/// which the last window ends (Stan Reference Manual, "Automatic parameter tuning"). Before the first window and behind the
/// last one only ε is adapted. Each window is twice as long as the one before. A warm-up of fewer than 20 iterations has no
/// window.
pub(super) fn windows(warmup: usize) -> Vec<usize> {
    if warmup < 20 {
        return vec![warmup];
    }
    let (first, last) = if warmup < 150 { (15 * warmup / 100, warmup / 10) } else { (75, 50) };
    let (end, mut length, mut at) = (warmup - last, 25.min(warmup - first - last), first);
    let mut starts = vec![at];
    loop {
        // A window that would leave no room for one twice as long takes all that is left.
        if at + length + 2 * length > end {
            starts.push(end);
            return starts;
        }
        at += length;
        length *= 2;
        starts.push(at);
    }
}

#[cfg(test)]
mod tests {
    use super::windows;

    #[test]
    fn windows_grow_and_end_before_the_last_iterations() {
        assert_eq!(windows(1000), [75, 100, 150, 250, 450, 950]);
        assert_eq!(windows(10), [10]);
        for warmup in 20..400 {
            let windows = windows(warmup);
            assert!(windows.is_sorted_by(|a, b| a < b) && windows[windows.len() - 1] < warmup, "{warmup}");
        }
    }
}
