//! What a run's folder, flags and Ctrl-C promise.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use clap::Parser;
use nn::run::{
    Activation, Csv, Defaults, Interrupt, RunArgs, RunError, RunFolder, TextTable, one_line, parse,
    result_line,
};
use nn::train::Checkpoint;
use tempfile::tempdir;

/// An example of an example.
#[derive(Debug, Parser, serde::Serialize)]
pub(crate) struct Args {
    #[command(flatten)]
    #[serde(flatten)]
    pub(crate) run: RunArgs,
    /// Size of z
    #[arg(long, default_value_t = 2)]
    latent: usize,
    /// φ
    #[arg(long, default_value = "relu")]
    pub(crate) phi: Activation,
    /// A table
    #[arg(long)]
    #[serde(serialize_with = "nn::run::path_text")]
    csv: Option<PathBuf>,
}

pub(crate) const DEFAULTS: Defaults =
    Defaults { out: "out/nn-example", epochs: 40, batch_size: 64, lr: 1e-3 };

pub(crate) fn flags(flags: &str) -> Result<Args, clap::Error> {
    parse(DEFAULTS, ["example"].into_iter().chain(flags.split_whitespace()))
}

fn open(folder: &Path, more: &str) -> Result<RunFolder, RunError> {
    let args = flags(&format!("--out {} {more}", folder.display())).unwrap();
    RunFolder::open(&args.run, &args)
}

fn metrics(folder: &RunFolder) -> String {
    fs::read_to_string(folder.file("metrics.csv")).unwrap()
}

#[test]
fn defaults_hold_unless_a_flag_is_given() {
    let args = flags("").unwrap();
    assert_eq!((args.run.epochs, args.run.batch_size, args.run.lr, args.run.seed), (40, 64, 1e-3, 0));
    assert_eq!(args.run.out, Path::new("out/nn-example"));
    let args = flags("--epochs 3 --batch-size 7 --lr 0.5 --seed 9 --latent 5 --resume").unwrap();
    assert_eq!((args.run.epochs, args.run.batch_size, args.run.lr, args.run.seed), (3, 7, 0.5, 9));
    assert_eq!((args.latent, args.run.resume), (5, Some(None)));
}

#[test]
fn help_shows_each_flag_with_its_default() {
    let help = flags("--help").unwrap_err().to_string();
    for line in
        ["[default: 40]", "[default: 64]", "[default: 0.001]", "[default: out/nn-example]", "[default: all]"]
    {
        assert!(help.contains(line), "{help}");
    }
    for flag in "data out epochs batch-size lr seed threads save resume dry-run force".split(' ') {
        assert!(help.contains(&format!("--{flag}")), "{flag} is missing in\n{help}");
    }
}

#[test]
fn wrong_flags_are_refused_with_what_is_wanted() {
    for wrong in
        ["--batch-size 0", "--threads 0", "--lr 0", "--lr NaN", "--epochs x", "--epochs -1", "--nonsense"]
    {
        assert_eq!(flags(wrong).unwrap_err().exit_code(), 2, "{wrong}");
    }
    assert!(
        flags("--batch-size 0")
            .unwrap_err()
            .to_string()
            .contains("expected a whole number from 1 to 1000000")
    );
}

#[test]
fn a_dry_run_is_one_minibatch_once_and_leaves_nothing() {
    let parent = tempdir().unwrap();
    let out = parent.path().join("run");
    let args = flags("--dry-run").unwrap();
    assert_eq!((args.run.epochs, args.run.rows(1000), args.run.rows(5)), (1, 64, 5));
    assert_eq!(flags("").unwrap().run.rows(1000), 1000);
    let save = parent.path().join("saved");
    let folder = open(&out, &format!("--dry-run --save {}", save.display())).unwrap();
    let path = folder.path().to_owned();
    folder.metrics(&["loss"], 0).unwrap().row(1, &[2.0]).unwrap();
    folder.save(Checkpoint::new()).unwrap();
    assert_eq!(fs::read_dir(&path).unwrap().count(), 3);
    drop(folder);
    assert!(!path.exists() && !out.exists() && !save.exists());
}

#[test]
fn a_run_writes_its_flags_and_keeps_its_checkpoint_in_both_places() {
    let parent = tempdir().unwrap();
    let save = parent.path().join("best.safetensors");
    let out = parent.path().join("a/b");
    let folder = open(&out, &format!("--seed 3 --latent 4 --save {}", save.display())).unwrap();
    let args: serde_json::Value =
        serde_json::from_str(&fs::read_to_string(out.join("args.json")).unwrap()).unwrap();
    assert_eq!((&args["seed"], &args["latent"], &args["lr"]), (&3.into(), &4.into(), &1e-3.into()));
    folder.save(Checkpoint::new()).unwrap();
    Checkpoint::load(&save).unwrap();
    Checkpoint::load(&out.join("checkpoint.safetensors")).unwrap();
    assert!(folder.resumed().unwrap().is_none());
}

#[test]
fn an_earlier_run_is_overwritten_only_by_force() {
    let out = tempdir().unwrap();
    let folder = open(out.path(), "").unwrap();
    folder.metrics(&["loss"], 0).unwrap().row(1, &[2.0]).unwrap();
    folder.save(Checkpoint::new()).unwrap();
    fs::write(out.path().join("notes.txt"), "mine").unwrap();
    let metrics_path = folder.file("metrics.csv");
    drop(folder);
    let error = open(out.path(), "").unwrap_err();
    assert!(matches!(error, RunError::Taken { .. }));
    assert!(
        error.to_string().ends_with("go on with --resume, overwrite it with --force, or give another --out")
    );
    assert_eq!(fs::read_to_string(metrics_path).unwrap(), "epoch,loss\n1,2\n");

    let folder = open(out.path(), "--force").unwrap();
    assert!(!out.path().join("checkpoint.safetensors").exists() && !out.path().join("metrics.csv").exists());
    assert_eq!(fs::read_to_string(folder.file("notes.txt")).unwrap(), "mine");
}

#[test]
fn a_run_without_a_checkpoint_refuses_its_flags_and_is_not_to_be_resumed() {
    for flag in ["--resume", "--save=file"] {
        let error = flags(flag).unwrap().run.without_checkpoint().unwrap_err().to_string();
        assert!(error.starts_with(flag.split('=').next().unwrap()), "{error}");
    }
    flags("--force").unwrap().run.without_checkpoint().unwrap();
    let out = tempdir().unwrap();
    let folder = open(out.path(), "").unwrap();
    drop(folder);
    // A run that failed before it had anything to show is no obstacle.
    let folder = open(out.path(), "").unwrap();
    fs::write(folder.file("loss.png"), "").unwrap();
    drop(folder);
    let error = open(out.path(), "").unwrap_err().to_string();
    assert!(error.ends_with("an earlier run: overwrite it with --force, or give another --out"), "{error}");
}

#[test]
fn force_spares_the_checkpoint_that_it_goes_on_from() {
    let out = tempdir().unwrap();
    let folder = open(out.path(), "").unwrap();
    folder.save(Checkpoint::new()).unwrap();
    let checkpoint = folder.file("checkpoint.safetensors");
    drop(folder);
    let folder = open(out.path(), &format!("--force --resume {}", checkpoint.display())).unwrap();
    assert!(folder.resumed().unwrap().is_some());
}

#[test]
fn a_resumed_run_neither_loses_nor_doubles_rows() {
    let out = tempdir().unwrap();
    let folder = open(out.path(), "").unwrap();
    let mut rows = folder.metrics(&["loss", "kl"], 0).unwrap();
    for epoch in 1..=12 {
        rows.row(epoch, &[0.5, f64::NAN]).unwrap();
    }
    folder.save(Checkpoint::new()).unwrap();
    // The run was ended after the eleventh checkpoint, while a row was written.
    let whole = metrics(&folder);
    drop(folder);
    for cut in ["", "1", "12", "12,0", "12,0.5,N"] {
        fs::write(out.path().join("metrics.csv"), whole.replace("12,0.5,NaN\n", cut)).unwrap();
        let folder = open(out.path(), "--resume --epochs 50").unwrap();
        folder.metrics(&["loss", "kl"], 11).unwrap().row(12, &[0.5, f64::NAN]).unwrap();
        assert_eq!(metrics(&folder), whole, "after {cut:?}");
    }
    let folder = open(out.path(), "--resume").unwrap();
    folder.metrics(&["loss", "kl"], 3).unwrap();
    assert_eq!(metrics(&folder), "epoch,loss,kl\n1,0.5,NaN\n2,0.5,NaN\n3,0.5,NaN\n");
    let error = folder.metrics(&["elbo"], 3).unwrap_err();
    assert!(
        error
            .to_string()
            .contains(r#"expected the columns ["epoch", "elbo"], found ["epoch", "loss", "kl"]"#),
        "{error}"
    );
}

#[test]
fn resuming_wants_a_checkpoint_and_the_same_flags() {
    let out = tempdir().unwrap();
    let error = open(out.path(), "--resume").unwrap_err();
    assert!(matches!(error, RunError::NothingToResume { .. }), "{error}");
    let folder = open(out.path(), "--lr 0.25").unwrap();
    folder.save(Checkpoint::new()).unwrap();
    drop(folder);
    let error = open(out.path(), "--resume --latent 9").unwrap_err().to_string();
    assert!(error.contains("(latent was 2, is 9, lr was 0.25, is 0.001)"), "{error}");
    fs::write(out.path().join("args.json"), "{").unwrap();
    assert!(matches!(open(out.path(), "--resume --lr 0.25"), Err(RunError::Damaged { .. })));
}

#[test]
fn the_checkpoint_of_another_run_is_not_gone_on_from() {
    let (out, other) = (tempdir().unwrap(), tempdir().unwrap());
    let csv = out.path().join("table.csv");
    fs::write(&csv, "a,b\n1,2\n").unwrap();
    let first = out.path().join("first");
    let folder = open(&first, &format!("--seed 3 --csv {}", csv.display())).unwrap();
    folder.save(Checkpoint::new()).unwrap();
    let checkpoint = folder.file("checkpoint.safetensors");
    drop(folder);
    let resumed = |more: &str| {
        let flags = format!("--force --resume {} --csv {} {more}", checkpoint.display(), csv.display());
        open(other.path(), &flags).unwrap().resumed().map(|checkpoint| checkpoint.is_some())
    };
    assert!(resumed("--seed 3 --epochs 50 --threads 2").unwrap());
    let error = resumed("--seed 4").unwrap_err();
    assert!(matches!(&error, RunError::OtherFlags { path, .. } if *path == checkpoint), "{error}");
    assert!(error.to_string().contains("(seed was 3, is 4)"), "{error}");
    let error = resumed("--seed 3 --latent 9").unwrap_err().to_string();
    assert!(error.contains("(latent was 2, is 9)"), "{error}");
    // The same path with another table, for either kind of resuming.
    fs::write(&csv, "a,b\n1,3\n").unwrap();
    let error = resumed("--seed 3").unwrap_err().to_string();
    assert!(error.contains("contents of --csv was \"8 bytes, CRC-32 "), "{error}");
    let own = open(&first, &format!("--resume --seed 3 --csv {}", csv.display())).unwrap();
    assert!(matches!(own.resumed(), Err(RunError::OtherFlags { .. })));
    drop(own);
    fs::write(&csv, "a,b\n1,2\n").unwrap();
    assert!(resumed("--seed 3").unwrap());
    // What another program wrote says nothing of its run.
    Checkpoint::new().save(&checkpoint).unwrap();
    assert!(resumed("--seed 9").unwrap());
}

#[test]
fn a_folder_of_another_program_is_left_as_it_is() {
    let out = tempdir().unwrap();
    fs::write(out.path().join("notes.txt"), "mine").unwrap();
    assert!(matches!(open(out.path(), ""), Err(RunError::Taken { resumable: false, .. })));
    assert_eq!(fs::read_dir(out.path()).unwrap().count(), 1);
    // Nor is a file overwritten that has the name of ours by chance.
    fs::write(out.path().join(".lock"), "important").unwrap();
    for more in ["", "--force"] {
        let error = open(out.path(), more).unwrap_err();
        assert!(matches!(error, RunError::ForeignLock { .. }), "{error}");
    }
    assert_eq!(fs::read_to_string(out.path().join(".lock")).unwrap(), "important");
}

#[cfg(unix)]
#[test]
fn paths_need_not_be_unicode() {
    use std::os::unix::ffi::OsStringExt;
    let parent = tempdir().unwrap();
    let name = |name: &[u8]| parent.path().join(OsString::from_vec(name.to_vec()));
    let (out, save) = (name(b"r\xe9sultat"), name(b"\xff.safetensors"));
    let flags = ["example".into(), "--out".into(), out.clone().into(), "--save".into(), save.clone().into()];
    let args: Args = parse(DEFAULTS, flags as [OsString; 5]).unwrap();
    let folder = RunFolder::open(&args.run, &args).unwrap();
    folder.save(Checkpoint::new()).unwrap();
    folder.metrics(&["loss"], 0).unwrap().row(1, &[0.5]).unwrap();
    assert!(out.join("checkpoint.safetensors").is_file() && save.is_file());
    let written = fs::read_to_string(out.join("args.json")).unwrap();
    assert!(written.contains("r\u{fffd}sultat"), "{written}");
    drop(folder);
    let flags = ["example".into(), "--out".into(), out.into(), "--resume".into()];
    let args: Args = parse(DEFAULTS, flags as [OsString; 4]).unwrap();
    assert!(RunFolder::open(&args.run, &args).unwrap().resumed().unwrap().is_some());
}

#[test]
fn parts_of_a_run_have_files_of_their_own_and_begin_or_go_on_by_themselves() {
    let (out, elsewhere) = (tempdir().unwrap(), tempdir().unwrap());
    let save = elsewhere.path().join("theta.safetensors");
    let folder = open(out.path(), &format!("--save {}", save.display())).unwrap();
    let joint = folder.part("joint").unwrap();
    joint.metrics(&["loss"], 0).unwrap().row(1, &[0.5]).unwrap();
    let mut checkpoint = Checkpoint::new();
    checkpoint.set("part", "joint");
    joint.save(checkpoint).unwrap();
    for file in [
        out.path().join("checkpoint-joint.safetensors"),
        out.path().join("metrics-joint.csv"),
        elsewhere.path().join("theta-joint.safetensors"),
    ] {
        assert!(file.is_file(), "{}", file.display());
    }
    let saved = checkpoint_of(&joint);
    drop((folder, joint));
    assert!(matches!(open(out.path(), ""), Err(RunError::Taken { resumable: true, .. })));

    let resumed = open(out.path(), "--resume").unwrap();
    assert_eq!(resumed.part("joint").unwrap().resumed().unwrap(), Some(saved));
    assert!(resumed.part("alone").unwrap().resumed().unwrap().is_none());
    assert!(matches!(resumed.resumed(), Err(RunError::NothingToResume { .. })));
    drop(resumed);
    let from = open(
        out.path(),
        &format!("--force --resume {}", save.with_file_name("theta-joint.safetensors").display()),
    );
    assert!(matches!(from.unwrap().part("joint"), Err(RunError::SeveralModels { .. })));
    // The files of parts are overwritten with the run.
    let names: BTreeSet<_> =
        fs::read_dir(out.path()).unwrap().map(|file| file.unwrap().file_name()).collect();
    assert_eq!(names, [".lock", "args.json"].map(OsString::from).into());
}

#[test]
fn a_folder_belongs_to_one_run_until_that_ends() {
    let out = tempdir().unwrap();
    let folder = open(out.path(), "").unwrap();
    let part = folder.part("joint").unwrap();
    folder.save(Checkpoint::new()).unwrap();
    drop(folder);
    for more in ["", "--force", "--resume"] {
        let error = open(out.path(), more).unwrap_err();
        assert!(matches!(error, RunError::Running { .. }), "{error}");
        let id = format!("(process {})", std::process::id());
        assert!(!cfg!(unix) || error.to_string().contains(&id), "{error}");
    }
    // What the run has written is there yet.
    part.save(Checkpoint::new()).unwrap();
    drop(part);
    open(out.path(), "--resume").unwrap();
    // A file that a killed process left is no obstacle.
    fs::write(out.path().join(".lock"), "1\n").unwrap();
    open(out.path(), "--force").unwrap();
}

fn checkpoint_of(folder: &RunFolder) -> Checkpoint {
    Checkpoint::load(&folder.file("checkpoint-joint.safetensors")).unwrap()
}

#[test]
fn a_csv_file_quotes_what_would_be_cut() {
    let out = tempdir().unwrap();
    let path = out.path().join("table.csv");
    let mut csv = Csv::new(["name", "a, b"]);
    csv.row([String::from("say \"yes\""), 0.5.to_string()]);
    csv.save(&path).unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), "name,\"a, b\"\n\"say \"\"yes\"\"\",0.5\n");
    let error = Csv::new(["a"]).save(&out.path().join("missing/table.csv")).unwrap_err();
    assert!(error.to_string().starts_with("cannot write "), "{error}");
}

#[test]
#[should_panic(expected = "row: expected 2 cells, found 1")]
fn a_row_has_a_cell_for_each_column() {
    Csv::new(["a", "b"]).row([1]);
}

#[test]
fn columns_of_a_table_are_aligned_by_characters() {
    let mut table = TextTable::new();
    table.row(["σ²", "0.25"]);
    table.row(["a longer name", "−1"]);
    table.row(["no cells"]);
    assert_eq!(table.to_string(), "  σ²             0.25\n  a longer name    −1\n  no cells\n");
    assert_eq!(TextTable::new().to_string(), "");
}

#[test]
fn results_that_are_not_finite_are_refused() {
    for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        let error = result_line(&[("rmse", 0.5), ("ll", bad), ("crps", 1.0)]).unwrap_err();
        assert!(error.to_string().contains(&format!("found ll={bad};")), "{error}");
    }
    assert!(result_line(&[("set", "nano".to_owned()), ("rmse", "0.5".to_owned())]).is_ok());
}

#[test]
fn a_folder_that_cannot_be_made_is_named() {
    let parent = tempdir().unwrap();
    let file = parent.path().join("file");
    fs::write(&file, "").unwrap();
    let error = open(&file.join("run"), "").unwrap_err();
    assert!(
        error.to_string().starts_with(&format!("cannot create the folder {}", file.join("run").display())),
        "{error}"
    );
}

#[test]
fn the_pool_has_as_many_threads_as_asked_for() {
    let args = flags("--threads 3").unwrap();
    assert_eq!(args.run.in_pool(rayon::current_num_threads).unwrap(), 3);
}

#[test]
fn an_error_and_its_causes_are_one_line() {
    let error = anyhow::anyhow!("disk\nfull").context("cannot write x: disk\nfull").context("epoch 3");
    assert_eq!(one_line(&*Box::<dyn std::error::Error>::from(error)), "epoch 3: cannot write x: disk full");
}

/// Runs itself as another process, which waits for the signals: Ctrl-C, a request to end, a terminal that was closed.
#[cfg(unix)]
#[test]
fn a_first_signal_asks_and_a_second_ends_at_once() {
    use std::io::{BufRead, BufReader};
    use std::process::{Command, Stdio};
    use std::time::Duration;

    const CHILD: &str = "NN_TEST_INTERRUPTED";
    if std::env::var_os(CHILD).is_some() {
        let interrupt = Interrupt::install().unwrap();
        let again = Interrupt::install().unwrap();
        eprintln!("ready");
        while !(interrupt.requested() && again.requested()) {
            std::thread::sleep(Duration::from_millis(1));
        }
        std::thread::sleep(Duration::from_secs(60));
        return;
    }
    for name in ["-INT", "-TERM", "-HUP"] {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "run::a_first_signal_asks_and_a_second_ends_at_once", "--nocapture"])
            .env(CHILD, "1")
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let id = child.id().to_string();
        let signal = || assert!(Command::new("kill").args([name, &id]).status().unwrap().success());
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok);
        assert!(lines.any(|line| line == "ready"));
        signal();
        assert!(lines.any(|line| line.starts_with("stopping")));
        signal();
        assert_eq!(child.wait().unwrap().code(), Some(130), "{name}");
    }
    assert!(!Interrupt::default().requested());
}
