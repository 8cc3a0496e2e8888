//! Rows whose variables differ in kind: numbers, categories, counts side by side.

use std::ops::Range;

use autograd::{Real, Var};
use nn::model::density::{Bernoulli, Categorical, Normal};
use serde::{Deserialize, Serialize};

use crate::likelihood::{LOG_RATE_BOUND, bounded, unflat};
use crate::posterior::LOG_SIGMA_BOUND;
use crate::{Observation, VaeError};

/// A variable of [`Likelihood::Mixed`](crate::Likelihood::Mixed): its density given z, and the numbers of a row that it takes.
///
/// With y(z), what the decoder computes for these numbers, and σ and r, which are learned and begin at 1,
///
/// | | | p(x\|z) | the encoder sees |
/// | --- | --- | --- | --- |
/// | `Normal` | a real number | N(x; y, σ²) | x |
/// | `LogNormal` | a positive number | N(ln x; c + s y, s² σ²) / x | (ln x − c) / s |
/// | `YesNo` | 0 or 1 | e^(x y) / (1 + e^y) | 2 x − 1 |
/// | `Category` | one-hot numbers | Πₖ softmax(y)ₖ^xₖ | x |
/// | `Count` | 0, 1, 2 … | negative binomial, mean e^(c + s y), dispersion r | (ln(1 + x) − c) / s |
///
/// (Nazábal, Olmos, Ghahramani & Valera 2020, "Handling incomplete heterogeneous data using VAEs", section 2.2; there counts are Poisson
/// variables.) c and s are `center` and `spread`: given the mean and the standard deviation of ln x or of ln(1 + x), what the encoder
/// sees and the decoder computes is of the size of 1, whatever the unit of x. Of a missing variable the encoder sees 0.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Variable {
    /// A real number, in units in which its mean is about 0 and its standard deviation about 1.
    Normal,
    /// A positive number whose logarithm is normal.
    LogNormal {
        /// c
        center: f64,
        /// s
        spread: f64,
    },
    /// 0 or 1.
    YesNo,
    /// One of several classes: 1 in the place of the class, 0 elsewhere.
    Category {
        /// The number of classes.
        classes: usize,
    },
    /// A count.
    Count {
        /// c
        center: f64,
        /// s
        spread: f64,
    },
}

impl Variable {
    /// The numbers of a row that the variable takes.
    pub fn width(self) -> usize {
        if let Self::Category { classes } = self { classes } else { 1 }
    }

    /// Whether a parameter of its density is learned that does not depend on z: σ or r.
    fn has_scale(self) -> bool {
        matches!(self, Self::Normal | Self::LogNormal { .. } | Self::Count { .. })
    }

    /// c and s.
    fn affine(self) -> (f64, f64) {
        match self {
            Self::LogNormal { center, spread } | Self::Count { center, spread } => (center, spread),
            _ => (0.0, 1.0),
        }
    }

    /// What stands in a row for a missing number: the encoder sees it as 0.
    fn neutral(self) -> f64 {
        match self {
            Self::Normal | Self::Category { .. } => 0.0,
            Self::YesNo => 0.5,
            Self::LogNormal { center, .. } => center.exp(),
            Self::Count { center, .. } => center.exp_m1(),
        }
    }

    /// Whether a density of two variables can be computed in one array.
    fn joins(self, other: Self) -> bool {
        match (self, other) {
            (Self::Category { classes }, Self::Category { classes: others }) => classes == others,
            _ => std::mem::discriminant(&self) == std::mem::discriminant(&other),
        }
    }
}

/// Whether there is a density of rows of `inputs` numbers in these variables.
pub(crate) fn validate(variables: &[Variable], inputs: usize) -> Result<(), VaeError> {
    for (number, variable) in variables.iter().enumerate() {
        let (center, spread) = variable.affine();
        // Beyond it, e^c and what is near are no numbers of single precision.
        const LARGEST: f64 = 80.0;
        // ln(1 + x) of counts is not negative, nor is its mean.
        let least = if matches!(variable, Variable::Count { .. }) { 0.0 } else { -LARGEST };
        let centred = (least..=LARGEST).contains(&center);
        let sound = centred && spread > 0.0 && spread <= LARGEST && variable.width() > 0;
        if !sound {
            return Err(VaeError::Variable { number, variable: *variable });
        }
    }
    let width = variables.iter().try_fold(0usize, |sum, variable| sum.checked_add(variable.width()));
    match width == Some(inputs) {
        true => Ok(()),
        false => Err(VaeError::Variables { width: width.unwrap_or(usize::MAX), inputs }),
    }
}

/// How many parameters of densities do not depend on z.
pub(crate) fn scales(variables: &[Variable]) -> usize {
    variables.iter().filter(|variable| variable.has_scale()).count()
}

/// For each of these parameters the number in a row of its variable, if it is a σ.
pub(crate) fn scale_columns(variables: &[Variable]) -> impl Iterator<Item = Option<usize>> {
    let firsts = variables.iter().scan(0, |at, variable| {
        let first = *at;
        *at += variable.width();
        Some((variable, first))
    });
    let firsts = firsts.filter(|(variable, _)| variable.has_scale());
    firsts.map(|(variable, first)| (!matches!(variable, Variable::Count { .. })).then_some(first))
}

/// Neighbouring variables whose densities are computed in one array.
struct Run<'v> {
    variables: &'v [Variable],
    /// Their numbers in a row.
    columns: Range<usize>,
    /// Their parameters among those that do not depend on z.
    scales: Range<usize>,
}

fn runs(variables: &[Variable]) -> impl Iterator<Item = Run<'_>> {
    let (mut column, mut scale) = (0, 0);
    variables.chunk_by(|a, b| a.joins(*b)).map(move |variables| {
        let (columns, scales) = (column, scale);
        column += variables.iter().map(|variable| variable.width()).sum::<usize>();
        scale += self::scales(variables);
        Run { variables, columns: columns..column, scales: scales..scale }
    })
}

impl Run<'_> {
    fn kind(&self) -> Variable {
        self.variables[0]
    }

    /// Row vectors of c and s.
    fn affine<'t, F: Real>(&self, like: Var<'t, F>) -> [Var<'t, F>; 2] {
        let (c, s): (Vec<F>, Vec<F>) =
            self.variables.iter().map(|v| v.affine()).map(|(c, s)| (F::from_f64(c), F::from_f64(s))).unzip();
        [c, s].map(|numbers| like.tape().constant(&numbers, [numbers.len()]))
    }
}

/// p(x|z) for rows y (…, D) that the decoder computed, and the unbounded ln σ and ln r of the variables that have them.
#[track_caller]
#[inline(never)]
pub(crate) fn at<'t, F: Real>(
    variables: &[Variable],
    y: Var<'t, F>,
    scale: Option<Var<'t, F>>,
) -> Observation<'t, F> {
    let part = |run: Run<'_>| {
        let y = y.columns(run.columns.clone());
        let scale = || {
            let scale = scale.expect("the model has this slot").columns(run.scales.clone());
            bounded(scale, LOG_SIGMA_BOUND)
        };
        let p = match run.kind() {
            Variable::Normal => Observation::Normal(Normal { mu: y, log_sigma: scale() }),
            Variable::LogNormal { .. } => {
                let [center, spread] = run.affine(y);
                Observation::LogNormal(Normal { mu: center + spread * y, log_sigma: spread.ln() + scale() })
            }
            Variable::YesNo => Observation::Bernoulli(Bernoulli { logits: y }),
            Variable::Category { classes } => {
                Observation::Categorical(Categorical { logits: unflat(y, classes) })
            }
            Variable::Count { .. } => {
                let [center, spread] = run.affine(y);
                let log_mean = bounded(center + spread * y, LOG_RATE_BOUND);
                Observation::NegativeBinomial { log_mean, log_dispersion: scale() }
            }
        };
        (run.columns, p)
    };
    Observation::Mixed(runs(variables).map(part).collect())
}

/// What the encoder sees of rows x (…, D).
#[track_caller]
#[inline(never)]
pub(crate) fn seen<'t, F: Real>(variables: &[Variable], x: Var<'t, F>) -> Var<'t, F> {
    let of = |run: Run<'_>| {
        let x = x.columns(run.columns.clone());
        let scaled = |x: Var<'t, F>| {
            let [center, spread] = run.affine(x);
            (x - center) / spread
        };
        match run.kind() {
            Variable::Normal | Variable::Category { .. } => x,
            Variable::YesNo => x * F::from_f64(2.0) - F::ONE,
            Variable::LogNormal { .. } => scaled(x.ln()),
            Variable::Count { .. } => scaled(x.ln_1p()),
        }
    };
    Var::concatenate(&runs(variables).map(of).collect::<Vec<_>>(), x.shape().rank() - 1)
}

/// The variables of a row: the number of its numbers, and what stands in their place if one is missing.
pub(crate) fn groups<F: Real>(variables: &[Variable]) -> impl Iterator<Item = (usize, F)> {
    variables.iter().map(|variable| (variable.width(), F::from_f64(variable.neutral())))
}
