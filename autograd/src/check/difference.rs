//! Derivatives by differences of the value, with an error bar.

/// The first step is this part of the argument's size: most functions are smooth so far, and after two halvings the error of the
/// extrapolation is of order h⁶.
const FIRST: f64 = 1.0 / 256.0;
/// It is longer, up to this part, where rounding would hide the derivative otherwise.
const LONGEST: f64 = 1.0 / 8.0;
/// Steps are halved fifteen times at most, to 10⁻⁷ of the argument's size, where rounding leaves no eight digits.
const LEVELS: usize = 16;
/// Columns of the table beyond the fourth extrapolate below rounding, and keep a kink in memory that smaller steps do not see.
const COLUMNS: usize = 4;
/// Steps are halved until the error bar is this part of the derivative, a fiftieth of what a check asks for.
const AIM: f64 = 1e-9;

/// A derivative by differences of the value, and how far it may be off.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Difference {
    /// The estimate of f'(x). NaN where no difference of f is finite.
    pub value: f64,
    /// Its error bar, in the unit of the derivative. At a kink it reaches from the left-hand derivative to the right-hand one. Infinite
    /// where f is not finite.
    pub error: f64,
    /// What rounding of f alone adds to the error bar.
    pub rounding: f64,
    /// By how much the right-hand derivative exceeds the left-hand one; 0 where that cannot be told from 0.
    pub jump: f64,
    /// The largest |f| that was seen over the size of x: a derivative far below this is 0 for all that double precision can say.
    pub(super) slope: f64,
}

/// The derivative f'(x) by Ridders' extrapolation (Ridders 1982, "Accurate computation of F'(x) and F'(x) F''(x)"; Numerical
/// Recipes, section 5.7).
///
/// The central differences D(h) = (f(x + h) − f(x − h)) / 2h have an error of c₂ h² + c₄ h⁴ + …. Those of h, h/2, h/4, … are
/// combined so that one power after the other vanishes; how much the last combination changed is the error bar. Smaller steps see
/// less of the function's curvature and more of its rounding and noise: the changes are followed over all steps, and the step with
/// the smallest bar is taken. Most functions take 7 evaluations, none takes more than 33.
///
/// The change is doubled, rounding is added, and noise that smaller steps reveal is carried to the larger ones. So the bar holds the
/// true error of 997 among 1,000 random compositions of smooth functions.
///
/// The first step is the greatest power of two up to |x| / 256, or 0.1 / 256 near 0. A kink closer than
/// 10⁻⁷ |x| cannot be passed, and is reported as a [jump](Difference::jump): (f(x + h) − 2 f(x) + f(x − h)) / h goes to
/// f'(x+) − f'(x−), which is 0 only if there is no kink.
///
/// ```
/// use autograd::check::difference;
///
/// let slope = difference(1.0, f64::exp);
/// assert!((slope.value - 1f64.exp()).abs() <= slope.error && slope.error < 1e-9);
///
/// let kink = difference(0.0, f64::abs);
/// assert_eq!((kink.value, kink.jump), (0.0, 2.0)); // −1 on the left, 1 on the right
/// assert!(kink.error >= 1.0);
/// ```
pub fn difference(x: f64, mut f: impl FnMut(f64) -> f64) -> Difference {
    differences(x, size(x), &[0.0], &mut |x| vec![f(x)])[0]
}

/// The size of a number, which steps are measured by.
pub(super) fn size(x: f64) -> f64 {
    x.abs().max(0.1)
}

/// The derivatives of several functions at once at x, which is of this size, and to what scale each is needed: its error bar shall be
/// small beside that or beside the derivative.
pub(super) fn differences(
    x: f64,
    size: f64,
    scales: &[f64],
    f: &mut dyn FnMut(f64) -> Vec<f64>,
) -> Vec<Difference> {
    let center = f(x);
    let magnitude = center.iter().filter(|y| y.is_finite()).fold(0.0, |most: f64, y| most.max(y.abs()));
    let scale = scales.iter().fold(0.0, |most: f64, &scale| most.max(scale)).min(f64::MAX);
    // With this step a rounding of several units in the last place is small beside the scale, after two halvings.
    let quiet = 64.0 * f64::EPSILON * magnitude / (AIM * scale);
    let first = if scale > 0.0 { quiet.clamp(FIRST * size, LONGEST * size) } else { FIRST * size };
    // With powers of two x + h is exact, but where it has one digit more than x.
    let mut h = first.log2().floor().exp2();
    let mut tables: Vec<Table> = center.into_iter().map(|center| Table::new(center, size)).collect();
    for level in 0..LEVELS {
        let (left, right) = (f(x - h), f(x + h));
        for (table, (&left, &right)) in tables.iter_mut().zip(left.iter().zip(&right)) {
            table.add(h, left, right);
        }
        if level > 1 && tables.iter().zip(scales).all(|(table, &scale)| table.is_settled(h, scale)) {
            break;
        }
        h /= 2.0;
    }
    tables.iter().map(Table::difference).collect()
}

/// What is known of a function from its values at x, x ± h, x ± h/2, ….
struct Table {
    /// f(x)
    center: f64,
    /// The size of x.
    size: f64,
    /// The largest finite |f|.
    magnitude: f64,
    /// The limit of (f(x + h) − f(x − h)) / 2h, which is even in h.
    slope: Limit,
    /// The limit of (f(x + h) − 2 f(x) + f(x − h)) / h, which is odd in h.
    jump: Limit,
}

impl Table {
    fn new(center: f64, size: f64) -> Self {
        Self { center, size, magnitude: center.abs(), slope: Limit::new(2), jump: Limit::new(1) }
    }

    fn add(&mut self, h: f64, left: f64, right: f64) {
        let finite = [left, right].into_iter().filter(|y| y.is_finite());
        self.magnitude = finite.fold(self.magnitude, |most, y| most.max(y.abs()));
        let rounding = self.rounding(h);
        self.slope.add((right - left) / (2.0 * h), rounding);
        self.jump.add((right - 2.0 * self.center + left) / h, 4.0 * rounding);
    }

    /// What rounding adds to a difference of step h: two units in the last place of f, and of x, which moves f by its slope.
    fn rounding(&self, h: f64) -> f64 {
        let slope = if self.slope.value.is_finite() { self.slope.value.abs() } else { 0.0 };
        2.0 * f64::EPSILON * (self.magnitude + self.size * slope) / h
    }

    /// Whether smaller steps than h are not needed, or cannot gain anything.
    fn is_settled(&self, h: f64, scale: f64) -> bool {
        let enough = (AIM * scale.max(self.slope.value.abs())).max(4.0 * self.rounding(h));
        self.slope.error <= enough
    }

    fn difference(&self) -> Difference {
        let Limit { value, error, rounding, .. } = self.slope;
        let is_kink = self.jump.value.abs() > self.jump.error;
        let (jump, half) = match is_kink {
            true => (self.jump.value, 0.5 * (self.jump.value.abs() + self.jump.error)),
            false => (0.0, 0.0),
        };
        let error = if self.center.is_finite() { error + half } else { f64::INFINITY };
        Difference { value, error, rounding, jump, slope: self.magnitude / self.size }
    }
}

/// The limit of a function of h for h → 0, by Neville's algorithm from h, h/2, h/4, ….
struct Limit {
    /// The power of h in the first error term; those of the next are higher by 2 each.
    power: i32,
    /// The last row of the table: extrapolations through one value, two, three, …, of which the last is at the smallest h.
    row: Vec<f64>,
    /// For each step the extrapolation through most values, its error bar, and what rounding adds to that.
    estimates: Vec<[f64; 3]>,
    /// The best estimate, with its error bar, and what rounding adds to that.
    value: f64,
    error: f64,
    rounding: f64,
}

impl Limit {
    fn new(power: i32) -> Self {
        Self { power, row: vec![], estimates: vec![], value: f64::NAN, error: f64::INFINITY, rounding: 0.0 }
    }

    fn add(&mut self, quotient: f64, rounding: f64) {
        let (mut row, mut change) = (vec![quotient], f64::NAN);
        for (j, &coarser) in self.row.iter().take(COLUMNS - 1).enumerate() {
            let finer = row[j];
            let value = finer + (finer - coarser) / (2f64.powi(self.power + 2 * j as i32) - 1.0);
            change = (value - finer).abs().max((value - coarser).abs());
            row.push(value);
        }
        let error = 2.0 * change + rounding;
        let error = if error.is_finite() { error } else { f64::INFINITY };
        self.estimates.push([row[row.len() - 1], error, rounding]);
        self.row = row;
        self.choose();
    }

    /// Takes the estimate with the smallest error bar. Noise doubles with each halving of h, so what the bars of smaller steps say of
    /// it holds for larger ones, by half for each: otherwise two estimates that agree by chance would be believed. The last step has
    /// nothing that confirms it, and is not taken unless there are only three.
    fn choose(&mut self) {
        let last = self.estimates.len() - 1;
        let mut noise: f64 = 0.0;
        self.error = f64::INFINITY;
        for (i, &[value, error, rounding]) in self.estimates.iter().enumerate().skip(2).rev() {
            noise = error.max(0.5 * noise);
            if noise < self.error && (i < last || last == 2) {
                (self.value, self.error, self.rounding) = (value, noise, rounding);
            }
        }
    }
}
