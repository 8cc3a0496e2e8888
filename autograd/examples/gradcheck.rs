//! The derivatives of all operations against finite differences, as a table:
//!
//!     cargo run --release -p autograd --example gradcheck
//!     cargo run --release -p autograd --example gradcheck -- softmax dense
//!
//! Names choose operations, by any part of theirs. If a derivative is wrong, or cannot be told by differences, or if the check would
//! not notice a wrong one, the row says so, and the exit code is 1. `cargo test -p autograd --test gradients` checks the same.

use std::io::Write;
use std::process::ExitCode;
use std::time::Instant;

use autograd::check::{Agreement, Checks, Operation, ScalarErrors, Visitor, catalogue};

const HELP: &str = "\
Compares the derivatives of all operations with finite differences

Usage: gradcheck [NAME]...

Arguments:
  [NAME]...  Operations whose names contain one of these; without any, all

Options:
  -h, --help  Print help
";

const LEGEND: &str = "\
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

fn main() -> ExitCode {
    let mut names = Vec::new();
    for argument in std::env::args_os().skip(1) {
        match argument.to_string_lossy().into_owned() {
            help if ["-h", "--help"].contains(&&*help) => {
                say(HELP.trim_end());
                return ExitCode::SUCCESS;
            }
            flag if flag.starts_with('-') => {
                eprintln!("error: expected names of operations or --help, found {flag}");
                return ExitCode::from(2);
            }
            name => names.push((name, false)),
        }
    }

    let start = Instant::now();
    let mut table = Table { names, ..Table::default() };
    catalogue(&mut table);
    let unknown: Vec<&str> =
        table.names.iter().filter(|(_, is_found)| !is_found).map(|(name, _)| &**name).collect();
    if !unknown.is_empty() {
        eprintln!(
            "error: expected a part of an operation's name, found {}; without names all are shown",
            unknown.join(" ")
        );
        return ExitCode::from(2);
    }
    say(&format!("\n{LEGEND}"));
    table.failures.iter().for_each(|failure| say(failure));
    let Table { operations, derivatives, largest, failures, .. } = table;
    let seconds = start.elapsed().as_secs_f64();
    say(&format!(
        "RESULT operations={operations} failed={} derivatives={derivatives} largest_error={largest:.1e} seconds={seconds:.2}",
        failures.len()
    ));
    if failures.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// A visitor of the catalogue that checks what it sees and prints a row about it.
#[derive(Default)]
struct Table {
    /// What the names of operations must contain, and whether one does.
    names: Vec<(String, bool)>,
    operations: usize,
    derivatives: usize,
    /// The largest error of all.
    largest: f64,
    failures: Vec<String>,
}

impl Visitor for Table {
    fn visit<O: Operation>(&mut self) {
        self.operation(Checks::of::<O>());
    }
}

impl Table {
    /// Checks an operation and prints its line, if it is asked for.
    fn operation(&mut self, checks: Checks) {
        let name = short(checks.name);
        let mut is_chosen = self.names.is_empty();
        for (part, is_found) in &mut self.names {
            let is_part = name.to_lowercase().contains(&part.to_lowercase());
            *is_found |= is_part;
            is_chosen |= is_part;
        }
        if !is_chosen {
            return;
        }
        if self.operations == 0 {
            say(&row("operation", ["cases", "derivs", "error", "bar", "seen", "f32", "dual", "tangent"]));
        }
        self.operations += 1;

        let dash = || "-".to_owned();
        let differences = match (checks.derivatives)() {
            Ok(Agreement { cases, inputs, derivatives, distance, error }) => {
                let blind = (checks.undetected)(1.001);
                for (case, input) in &blind {
                    self.failures
                        .push(format!("{name}: case {case}, input {input}: a wrong adjoint goes unnoticed"));
                }
                self.derivatives += derivatives;
                self.largest = self.largest.max(distance);
                let seen = format!("{}/{inputs}", inputs - blind.len());
                [cases.to_string(), derivatives.to_string(), digit(distance), digit(error), seen]
            }
            Err(mismatch) => {
                let verdict = if mismatch.doubt.is_some() { "UNRESOLVED" } else { "WRONG" };
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
        say(&row(&name, [cases, derivatives, error, bar, seen, single, dual, tangent]));
    }
}

/// A line of the table, of at most 80 characters.
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

/// Prints a line. Nobody is there to be told if the output is closed.
fn say(line: &str) {
    let _ = writeln!(std::io::stdout(), "{line}");
}
