//! What programs that apply a trained model have from `nn::run`.

use std::fs;
use std::path::Path;

use clap::Parser;
use nn::data::{Header, Idx, Preprocessing, Table, TableOptions};
use nn::model::{ModelFile, TrainedOn};
use nn::run::{
    Application, ApplyArgs, Csv, Defaults, ImageArgs, Label, Output, Outside, Run, RunArgs, RunError,
    RunFolder, TableArgs, parse, single, trained_with,
};
use nn::train::Checkpoint;
use tempfile::tempdir;

#[derive(Debug, Parser, serde::Serialize)]
struct Args {
    #[command(flatten)]
    #[serde(flatten)]
    apply: ApplyArgs,
}

#[derive(Debug, Parser, serde::Serialize)]
struct Trains {
    #[command(flatten)]
    #[serde(flatten)]
    run: RunArgs,
    #[arg(long)]
    csv: Option<std::path::PathBuf>,
}

fn args(model: &Path, out: &Path, more: &[&str]) -> Args {
    let paths = ["apply", "--model", model.to_str().unwrap(), "--out", out.to_str().unwrap()];
    Args::try_parse_from([&paths[..], more].concat()).unwrap()
}

#[test]
fn the_folder_of_the_model_is_never_written_to() {
    let dir = tempdir().unwrap();
    let (model, out) = (dir.path().join("run"), dir.path().join("new"));
    fs::create_dir(&model).unwrap();
    let file = model.join(ModelFile::NAME);
    ModelFile::new("example.Net", &1).save(&file).unwrap();
    for path in [&model, &file] {
        for out in [&model, &model.join("../run")] {
            let args = args(path, out, &["--force"]);
            args.apply.load().unwrap();
            let error = Application::open(&args.apply, &args).unwrap_err();
            assert!(matches!(error, RunError::OwnFolder { .. }), "{error}");
        }
    }
    assert!(file.is_file() && fs::read_dir(&model).unwrap().count() == 1);

    for path in [dir.path(), &dir.path().join("none")] {
        let error = args(path, &out, &[]).apply.load().unwrap_err();
        assert!(matches!(error, RunError::NoModel { .. }), "{error}");
    }

    let first = args(&model, &out, &["--seed", "3"]);
    Application::open(&first.apply, &first).unwrap().finish(&[("rows", 2.0)]).unwrap();
    let flags = fs::read_to_string(out.join("args.json")).unwrap();
    assert!(flags.contains("\"seed\": 3") && !flags.contains("epochs"), "{flags}");
    // Flags alone are no results.
    let application = Application::open(&first.apply, &first).unwrap();
    fs::write(application.file("rows.csv"), "1\n").unwrap();
    drop(application);
    let again = Application::open(&first.apply, &first).unwrap_err();
    assert!(matches!(again, RunError::Taken { resumable: false, .. }), "{again}");
    // What it does not write anew stays, until it has results.
    let forced = args(&model, &out, &["--seed", "4", "--force"]);
    drop(Application::open(&forced.apply, &forced).unwrap());
    assert_eq!(fs::read_to_string(out.join("args.json")).unwrap(), flags);
    assert!(out.join("rows.csv").is_file());
    // The folder of another run that trained a model is no place for results, even by force.
    let other = dir.path().join("other");
    fs::create_dir(&other).unwrap();
    fs::write(other.join("checkpoint.safetensors"), "").unwrap();
    let into = args(&model, &other, &["--force"]);
    let error = Application::open(&into.apply, &into).unwrap_err();
    assert!(matches!(error, RunError::OwnFolder { .. }), "{error}");
    let dry = args(&model, &dir.path().join("dry"), &["--dry-run"]);
    let file = Application::open(&dry.apply, &dry).unwrap().file("x");
    assert!(!dir.path().join("dry").exists() && !file.exists());
}

#[test]
fn a_model_says_what_it_was_trained_on_and_with_which_flags_and_results() {
    let dir = tempdir().unwrap();
    let defaults = Defaults { out: "out", epochs: 2, batch_size: 3, lr: 0.5 };
    let out = dir.path().join("run");
    let args: Trains = parse(
        defaults,
        ["trains", "--seed", "7", "--csv", "/some/where/table.csv", "--out", out.to_str().unwrap()],
    )
    .unwrap();
    let run = Run::open(&args.run, &args).unwrap();
    let on = TrainedOn::new(Some(Path::new("/some/where/table.csv")), "", 12);
    run.keep_model(ModelFile::new("example.Net", &1), &on).unwrap();
    // A run that is ended here leaves a model.
    let file = ModelFile::load(&out).unwrap();
    assert_eq!(file.get::<TrainedOn>("training").unwrap(), TrainedOn { data: "table.csv".into(), rows: 12 });
    run.label(&["rmse", "set"].map(|name| Label::new(name, name, "")));
    run.finish(&[("rmse", "0.25"), ("set", "yacht")]).unwrap();
    let file = ModelFile::load(&out).unwrap();
    let result: serde_json::Value = file.get("result").unwrap();
    assert_eq!((result["rmse"].as_f64(), result["set"].as_str()), (Some(0.25), Some("yacht")));
    assert!(result["seconds"].is_number());
    let run: serde_json::Value = file.get("run").unwrap();
    assert_eq!(run["flags"]["csv"], "table.csv");
    assert!(!run.to_string().contains("where"), "{run}");
    assert_eq!((trained_with(&file, "seed"), trained_with(&file, "out")), (Some(7), None));
    assert_eq!(TrainedOn::new(None, "the digits", 2).data, "the digits");
}

#[test]
fn new_rows_are_read_as_those_of_the_training_were_unless_flags_say_otherwise() {
    #[derive(Parser)]
    struct Reads {
        #[command(flatten)]
        format: TableArgs,
    }
    let dir = tempdir().unwrap();
    let file = dir.path().join("new.csv");
    let options = TableOptions { missing: true, marks: vec!["-9".to_owned()], ..TableOptions::default() };
    let model = |header: Header, text: &str| {
        let options = TableOptions { header, ..options.clone() };
        let table = Table::parse(text.as_bytes(), &options).unwrap();
        Preprocessing::new(&table, &[0])
    };
    let open = |model: &Preprocessing, text: &str, missing: bool, flags: &[&str]| {
        fs::write(&file, text).unwrap();
        let args = Reads::try_parse_from([&["reads"], flags].concat()).unwrap();
        args.format.open(&file, model, missing, &[])?.read(9)
    };
    // A header of numbers, as the training had one.
    let years = model(Header::Present, "1950,1960,x\n1,2,3\n");
    let table = open(&years, "1960,1950,x\n5,-9,7\n", true, &[]).unwrap().unwrap();
    assert_eq!((table.values.rows, table.values.row(0)[0], table.values.row(0)[1].is_nan()), (1, 5.0, true));
    let error = open(&years, "1960,1950,x\n5,-9,7\n", true, &["--missing", "-1"]).unwrap().unwrap();
    assert_eq!(error.values.row(0)[1], -9.0);
    // None, as it had none.
    let bare = model(Header::Absent, "1,2\n3,4\n");
    assert_eq!(open(&bare, "5,6\n7,8\n", true, &[]).unwrap().unwrap().values.rows, 2);
    // Columns that are not there are missing, if that is allowed.
    assert!(open(&years, "1950,y\n1,2\n", true, &[]).unwrap().unwrap().values.row(0)[2].is_nan());
    let error = open(&years, "1950,y\n1,2\n", false, &[]).unwrap_err().to_string();
    assert!(error.contains("expected columns with the names \"1960\", x too"), "{error}");
}

#[test]
fn a_file_that_grows_has_its_name_when_it_is_whole() {
    let dir = tempdir().unwrap();
    let path = dir.path().join("rows.csv");
    let mut csv = Csv::new(["row", "name"]);
    let mut output = Output::begin(path.clone()).unwrap();
    for row in 1..4 {
        csv.row([row.to_string(), "a, b".to_owned()]);
        output.write(&csv.take()).unwrap();
        assert!(!path.exists());
    }
    output.finish().unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), "row,name\n1,\"a, b\"\n2,\"a, b\"\n3,\"a, b\"\n");
    drop(Output::begin(dir.path().join("half.csv")).unwrap());
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    assert!(Output::begin(dir.path().join("none/rows.csv")).is_err());
}

#[test]
fn what_a_killed_process_left_is_removed_and_nothing_else() {
    let dir = tempdir().unwrap();
    let (model, out) = (dir.path().join("run"), dir.path().join("new"));
    fs::create_dir(&model).unwrap();
    fs::create_dir(&out).unwrap();
    ModelFile::new("example.Net", &1).save(model.join(ModelFile::NAME)).unwrap();
    // The lock is that of a run: what it left does not take the folder.
    let left = [".rows.csv.4000000001", ".angles.png.4000000001"];
    left.iter().chain(&[".lock"]).for_each(|name| fs::write(out.join(name), "").unwrap());
    let args = args(&model, &out, &[]);
    drop(Application::open(&args.apply, &args).unwrap());
    assert!(left.iter().all(|name| !out.join(name).exists()));
    let own = [".rows.csv", ".rows.csv.old", ".notes.txt.4000000001", "rows.csv.4000000001"];
    for name in own {
        fs::write(out.join(name), "").unwrap();
        assert!(matches!(Application::open(&args.apply, &args), Err(RunError::Taken { .. })), "{name}");
        fs::remove_file(out.join(name)).unwrap();
    }
}

#[test]
fn a_run_goes_on_with_the_files_of_a_folder_that_it_was_begun_with() {
    #[derive(Debug, Parser, serde::Serialize)]
    struct Reads {
        #[command(flatten)]
        #[serde(flatten)]
        run: RunArgs,
        #[command(flatten)]
        #[serde(flatten)]
        own: ImageArgs,
    }
    let dir = tempdir().unwrap();
    let [data, own, out] = ["data", "own", "out"].map(|name| dir.path().join(name));
    fs::create_dir(&data).unwrap();
    fs::create_dir(&own).unwrap();
    let idx = |last: u8| {
        let bytes = [0, 0, 8, 1, 0, 0, 0, 3, 1, 2, last];
        fs::write(data.join("labels"), bytes).unwrap();
        Idx::read(data.join("labels")).unwrap();
    };
    let defaults = Defaults { out: "out", epochs: 2, batch_size: 3, lr: 0.5 };
    let open = |flag: &str, path: &Path, more: &[&str]| {
        let flags = ["reads", "--out", out.to_str().unwrap(), flag, path.to_str().unwrap()];
        let args: Reads = parse(defaults, [&flags[..], more].concat()).unwrap();
        args.own.read().unwrap();
        RunFolder::open(&args.run, &args).unwrap()
    };
    idx(3);
    open("--data", &data, &[]).save(Checkpoint::new()).unwrap();
    fs::write(data.join("notes"), "not read").unwrap();
    assert!(open("--data", &data, &["--resume"]).resumed().unwrap().is_some());
    idx(4);
    let error = open("--data", &data, &["--resume"]).resumed().unwrap_err().to_string();
    assert!(error.contains("contents of --data was \"1 file, 11 bytes, CRC-32 "), "{error}");

    let image =
        |grey| image::GrayImage::from_pixel(2, 3, image::Luma([grey])).save(own.join("a.png")).unwrap();
    image(51);
    open("--images", &own, &["--force"]).save(Checkpoint::new()).unwrap();
    assert!(open("--images", &own, &["--resume"]).resumed().unwrap().is_some());
    image(52);
    let error = open("--images", &own, &["--resume"]).resumed().unwrap_err().to_string();
    assert!(error.contains("contents of --images was \"1 file, "), "{error}");
}

#[test]
fn a_run_goes_on_with_files_that_were_packed_since() {
    use std::io::Write;

    let dir = tempdir().unwrap();
    let out = dir.path().join("out");
    let read = |folder: &str, names: [&str; 2], more: &[&str]| {
        let data = dir.path().join(folder);
        fs::create_dir(&data).unwrap();
        for (name, last) in names.into_iter().zip([3, 4]) {
            let mut bytes = vec![0, 0, 8, 1, 0, 0, 0, 3, 1, 2, last];
            if name.ends_with(".gz") {
                let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
                packed.write_all(&bytes).unwrap();
                bytes = packed.finish().unwrap();
            }
            fs::write(data.join(name), bytes).unwrap();
            Idx::read(data.join(name)).unwrap();
        }
        let flags = ["trains", "--out", out.to_str().unwrap(), "--data", data.to_str().unwrap()];
        let defaults = Defaults { out: "out", epochs: 2, batch_size: 3, lr: 0.5 };
        let args: Trains = parse(defaults, [&flags[..], more].concat()).unwrap();
        RunFolder::open(&args.run, &args).unwrap()
    };
    read("plain", ["a", "a-b"], &[]).save(Checkpoint::new()).unwrap();
    // As a path `a-b.gz` comes before `a.gz`.
    assert!(read("packed", ["a.gz", "a-b.gz"], &["--resume"]).resumed().unwrap().is_some());
    assert!(read("changed", ["a-b", "a"], &["--resume"]).resumed().is_err());
}

#[test]
fn rows_outside_the_training_are_marked_and_counted() {
    let table = Table::parse(b"a,\"b; c\"\n0,5\n1,7\n", &TableOptions::default()).unwrap();
    let (model, mut outside) = (Preprocessing::new(&table, &[0, 1]), Outside::default());
    for (row, cell) in [
        ([0.0, 7.0], ""),
        ([-0.1, 6.0], "a"),
        ([2.0, 4.0], "a; \"b; c\""),
        ([f64::NAN, f64::NAN], ""),
        ([0.5, 8.0], "\"b; c\""),
    ] {
        assert_eq!(outside.cell(&model, &row), cell);
    }
    assert_eq!(outside.rows(), 3);
}

#[test]
fn numbers_of_single_precision_have_at_most_nine_digits() {
    for (x, text) in [
        (f64::from(0.1_f32), "0.1"),
        (1.0 / 3.0, "0.33333334"),
        (-16_777_217.0, "-16777216"),
        (0.0, "0"),
        (1e-200 / 3.0, "3.33333333e-201"),
        (2e200 / 3.0, "6.66666667e199"),
        (1e-40, "1e-40"),
    ] {
        let expected: f64 = text.parse().unwrap();
        assert_eq!(single(x).to_bits(), expected.to_bits(), "{x}");
        assert_eq!(single(single(x)).to_bits(), single(x).to_bits(), "{x}");
        assert!((single(x) - x).abs() <= 6e-8 * x.abs());
    }
    // As precise as single precision is.
    for i in 0..1000 {
        let x = (1.0 + 0.37 * i as f32).sqrt();
        assert_eq!(single(f64::from(x)) as f32, x);
    }
}
