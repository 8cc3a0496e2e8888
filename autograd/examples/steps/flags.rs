//! The flags of the program.

use std::path::PathBuf;

use lexopt::{Arg, Parser, ValueExt};

use crate::expressions::{EXPRESSIONS, Expression};

/// What to show, and where to put the page.
pub(crate) struct Flags {
    pub(crate) expression: &'static Expression,
    pub(crate) out: PathBuf,
    pub(crate) dry_run: bool,
    pub(crate) force: bool,
}

/// The text of `--help`.
pub(crate) fn help() -> String {
    let mut text = "Steps through the tape of a small computation, in the terminal and on a page

Usage: steps [OPTIONS]

Options:
      --expression <NAME>  Which computation [default: network]
      --out <DIR>          Put the page, steps.html, into this folder [default: out/autograd-steps]
      --dry-run            Compute all, and keep nothing
      --force              Write over an earlier page
  -h, --help               Print help

Expressions:
"
    .to_owned();
    for Expression { name, about, .. } in EXPRESSIONS {
        text += &format!("  {name:<12}{about}\n");
    }
    text
}

/// The flags, or none if help was asked for.
pub(crate) fn parse() -> Result<Option<Flags>, lexopt::Error> {
    let (out, expression) = ("out/autograd-steps".into(), &EXPRESSIONS[0]);
    let mut flags = Flags { expression, out, dry_run: false, force: false };
    let mut parser = Parser::from_env();
    while let Some(arg) = parser.next()? {
        match arg {
            Arg::Long("expression") => {
                let name = parser.value()?.string()?;
                let found = EXPRESSIONS.iter().find(|expression| expression.name == name);
                flags.expression = found.ok_or_else(|| {
                    let names: Vec<&str> = EXPRESSIONS.iter().map(|expression| expression.name).collect();
                    format!("--expression: expected one of {}, found {name:?}", names.join(", "))
                })?;
            }
            Arg::Long("out") => flags.out = parser.value()?.into(),
            Arg::Long("dry-run") => flags.dry_run = true,
            Arg::Long("force") => flags.force = true,
            Arg::Short('h') | Arg::Long("help") => return Ok(None),
            other => return Err(other.unexpected()),
        }
    }
    Ok(Some(flags))
}
