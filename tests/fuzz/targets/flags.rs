//! Flags, and the files of a run that goes on: `args.json` and `metrics.csv`.
//!
//! An input is flags, `args.json` and `metrics.csv` with a byte 0 between them.
#![no_main]

use std::fs;
use std::path::PathBuf;
use std::sync::OnceLock;

use clap::Parser;
use fuzz::{bounded, seeds};
use libfuzzer_sys::fuzz_target;
use nn::run::{Activation, Defaults, RunArgs, RunFolder, one_line, parse, positive, share, whole};

/// An example's flags.
#[derive(Debug, Parser, serde::Serialize)]
struct Args {
    #[command(flatten)]
    #[serde(flatten)]
    run: RunArgs,
    #[arg(long, default_value_t = 2, value_parser = whole)]
    latent: usize,
    #[arg(long, default_value = "relu")]
    phi: Activation,
    #[arg(long, default_value_t = 0.5, value_parser = share)]
    hide: f64,
    #[arg(long, default_value_t = 1.0, value_parser = positive)]
    sigma: f64,
}

const DEFAULTS: Defaults = Defaults { out: "out/nn-example", epochs: 40, batch_size: 64, lr: 1e-3 };

fn folder() -> &'static PathBuf {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(fuzz::folder)
}

fuzz_target!(
    init: {
        let args: Args = parse(DEFAULTS, ["example"]).expect("the defaults");
        let args = serde_json_of(&args);
        let metrics = "epoch,loss,kl\n1,0.5,NaN\n2,0.25,1\n3,0.2";
        let input = |flags: &str, args: &str, metrics: &str| [flags, args, metrics].join("\0");
        seeds("flags", [
            input("", &args, metrics),
            input("--epochs 3 --batch-size 7 --lr 0.5 --seed 9 --latent 5 --resume", &args, metrics),
            input("--phi leaky-relu --hide 0.1 --sigma=1e-3 --threads 2 --dry-run --force", "{}", "epoch,elbo\n"),
            input("--data a --out b --save c --resume=d", "[1, 2, 3]", "\"epoch\",\"loss\",\"kl\"\n\"1\",2,3\n"),
            input("--help", "{\"lr\": 1e999}", ""),
            input("--batch-size 18446744073709551615 --lr NaN --epochs -1", "{\"lr\": {\"lr\": [null]}}", "\u{feff}"),
        ]);
    },
    |bytes: &[u8]| {
        let mut parts = bytes.splitn(3, |&byte| byte == 0).map(String::from_utf8_lossy);
        let mut part = || parts.next().unwrap_or_default();
        let (flags, args_json, metrics) = (part(), part(), part());
        let flags = ["example"].into_iter().chain(flags.split_whitespace());
        let mut args: Args = match bounded(bytes, || parse(DEFAULTS, flags)) {
            Ok(args) => args,
            Err(error) => return assert!(!error.to_string().is_empty()),
        };
        let RunArgs { batch_size, lr, threads, .. } = args.run;
        assert!(batch_size > 0 && lr > 0.0 && lr.is_finite() && threads != Some(0) && args.latent > 0);
        assert!(args.hide > 0.0 && args.hide < 1.0 && args.sigma > 0.0);

        // Never a folder that the input names.
        (args.run.out, args.run.resume, args.run.save) = (folder().clone(), Some(None), None);
        args.run.dry_run = false;
        fs::write(folder().join("checkpoint.safetensors"), "").expect("a file");
        fs::write(folder().join("args.json"), &*args_json).expect("a file");
        fs::write(folder().join("metrics.csv"), &*metrics).expect("a file");
        match bounded(bytes, || RunFolder::open(&args.run, &args)) {
            Ok(run) => drop(bounded(bytes, || run.metrics(&["loss", "kl"], 2))),
            Err(error) => assert!(!one_line(&error).contains('\n')),
        }
    }
);

/// `args.json` as a run writes it.
fn serde_json_of(args: &Args) -> String {
    let out = folder().join("run");
    let mut run = args.run.clone();
    run.out = out.clone();
    run.force = true;
    RunFolder::open(&run, args).expect("a folder");
    fs::read_to_string(out.join("args.json")).expect("a file")
}
