//! What operations compute and what they send back, as text.

/// What an operation computes and what it sends back. In the texts `{0}`, `{1}`, … stand for the inputs, `{*}` for all of
/// them, `{y}` for the value, `{dy}` for its adjoint, and other names in braces for attributes.
pub(super) struct Formula {
    /// y
    pub(super) value: &'static str,
    /// What is added to x̄₀, x̄₁, …
    pub(super) rule: Rule,
}

pub(super) enum Rule {
    /// ∂y/∂xᵢ of every element, times ȳ
    Slopes(&'static [&'static str]),
    /// (∂y/∂xᵢ)ᵀ ȳ
    Adjoints(&'static [&'static str]),
}

/// The formula of an operation of this crate with so many inputs, as its documentation has it; `None` for any other. (One from outside
/// may have the name of one of this crate.)
pub(super) fn formula(operation: &str, inputs: usize) -> Option<Formula> {
    let formula = named(operation)?;
    let (Rule::Slopes(rules) | Rule::Adjoints(rules)) = formula.rule;
    // All inputs of a variable number of them have one rule.
    (rules.len() == inputs || operation == "concatenate").then_some(formula)
}

fn named(operation: &str) -> Option<Formula> {
    use Rule::{Adjoints, Slopes};
    let (value, rule) = match operation {
        "identity" => ("{0}", Slopes(&["1"])),
        "neg" => ("−{0}", Slopes(&["(−1)"])),
        "recip" => ("1 / {0}", Slopes(&["(−{y}²)"])),
        "square" => ("{0}²", Slopes(&["2 · {0}"])),
        "sqrt" => ("√{0}", Slopes(&["1 / (2 {y})"])),
        "abs" => ("|{0}|", Slopes(&["sign {0}"])),
        "powi" => ("{0}^{n}", Slopes(&["{n} · {0}^({n} − 1)"])),
        "scale" => ("{c} · {0}", Slopes(&["{c}"])),
        "shift" => ("{0} + {c}", Slopes(&["1"])),
        "exp" => ("exp {0}", Slopes(&["{y}"])),
        "exp_m1" => ("exp {0} − 1", Slopes(&["({y} + 1)"])),
        "ln" => ("ln {0}", Slopes(&["1 / {0}"])),
        "ln_1p" => ("ln(1 + {0})", Slopes(&["1 / (1 + {0})"])),
        "sin" => ("sin {0}", Slopes(&["cos {0}"])),
        "cos" => ("cos {0}", Slopes(&["(−sin {0})"])),
        "tanh" => ("tanh {0}", Slopes(&["(1 − {y}²)"])),
        "sigmoid" => ("σ({0})", Slopes(&["{y} · (1 − {y})"])),
        "log_sigmoid" => ("ln σ({0})", Slopes(&["(1 − exp {y})"])),
        "softplus" => ("ln(1 + exp {0})", Slopes(&["(1 − exp(−{y}))"])),
        "relu" => ("max({0}, 0)", Slopes(&["(1 if {0} > 0, else 0)"])),
        "leaky_relu" => ("({0} if {0} > 0, else {c} · {0})", Slopes(&["(1 if {0} > 0, else {c})"])),
        "elu" => ("({0} if {0} > 0, else exp {0} − 1)", Slopes(&["(1 if {0} > 0, else {y} + 1)"])),
        "gelu" => ("{0} · Φ({0})", Slopes(&["(Φ({0}) + {0} · φ({0}))"])),
        "silu" => ("{0} · σ({0})", Slopes(&["(σ({0}) + {y} · (1 − σ({0})))"])),
        "clamp" => ("min(max({0}, {low}), {high})", Slopes(&["(1 if {low} ≤ {0} ≤ {high}, else 0)"])),
        "powf" => ("{0}^{c}", Slopes(&["{c} · {0}^({c} − 1)"])),
        "erf" => ("erf {0}", Slopes(&["2/√π · exp(−{0}²)"])),
        "lgamma" => ("ln |Γ({0})|", Slopes(&["ψ({0})"])),
        "digamma" => ("ψ({0})", Slopes(&["ψ′({0})"])),

        "add" => ("{0} + {1}", Slopes(&["1", "1"])),
        "sub" => ("{0} − {1}", Slopes(&["1", "(−1)"])),
        "mul" => ("{0} · {1}", Slopes(&["{1}", "{0}"])),
        "div" => ("{0} / {1}", Slopes(&["1 / {1}", "(−{y} / {1})"])),
        "maximum" => ("max({0}, {1})", Slopes(&["(1 if {0} > {1}, else 0)", "(1 if {1} > {0}, else 0)"])),
        "minimum" => ("min({0}, {1})", Slopes(&["(1 if {0} < {1}, else 0)", "(1 if {1} < {0}, else 0)"])),
        "pow" => ("{0}^{1}", Slopes(&["{1} · {0}^({1} − 1)", "{y} · ln {0}"])),

        "matmul" => ("{0} {1}", Adjoints(&["{dy} {1}ᵀ", "{0}ᵀ {dy}"])),
        "matmul_t" => ("{0} {1}ᵀ", Adjoints(&["{dy} {1}", "{dy}ᵀ {0}"])),
        "t_matmul" => ("{0}ᵀ {1}", Adjoints(&["{1} {dy}ᵀ", "{0} {dy}"])),
        "dense" => (
            "{φ}({0} {1} + {2})",
            Adjoints(&["({φ}′ ⊙ {dy}) {1}ᵀ", "{0}ᵀ ({φ}′ ⊙ {dy})", "the column sums of {φ}′ ⊙ {dy}"]),
        ),
        "conv2d" => ("φ({1} ∗ {0} + {2})", CONVOLUTION),
        "conv_transpose2d" => ("φ({1}ᵀ ∗ {0} + {2})", CONVOLUTION),
        "upsample_nearest" => {
            ("every pixel of {0} as a square", Adjoints(&["the sums of {dy} over squares"]))
        }

        "sum" => ("Σ {0}", Adjoints(&["{dy} to every element"])),
        "mean" => ("mean {0}", Adjoints(&["{dy} / n to every one of n elements"])),
        "max" => ("max {0}", Adjoints(&["{dy} to the largest"])),
        "min" => ("min {0}", Adjoints(&["{dy} to the smallest"])),
        "cumsum" => ("running sums of {0}", Adjoints(&["running sums of {dy} from the end"])),
        "logsumexp" => ("ln Σ exp {0}", Adjoints(&["exp({0} − {y}) · {dy}"])),
        "softmax" => ("softmax {0}", Adjoints(&["{y} ⊙ ({dy} − Σ {y} ⊙ {dy})"])),
        "log_softmax" => ("{0} − ln Σ exp {0}", Adjoints(&["{dy} − exp {y} Σ {dy}"])),

        "transpose" => ("{0}ᵀ", Adjoints(&["{dy}ᵀ"])),
        "columns" => ("columns of {0}", Adjoints(&["{dy} to these columns"])),
        "concatenate" => ("({*}) in a row", Adjoints(&["its part of {dy}"])),
        "gather" => ("chosen rows of {0}", Adjoints(&["{dy} to these rows"])),
        "broadcast_to" => ("{0} repeated", Adjoints(&["{dy} summed over the repetitions"])),
        "diagonal" => ("diagonal of {0}", Adjoints(&["{dy} to the diagonal"])),
        "diagonal_matrix" => ("diag {0}", Adjoints(&["the diagonal of {dy}"])),
        "tril" => ("lower triangle of {0}", Adjoints(&["the lower triangle of {dy}"])),
        "select" => (
            "({1} where {0} > 0, else {2})",
            Adjoints(&["0", "{dy} where {0} > 0", "{dy} where not {0} > 0"]),
        ),

        "cholesky" => ("L with L Lᵀ = {0}", Adjoints(&["½ {y}⁻ᵀ P {y}⁻¹, P the triangle of {y}ᵀ {dy}"])),
        "solve_triangular" => (
            "X solved from L = {0}, B = {1}",
            Adjoints(&["the triangle of −G Xᵀ or −Xᵀ G", "G, {dy} solved with the transposed L"]),
        ),
        "multivariate_normal_log_prob" => (
            "log N({0}; 0, {1})",
            Adjoints(&["−{1}⁻¹ {0} · {dy}", "½ (α αᵀ − c {1}⁻¹) · {dy}, α = {1}⁻¹ {0}"]),
        ),
        "normal_log_prob" => (
            "log N({0}; {1}, exp(2 {2}))",
            Adjoints(&["−r/σ · {dy}, r = ({0} − {1})/σ", "r/σ · {dy}, r = ({0} − {1})/σ", "(r² − 1) · {dy}"]),
        ),
        "bernoulli_log_prob" => {
            ("Σ {0} · {1} − softplus {1}", Adjoints(&["{1} · {dy}", "({0} − σ({1})) · {dy}"]))
        }
        "diag_normal_log_prob" => (
            "log N({0}; μ, σ²), (μ | log σ) = {1}",
            Adjoints(&["−r/σ · {dy}, r = ({0} − μ)/σ", "(r/σ | r² − 1) · {dy}"]),
        ),
        "diag_normal_sample" => {
            ("μ + σ ⊙ {1}, (μ | log σ) = {0}", Adjoints(&["({dy} | σ ⊙ {1} ⊙ {dy})", "σ ⊙ {dy}"]))
        }
        "diag_normal_kl" => {
            ("KL({0} ‖ {1})", Adjoints(&["(d/σ | v − 1) · {dy}", "(−d/σ | 1 − v − d²) · {dy}"]))
        }
        "diag_normal_kl_to_standard" => ("KL({0} ‖ N(0, I))", Adjoints(&["(μ | σ² − 1) · {dy}"])),
        "bound_log_sigma" => ("(μ | c tanh(log σ / c)) of {0}", Adjoints(&["(1 | 1 − tanh²) ⊙ {dy}"])),
        _ => return None,
    };
    Some(Formula { value, rule })
}

/// X̄, W̄ and b̄ of a convolutional layer; see [`Conv2d`](crate::ops::Conv2d).
const CONVOLUTION: Rule = Rule::Adjoints(&[
    "the images of φ′ ⊙ {dy}, by {1}",
    "the windows of {0} times φ′ ⊙ {dy}",
    "the sums of φ′ ⊙ {dy} over places",
]);

/// The names in braces of a text of a [`Formula`].
pub(super) fn names(text: &str) -> impl Iterator<Item = &str> {
    text.split('{').skip(1).filter_map(|part| part.split_once('}')).map(|(name, _)| name)
}

/// A text of a [`Formula`], with each name in braces replaced.
pub(super) fn fill(text: &str, replace: impl Fn(&str) -> String) -> String {
    let mut filled = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('{') {
        let (name, after) = after.split_once('}').expect("braces come in pairs");
        filled += before;
        filled += &replace(name);
        rest = after;
    }
    filled + rest
}

/// A number to be read: at most four digits, a minus sign as long as a plus, ∞ and NaN.
pub fn short(x: f64) -> String {
    if x == 0.0 {
        return "0".to_owned();
    }
    if !x.is_finite() {
        return if x.is_nan() {
            "NaN"
        } else if x > 0.0 {
            "∞"
        } else {
            "−∞"
        }
        .to_owned();
    }
    let scientific = format!("{x:.3e}");
    let (mantissa, exponent) = scientific.split_once('e').expect("an exponent");
    let exponent: i32 = exponent.parse().expect("a whole number");
    let trimmed = |text: &str| match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text.to_owned(),
    };
    let text = match exponent {
        -4..6 => trimmed(&format!("{x:.*}", usize::try_from(3 - exponent).unwrap_or(0))),
        _ => format!("{}e{exponent}", trimmed(mantissa)),
    };
    text.replace('-', "−")
}
