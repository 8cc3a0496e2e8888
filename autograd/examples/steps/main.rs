//! A small computation watched on its tape: every value as it is computed, every adjoint as it arrives, what each operation sends
//! to which input, its local derivative, and beside it the finite difference. It writes `steps.html`, a page on which the tape
//! is stepped forwards and backwards.
//!
//!     cargo run --release -p autograd --example steps
//!     cargo run --release -p autograd --example steps -- --expression product --out out/steps-product

mod expressions;
mod flags;
mod page;

use std::error::Error;
use std::fs;
use std::io::{ErrorKind, Write};
use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

use autograd::Tape;
use autograd::look::Trace;

use flags::Flags;

fn main() -> ExitCode {
    let flags = match flags::parse() {
        Ok(Some(flags)) => flags,
        Ok(None) => {
            let _ = say(&flags::help());
            return ExitCode::SUCCESS;
        }
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "error: {error}\n\nFor more information, try '--help'.");
            return ExitCode::from(2);
        }
    };
    match run(&flags) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(flags: &Flags) -> Result<(), Box<dyn Error>> {
    let begin = Instant::now();
    let expression = flags.expression;
    let page = flags.out.join("steps.html");
    if flags.dry_run {
        let out = flags.out.display();
        let _ = writeln!(std::io::stderr(), "dry run: nothing is kept in {out}");
    } else if page.exists() && !flags.force {
        let page = page.display();
        return Err(
            format!("{page}: expected no such file, found one; choose another --out, or --force").into()
        );
    }

    let tape = Tape::new();
    let recorded = (expression.record)(&tape);
    let mut trace = tape.trace_with_differences(recorded.loss);
    for &(var, name) in &recorded.names {
        trace.rename(var, name);
    }

    let mut text = format!("{}: {}\n\n{trace}\n", expression.name, expression.about);
    // The same by the backward pass that training takes.
    let gradients = tape.backward(recorded.loss);
    let parameters = recorded.names.iter().filter(|(var, _)| trace.node(*var).operation == "parameter");
    for &(var, name) in parameters {
        text += &format!("tape.backward: ∂loss/∂{name} =\n");
        for line in gradients.wrt(var).chunks(3) {
            let numbers: Vec<String> = line.iter().map(|number| format!("{number:>23?}")).collect();
            text += &format!("{}\n", numbers.join(" "));
        }
    }

    let html = page::page(expression, &trace);
    if !flags.dry_run {
        write(&page, &html)?;
        text += &format!("\nStep through the tape in a browser: {}\n", page.display());
    }
    let (nodes, steps) = (trace.nodes.len(), trace.backward.len());
    let (difference, seconds) = (largest_difference(&trace), begin.elapsed().as_secs_f64());
    text += &format!("RESULT nodes={nodes} steps={steps} difference={difference:.1e} seconds={seconds:.3}\n");
    say(&text)
}

/// Writes the page aside first, so that there is never half of one.
fn write(page: &Path, html: &str) -> Result<(), Box<dyn Error>> {
    let aside = page.with_extension("html.new");
    let folder = page.parent().unwrap_or(Path::new("."));
    let written = fs::create_dir_all(folder).and_then(|()| fs::write(&aside, html));
    written.and_then(|()| fs::rename(&aside, page)).map_err(|error| {
        let _ = fs::remove_file(&aside); // the first error is the one to report
        format!("{}: cannot be written: {error}", page.display()).into()
    })
}

/// How far adjoints are from finite differences at most, relative to what is larger than 1, of those that are finite.
fn largest_difference(trace: &Trace<f64>) -> f64 {
    let pairs = trace.nodes.iter().filter_map(|node| node.adjoint.as_ref().zip(node.difference.as_ref()));
    let errors = pairs.flat_map(|(adjoint, difference)| {
        adjoint.iter().zip(difference).map(|(a, b)| (a - b).abs() / b.abs().max(1.0))
    });
    errors.filter(|error| error.is_finite()).fold(0.0, f64::max)
}

/// Prints; that nobody reads it any more is no error.
fn say(text: &str) -> Result<(), Box<dyn Error>> {
    match std::io::stdout().lock().write_all(text.as_bytes()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(format!("standard output: {error}").into())
        }
        _ => Ok(()),
    }
}
