//! Every example runs, says how it is run, and tells clearly what is wrong with its flags and files; texts about them are true.

mod apply;
mod claims;
mod data;
mod every;
mod gaussian;
mod images;
mod lectures;
mod likelihoods;
mod mixed;
mod readmes;
mod runs;
mod tables;
mod texts;

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use tests::programs::program;

fn run(name: &str, flags: &[&str], dir: &Path) -> Output {
    Command::new(program(name)).args(flags).current_dir(dir).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// A folder with a small MNIST in `mnist/`, 40 images of noise in each set, 40 frames of noise in `frey/`, a regression set of
/// 40 rows with two splits in `uci/`, 10 objects under 4 views of 28 x 28 pixels in `rotated/`, a table of counts with gaps, and
/// 20 PNG files of each of three classes in `own/`, with a text beside them.
fn folder() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let mnist = dir.path().join("mnist");
    fs::create_dir(&mnist).unwrap();
    for set in ["train", "t10k"] {
        let mut images = [2051u32, 40, 28, 28].map(u32::to_be_bytes).concat();
        images.extend((0..40 * 784).map(|i: usize| (i * i / 7 % 251) as u8));
        let mut labels = [2049u32, 40].map(u32::to_be_bytes).concat();
        labels.extend((0..40).map(|i| (i % 10) as u8));
        fs::write(mnist.join(format!("{set}-images-idx3-ubyte")), images).unwrap();
        fs::write(mnist.join(format!("{set}-labels-idx1-ubyte")), labels).unwrap();
    }
    let frey = dir.path().join("frey");
    fs::create_dir(&frey).unwrap();
    let mut frames = [2051u32, 40, 28, 20].map(u32::to_be_bytes).concat();
    frames.extend((0..40 * 560).map(|i: usize| (i * i / 11 % 251) as u8));
    fs::write(frey.join("frey-faces-idx3-ubyte"), frames).unwrap();
    let counts = (0..40).map(|i: usize| match i % 7 {
        0 => format!("{},,{},{}\n", i * i % 9, i % 4, i % 2),
        _ => format!("{},{},{},{}\n", i * i % 9, i * 3 % 5, i % 4, i % 2),
    });
    fs::write(dir.path().join("counts.csv"), "a,b,c,kind\n".to_owned() + &counts.collect::<String>())
        .unwrap();
    let rotated = dir.path().join("rotated");
    fs::create_dir(&rotated).unwrap();
    let mut images = vec![0, 0, 0x0d, 4];
    images.extend([10u32, 4, 28, 28].map(u32::to_be_bytes).concat());
    images.extend((0..40 * 784).flat_map(|i: usize| ((i * i / 7 % 251) as f32 / 250.0).to_be_bytes()));
    fs::write(rotated.join("images"), images).unwrap();
    let role = |p: usize| if p < 9 { format!("{p},train/test,1011,1\n") } else { format!("{p},val,-,0\n") };
    let split = "id,role,train_views,in_test\n".to_owned() + &(0..10).map(role).collect::<String>();
    fs::write(rotated.join("split.csv"), split).unwrap();
    let own = dir.path().join("own");
    for (class, name) in ["bar", "cross", "dot"].iter().enumerate() {
        fs::create_dir_all(own.join(name)).unwrap();
        for i in 0..20 {
            let drawing = |x: u32, y: u32| match class {
                0 => x == 2 + i % 4,
                1 => x == 3 + i % 2 || y == 3 + i % 3,
                _ => x.abs_diff(4) + y.abs_diff(4) <= i % 3,
            };
            let drawing = |x, y| image::Luma([if drawing(x, y) { 250 - i as u8 } else { 5 }]);
            image::GrayImage::from_fn(9, 8, drawing).save(own.join(format!("{name}/{i}.png"))).unwrap();
        }
    }
    fs::write(own.join("bar/notes.txt"), "drawn by hand").unwrap();
    let uci = dir.path().join("uci");
    fs::create_dir(&uci).unwrap();
    let row = |i: usize| {
        let (a, b) = ((i as f64).sin(), (7.0 * i as f64).cos());
        format!("{a:.4} {b:.4} {:.4}\n", a * b + 0.1 * (3.0 * i as f64).sin())
    };
    fs::write(uci.join("data.txt"), (0..40).map(row).collect::<String>() + "\n").unwrap();
    fs::write(uci.join("index_features.txt"), "0\n1\n").unwrap();
    fs::write(uci.join("index_target.txt"), "2\n").unwrap();
    for split in 0..2 {
        for (part, test) in [("train", false), ("test", true)] {
            let rows = (0..40).filter(|i| (i % 10 == split) == test).map(|i| format!("{i}\n"));
            fs::write(uci.join(format!("index_{part}_{split}.txt")), rows.collect::<String>()).unwrap();
        }
    }
    dir
}

/// The numbers of the `RESULT` line, which must be the last on standard output.
fn result(output: &Output) -> Vec<(String, f64)> {
    let stdout = text(&output.stdout);
    let line = stdout.lines().last().unwrap_or_default();
    let pairs =
        line.strip_prefix("RESULT ").unwrap_or_else(|| panic!("the last line is no RESULT: {stdout}"));
    let pair = |pair: &str| {
        let (name, value) = pair.split_once('=').unwrap();
        (name.to_owned(), value.parse().unwrap())
    };
    pairs.split(' ').filter(|pair| !pair.starts_with("set=")).map(pair).collect()
}

/// A run that must succeed, with finite results.
#[track_caller]
fn success(name: &str, flags: &[&str], dir: &Path) -> Output {
    let output = run(name, flags, dir);
    assert!(output.status.success(), "{name} {flags:?}: {}", text(&output.stderr));
    let results = result(&output);
    assert!(results.iter().all(|(_, value)| value.is_finite()), "{results:?}");
    output
}

/// The cells of a CSV file of the folder, without quotes and commas in cells.
fn cells(dir: &Path, file: &str) -> Vec<Vec<String>> {
    let text = fs::read_to_string(dir.join(file)).unwrap_or_else(|error| panic!("{file}: {error}"));
    text.lines().map(|line| line.split(',').map(str::to_owned).collect()).collect()
}

/// The one line on standard error, behind "error: ", of a run that must fail.
fn error(name: &str, flags: &[&str], dir: &Path) -> String {
    let output = run(name, flags, dir);
    assert_eq!(output.status.code(), Some(1), "{name} {flags:?}");
    let stderr = text(&output.stderr);
    let mut lines = stderr.lines();
    let line =
        lines.next().and_then(|line| line.strip_prefix("error: ")).unwrap_or_else(|| panic!("{stderr}"));
    assert_eq!(lines.next(), None, "{stderr}");
    line.to_owned()
}
