//! The page that steps through a tape, in a browser: it goes through all steps by button, keyboard and slider; what stands on it is
//! what `tape.backward` computed; nothing is said in the console; it fits a telephone, by day and by night.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use tests::programs::program;

use crate::alone;
use crate::browser::{is_there, opened, said, tested};

fn run(flags: &[&str], out: &Path) -> String {
    let output = Command::new(program("steps")).args(flags).arg("--out").arg(out).output().unwrap();
    assert!(output.status.success(), "{flags:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// The names of all expressions, as `--help` lists them.
fn expressions() -> Vec<String> {
    let help = Command::new(program("steps")).arg("--help").output().unwrap();
    let help = String::from_utf8(help.stdout).unwrap();
    let (_, list) = help.split_once("Expressions:\n").unwrap();
    list.lines().map(|line| line.split_whitespace().next().unwrap().to_owned()).collect()
}

/// Numbers between separators; those of JavaScript too.
fn numbers(text: &str) -> Vec<f64> {
    let words = text.split([' ', ',', '[', ']']).filter(|word| !word.is_empty());
    words.map(|word| word.replace("Infinity", "inf").parse().unwrap()).collect()
}

/// The gradients that the program printed, as (parameter, numbers): a line with the name, and below it the numbers, indented.
fn gradients(stdout: &str) -> Vec<(String, Vec<f64>)> {
    let blocks = stdout.split("tape.backward: ∂loss/∂").skip(1);
    let block = |block: &str| {
        let (name, below) = block.split_once(" =\n").unwrap();
        let lines = below.lines().take_while(|line| line.starts_with(' '));
        (name.to_owned(), lines.flat_map(numbers).collect())
    };
    blocks.map(block).collect()
}

#[test]
fn every_step_of_every_expression_shows_the_numbers_of_the_tape() {
    let _alone = alone();
    if !is_there() {
        return;
    }
    let (folder, mut compared) = (tempfile::tempdir().unwrap(), 0);
    let expressions = expressions();
    assert!(expressions.len() >= 6, "{expressions:?}");
    for (width, name) in
        [1280, 400].into_iter().flat_map(|width| expressions.iter().map(move |name| (width, name)))
    {
        let out = folder.path().join(name);
        let stdout = run(&["--expression", name, "--force"], &out);
        let flags = ["--dump-dom".to_owned(), format!("--window-size={width},900")];
        let (dom, console) = opened(&out.join("steps.html"), "#test", &flags, &folder.path().join("profile"));
        assert_eq!(console, [""; 0], "{name} at {width}");
        let verdict = said(&dom, "verdict");
        assert!(verdict.starts_with("ok: "), "{name} at {width}: {verdict}");
        let is_marked = dom.contains("<small class=\"bad\">");
        assert_eq!(is_marked, stdout.contains("not finite from here on"), "{name}");

        let page = said(&dom, "numbers");
        let rows: Vec<Vec<&str>> = page.split('|').map(|row| row.split(';').collect()).collect();
        let gradients = gradients(&stdout);
        assert!(!gradients.is_empty(), "{name}: {stdout}");
        for (parameter, gradient) in gradients {
            let row = rows.iter().find(|row| row[0] == parameter).unwrap_or_else(|| panic!("no {parameter}"));
            let shown = numbers(row[2]);
            assert_eq!(shown.len(), gradient.len(), "{name}: {parameter}");
            for (shown, expected) in shown.iter().zip(&gradient) {
                let is_same = shown.is_nan() && expected.is_nan() || shown == expected;
                assert!(
                    is_same || (shown - expected).abs() <= 1e-12 * expected.abs().max(1.0),
                    "{name}: {row:?}"
                );
                compared += 1;
            }
        }
    }
    assert!(compared > 40, "only {compared} numbers");
}

/// How many colours a picture has, after it was looked at whether it is there.
fn colours(page: &Path, flags: &[&str], folder: &Path) -> usize {
    let picture: PathBuf = folder.join("screen.png");
    let mut all = vec![format!("--screenshot={}", picture.display()), "--hide-scrollbars".to_owned()];
    all.extend(flags.iter().map(|&flag| flag.to_owned()));
    let (_, console) = opened(page, "#step=14", &all, &folder.join("profile"));
    assert_eq!(console, [""; 0]);
    let pixels = image::open(&picture).unwrap().to_rgb8();
    pixels.pixels().collect::<HashSet<_>>().len()
}

#[test]
fn it_is_drawn_on_wide_and_narrow_screens_by_day_and_by_night() {
    let _alone = alone();
    if !is_there() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    run(&[], folder.path());
    let page = folder.path().join("steps.html");
    for size in ["--window-size=1280,1100", "--window-size=400,1600"] {
        for scheme in ["--blink-settings=preferredColorScheme=0", "--blink-settings=preferredColorScheme=1"] {
            assert!(colours(&page, &[size, scheme], folder.path()) > 20, "{size} {scheme}");
        }
    }
}

#[test]
fn a_page_of_steps_that_is_wrong_says_so() {
    let _alone = alone();
    if !is_there() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    run(&["--expression", "product"], folder.path());
    let page = std::fs::read_to_string(folder.path().join("steps.html")).unwrap();
    for (from, to, wanted) in [
        ("sums[to][k] += x", "sums[to][k] = x", "sums are the tape's adjoints"),
        ("ArrowLeft: moves.back", "ArrowLeft: moves.next", "by button, keyboard and slider"),
        ("[\"has-adjoint\", hasAdjoint]", "[\"has-adjoint\", false]", "the graph is lit"),
        ("let position = 0;", "let position = 0; queueMicrotask(() => nothing());", "nothing is not defined"),
    ] {
        assert!(page.contains(from), "{from}");
        let wrong = folder.path().join("wrong.html");
        std::fs::write(&wrong, page.replace(from, to)).unwrap();
        let (dom, console) = tested(&wrong, &folder.path().join("profile"));
        let said = said(&dom, "verdict");
        assert!(said.starts_with("failed: ") && said.contains(wanted), "{from}: {said}");
        assert_eq!(console.is_empty(), !wanted.contains("defined"), "{console:?}");
    }
}
