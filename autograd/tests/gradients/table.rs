//! What the checks of all operations found, a row for each.

use std::time::Instant;

use autograd::check::{Agreement, Checks, ScalarErrors};

/// The most characters of a line.
const COLUMNS: usize = 80;

const LEGEND: &str = "
cases    how many were checked; WRONG if one disagrees, or ? if differences
         cannot tell
derivs   derivatives that were compared, over all cases
error    largest distance between an adjoint and the differences of the value
bar      largest error bar of the differences
seen     inputs where the check noticed an adjoint that is wrong by a thousandth
f32      values and adjoints in single precision, from those in double precision
dual     the same of dual numbers
tangent  tangents of dual numbers, from differences
error and bar are parts of the input's largest derivative; the last three are
parts of 1 + the number itself.
";

/// Checks operations and prints a row about each. Tests hold back what is printed, but for `--nocapture`.
pub(crate) struct Table {
    start: Instant,
    operations: usize,
    derivatives: usize,
    /// The largest error of all.
    largest: f64,
    /// What is wrong, one text for each.
    pub(crate) failures: Vec<String>,
}

impl Table {
    /// Prints the heading.
    pub(crate) fn begin() -> Self {
        println!(
            "{}",
            row("operation", ["cases", "derivs", "error", "bar", "seen", "f32", "dual", "tangent"])
        );
        Self { start: Instant::now(), operations: 0, derivatives: 0, largest: 0.0, failures: Vec::new() }
    }

    /// Checks an operation and prints its line.
    pub(crate) fn add(&mut self, checks: &Checks) {
        let name = short(checks.name);
        self.operations += 1;
        let dash = || "-".to_owned();
        let differences = match (checks.derivatives)() {
            Ok(Agreement { cases, inputs, derivatives, distance, error }) => {
                let blind = (checks.undetected)(1.001);
                for (case, input) in &blind {
                    self.failures
                        .push(format!("{name}: case {case}, input {input}: a wrong adjoint goes unnoticed"));
                }
                if cases == 0 || derivatives == 0 {
                    self.failures.push(format!("{name}: no cases"));
                }
                self.derivatives += derivatives;
                self.largest = self.largest.max(distance);
                let seen = format!("{}/{inputs}", inputs - blind.len());
                [cases.to_string(), derivatives.to_string(), digit(distance), digit(error), seen]
            }
            Err(mismatch) => {
                let verdict = if mismatch.doubt.is_some() { "?" } else { "WRONG" };
                self.failures.push(format!("{name}: {mismatch}"));
                [verdict.to_owned(), dash(), dash(), dash(), dash()]
            }
        };
        let scalars = match (checks.scalars)() {
            Ok(ScalarErrors { single, dual, tangent }) => [single, dual, tangent].map(digit),
            Err(mismatch) => {
                self.failures.push(format!("{name}: {mismatch}"));
                ["WRONG".to_owned(), dash(), dash()]
            }
        };
        let [cases, derivatives, error, bar, seen] = &differences;
        let [single, dual, tangent] = &scalars;
        let line = row(&name, [cases, derivatives, error, bar, seen, single, dual, tangent]);
        println!("{line}");
        if line.chars().count() > COLUMNS {
            self.failures.push(format!("{name}: a line of more than {COLUMNS} characters"));
        }
    }

    /// Explains the columns and prints what all operations have together.
    pub(crate) fn finish(&self) {
        let Self { start, operations, derivatives, largest, failures } = self;
        println!(
            "{LEGEND}\n{operations} operations, {derivatives} derivatives, largest error {largest:.1e}, {} failures, {:.2} seconds",
            failures.len(),
            start.elapsed().as_secs_f64()
        );
    }
}

/// A line of the table.
fn row(name: &str, cells: [&str; 8]) -> String {
    let [cases, derivatives, error, bar, seen, single, dual, tangent] = cells;
    format!(
        "{name:<26} {cases:>5} {derivatives:>6} {error:>6} {bar:>6} {seen:>5} {single:>5} {dual:>6} {tangent:>7}"
    )
}

/// A number to one digit.
fn digit(x: f64) -> String {
    if x == 0.0 { "0".to_owned() } else { format!("{x:.0e}") }
}

/// `Map<Exp>` for `autograd::ops::primitive::elementwise::Map<autograd::ops::primitive::elementwise::Exp>`.
fn short(name: &str) -> String {
    let parts = name.split_inclusive(['<', '>', ',', ' ']);
    parts.map(|part| part.rsplit("::").next().unwrap_or(part)).collect::<String>().replace("<f64>", "")
}
