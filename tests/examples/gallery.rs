//! One page of many runs: the first picture and the results of each, and links to their reports:
//!
//!     cargo run --release -p tests --example gallery -- out/*
//!
//! Folders without a report, such as those of runs that were stopped, are named and left out.

use std::path::PathBuf;

use anyhow::ensure;
use clap::Parser;
use nn::{errln, outln};

/// Makes one page of many runs
#[derive(Parser)]
struct Args {
    /// The folders of the runs
    #[arg(required = true)]
    runs: Vec<PathBuf>,
    /// Write the page to this file
    #[arg(long, value_name = "FILE", default_value = "gallery.html")]
    out: PathBuf,
}

fn main() -> anyhow::Result<()> {
    let Args { runs, out } = Args::parse();
    let (runs, others): (Vec<PathBuf>, Vec<PathBuf>) =
        runs.into_iter().partition(|run| run.join("index.html").is_file());
    for folder in others {
        errln!("note: there is no report in {}", folder.display());
    }
    ensure!(!runs.is_empty(), "expected the folders of runs that ended with a report, found none");
    nn::run::gallery(&out, &runs)?;
    outln!("{} runs are in {}", runs.len(), out.display());
    Ok(())
}
