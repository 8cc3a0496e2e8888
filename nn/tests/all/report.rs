//! What the report of a run shows, and that nothing in it can be taken for a part of the page.

use std::fs;
use std::path::Path;
use std::time::SystemTime;

use clap::Parser;
use nn::data::Matrix;
use nn::run::{
    Curves, Decoder, Defaults, Dense, Explorer, Frames, Label, Outputs, Plane, Position, Run, RunArgs, Scene,
    Series, gallery, parse, utc,
};
use tempfile::tempdir;

#[derive(Debug, Parser, serde::Serialize)]
struct Args {
    #[command(flatten)]
    #[serde(flatten)]
    run: RunArgs,
    /// A text
    #[arg(long)]
    note: Option<String>,
}

const HOSTILE: &str = "</script><script>alert(1)</script><img src=x onerror=alert(1)>\"'&";

fn args(out: &Path, more: &[&str]) -> Args {
    let defaults = Defaults { out: "out/nn-example", epochs: 40, batch_size: 64, lr: 1e-3 };
    let out = out.to_str().unwrap();
    parse(defaults, [&["example", "--out", out][..], more].concat()).unwrap()
}

/// The page of a run with these results; none if there is no page.
fn page(out: &Path, more: &[&str], body: impl FnOnce(&Run<'_>), results: &[(&str, f64)]) -> Option<String> {
    let args = args(out, more);
    let run = Run::open(&args.run, &args).unwrap();
    body(&run);
    run.label(&[
        Label::new("accuracy", "images that are recognised", "share").over("images"),
        Label::new("loss", "the loss", "nats"),
        Label::new("loss_*_se", "a loss of *", ""),
        Label::new(HOSTILE, HOSTILE, HOSTILE),
    ]);
    let _ = run.finish(results);
    fs::read_to_string(run.file("index.html")).ok()
}

#[test]
fn the_report_shows_flags_results_with_their_errors_pictures_and_metrics() {
    let dir = tempdir().unwrap();
    let body = |run: &Run<'_>| {
        let mut metrics = run.folder.metrics(&["train_loss", "validation_loss", "seconds"], 0).unwrap();
        metrics.row(1, &[3.5, 4.25, 0.1]).unwrap();
        metrics.row(2, &[f64::NAN, 3.75, 0.1]).unwrap();
        metrics.row(3, &[2.5, 3.125, 0.1]).unwrap();
        fs::write(run.picture("a.png", "Points. Look for lines (lecture 009, \"Lines\")"), "picture")
            .unwrap();
        run.picture("none.png", "It was not drawn");
    };
    let results = [("accuracy", 0.93751), ("accuracy_se", 0.0125), ("loss_two_dimensions_se", 2.0)];
    let before = utc(SystemTime::now());
    let page =
        page(&dir.path().join("run"), &["--seed", "7", "--data", "some/where"], body, &results).unwrap();
    for text in [
        "<dd>some/where</dd>",
        "<dt>seed</dt><dd>7</dd>",
        "<th scope=\"row\">images that are recognised<small>share; ± standard error over images; <code>accuracy</code></small></th>\
         <td title=\"0.93751\">0.938</td><td title=\"0.0125\">± 0.013</td>",
        "<th scope=\"row\">a loss of two dimensions<small><code>loss_two_dimensions_se</code></small></th><td title=\"2\">2</td><td></td>",
        "src=\"data:image/png;base64,cGljdHVyZQ==\" alt=\"Points. Look for lines\"",
        "<cite>lecture 009, &quot;Lines&quot;</cite>",
        "<strong>loss</strong>",
        "<b>3.125</b>",
        "<th scope=\"row\">--batch-size</th><td>64</td>",
        "<a href=\"./metrics.csv\">metrics.csv</a>",
    ] {
        assert!(page.contains(text), "{text} is not in {page}");
    }
    assert!(!page.contains("It was not drawn") && !page.contains("accuracy_se"), "{page}");
    let time = page.split_once("<time datetime=\"").and_then(|(_, rest)| rest.split_once('"')).unwrap().0;
    // Of the same length, such times are in the order of text.
    assert!(*before <= *time && *time <= *utc(SystemTime::now()), "{time}");
    // Of loss and seconds; the row that is not a number is left out of one line.
    assert_eq!(page.matches("<polyline").count(), 3, "{page}");
    assert!(!page.contains(dir.path().parent().unwrap().join("nowhere").to_str().unwrap()));
}

#[test]
fn many_epochs_are_on_a_logarithmic_axis() {
    let dir = tempdir().unwrap();
    let body = |run: &Run<'_>| {
        let mut metrics = run.folder.metrics(&["loss"], 0).unwrap();
        (1..=100).for_each(|epoch| metrics.row(epoch, &[1.0 / epoch as f64]).unwrap());
    };
    let page = page(&dir.path().join("run"), &[], body, &[]).unwrap();
    let line = page.split_once("points=\"").and_then(|(_, rest)| rest.split_once('"')).unwrap().0;
    let at: Vec<&str> = line.split(' ').map(|point| point.split_once(',').unwrap().0).collect();
    // The frame goes from 62 to 468, and 10 is halfway from 1 to 100.
    assert_eq!([at[0], at[9], at[99]], ["62.0", "265.0", "468.0"]);
    for tick in ["1", "2", "5", "10", "20", "50"] {
        let text = format!(">{tick}</text>");
        assert_eq!(page.contains(&text), ["1", "10"].contains(&tick), "{tick}");
    }
}

#[test]
#[should_panic(expected = "expected a label of the result speed, found none")]
fn a_result_without_a_label_is_refused() {
    page(&tempdir().unwrap().path().join("run"), &[], |_| (), &[("speed", 1.0)]);
}

#[test]
#[should_panic(expected = "expected Label::over for the result loss, which has a standard error, found none")]
fn a_standard_error_over_nobody_knows_what_is_refused() {
    page(&tempdir().unwrap().path().join("run"), &[], |_| (), &[("loss", 1.0), ("loss_se", 0.5)]);
}

#[test]
fn the_report_loads_nothing_and_takes_no_text_for_a_part_of_the_page() {
    let dir = tempdir().unwrap();
    let plain = page(&dir.path().join("plain"), &[], |_| (), &[]).unwrap();
    let curves = Curves {
        title: HOSTILE.to_owned(),
        labels: [HOSTILE, HOSTILE].map(str::to_owned),
        series: vec![Series::line(HOSTILE, [(0.0, 1.0)])],
    };
    let body = |run: &Run<'_>| {
        run.folder.metrics(&[HOSTILE], 0).unwrap().row(1, &[1.0]).unwrap();
        run.folder.part("b<script>").unwrap().metrics(&["x"], 0).unwrap();
        fs::write(run.picture("a.png", HOSTILE), "").unwrap();
        run.explore(Explorer::Curves(curves));
        fs::write(run.file("java<script>:alert(1)"), "").unwrap();
    };
    let page =
        page(&dir.path().join("run"), &["--note", HOSTILE, "--data", HOSTILE], body, &[(HOSTILE, 1.0)])
            .unwrap();
    let tags = |page: &str, tag: &str| page.matches(tag).count();
    // An explorer is a script of data.
    assert_eq!(tags(&page, "<script"), tags(&plain, "<script") + 1);
    assert_eq!(tags(&page, "</script"), tags(&plain, "</script") + 1);
    assert_eq!(tags(&page, "<img"), 1);
    for address in ["http:", "https:", "src=\"/", "url(", "@import", "href=\"java"] {
        let own = page.replace("http://www.w3.org/2000/svg", "");
        assert!(!own.contains(address), "{address}");
    }
}

#[test]
fn there_is_no_report_where_it_is_switched_off_or_a_result_is_not_finite() {
    let dir = tempdir().unwrap();
    assert_eq!(page(&dir.path().join("off"), &["--no-report"], |_| (), &[]), None);
    assert_eq!(page(&dir.path().join("bad"), &[], |_| (), &[("loss", f64::NAN)]), None);
    // A dry run writes it into its folder, which is removed.
    assert!(page(&dir.path().join("dry"), &["--dry-run"], |_| (), &[]).is_some());
    assert!(!dir.path().join("dry").exists());
    // A run that begins anew takes the old one away.
    let out = dir.path().join("again");
    assert!(page(&out, &[], |_| (), &[]).is_some());
    assert_eq!(page(&out, &["--force"], |_| (), &[("loss", f64::NAN)]), None);
}

#[test]
fn numbers_of_an_explorer_are_base64_of_their_bytes() {
    let dir = tempdir().unwrap();
    let matrix = |cols, values: &[f32]| Matrix::new(values.len() / cols, cols, values.to_vec());
    let plane = Plane {
        title: "A plane".to_owned(),
        size: [1, 1],
        decoder: Decoder::Network {
            layers: vec![Dense {
                inputs: 2,
                outputs: vec![Outputs { count: 1, phi: "sigmoid" }],
                takes_point: false,
            }],
            weights: vec![1.0, -2.0, 0.5],
        },
        conditions: Vec::new(),
        classes: Vec::new(),
        labels: vec![0],
        images: matrix(1, &[0.5]),
        codes: matrix(2, &[0.0, 1.0]),
        check_points: matrix(2, &[0.0, 0.0]),
        check_images: matrix(1, &[0.625]),
    };
    let scene = Scene::Images { size: [1, 2], rows: vec!["row".to_owned()], images: matrix(2, &[0.0, 7.0]) };
    let position = Position { name: "a".to_owned(), marked: true, text: String::new(), scene };
    let frames = Frames {
        title: "Frames".to_owned(),
        slider: "angle".to_owned(),
        positions: vec![position],
        start: 0,
    };
    let body = |run: &Run<'_>| {
        [Explorer::Plane(plane), Explorer::Frames(frames)].map(|it| run.explore(it)).into_iter().collect()
    };
    let page = page(dir.path(), &[], body, &[]).unwrap();
    for text in [
        "\"weights\":\"AACAPwAAAMAAAAA/\"", // 1, −2, 0.5
        "\"images\":\"gA==\"",              // 128
        "\"images\":\"AP8=\"",              // 0, 255
        "<h2 id=\"explorer-1\">Frames</h2>",
    ] {
        assert!(page.contains(text), "{text} is not in {page}");
    }
}

#[test]
fn a_gallery_links_to_reports_with_their_results_and_first_pictures() {
    let dir = tempdir().unwrap();
    let runs = [dir.path().join("out/first <b>"), dir.path().join("out/second")];
    for (i, run) in runs.iter().enumerate() {
        let body = |run: &Run<'_>| {
            for name in ["a picture.png", "another.png"] {
                fs::write(run.picture(name, "Points"), "").unwrap();
            }
            run.found("Lines were found.");
        };
        page(run, &[], body, &[("accuracy", 0.5 + 0.25 * i as f64)]).unwrap();
    }
    let path = dir.path().join("pages/gallery.html");
    fs::create_dir(dir.path().join("pages")).unwrap();
    gallery(&path, &runs).unwrap();
    let page = fs::read_to_string(&path).unwrap();
    for text in [
        "href=\"./../out/first%20%3Cb%3E/index.html\"",
        "src=\"./../out/second/a%20picture.png\"",
        "<td title=\"0.75\">0.75</td>",
        "<p>Lines were found.</p>",
    ] {
        assert!(page.contains(text), "{text} is not in {page}");
    }
    assert!(!page.contains("another.png"), "{page}");

    fs::write(runs[1].join("index.html"), "<html></html>").unwrap();
    let error = gallery(&path, &runs).unwrap_err().to_string();
    assert!(error.contains("index.html is damaged: expected the report of a run"), "{error}");
}
