//! Images of one's own, in folders of their classes.

use std::fs;

use nn::data::ImageFormat;
use nn::model::{Model, ModelFile, TrainedOn};
use vae::Vae;

use crate::{error, folder, result, run, text};

#[test]
fn classify_takes_its_classes_from_folders_and_learns_to_tell_them_apart() {
    let dir = folder();
    // Two classes are enough, and there may be more than ten.
    for count in [2, 3, 12] {
        for class in 3..count {
            let name = dir.path().join(format!("own/stroke {class:02}"));
            fs::create_dir_all(&name).unwrap();
            for i in 0..8 {
                // A stroke in a place of its own.
                let stroke = |x, y| image::Luma([if x as usize == class - 3 && y > i % 2 { 255 } else { 0 }]);
                image::GrayImage::from_fn(9, 8, stroke).save(name.join(format!("{i}.png"))).unwrap();
            }
        }
        if count == 2 {
            fs::rename(dir.path().join("own/dot"), dir.path().join("dot")).unwrap();
        } else if count == 3 {
            fs::rename(dir.path().join("dot"), dir.path().join("own/dot")).unwrap();
        }
        let flags = ["--images", "own", "--epochs", "60", "--out", "run", "--force"];
        let output = run("classify", &flags, dir.path());
        assert!(output.status.success(), "{}", text(&output.stderr));
        let stdout = text(&output.stdout);
        assert!(
            stdout.starts_with("own: ") && stdout.contains("8x9 grey pixels; classes bar, cross"),
            "{stdout}"
        );
        assert!(
            text(&output.stderr).contains("note: 1 other file (bar/notes.txt) left out"),
            "{}",
            text(&output.stderr)
        );
        let rows: Vec<&str> = stdout.lines().skip_while(|line| !line.contains("recognised")).collect();
        assert!(rows[1].trim().starts_with("bar ") && rows[2].trim().starts_with("cross "), "{stdout}");
        assert!(rows[count].contains(&(count - 1).to_string()), "{stdout}");
        let results = result(&output);
        let accuracy = results.iter().find(|(name, _)| name == "accuracy").unwrap().1;
        assert!(accuracy >= 0.75, "{count} classes: {results:?}");
        assert!(dir.path().join("run/confusion.png").is_file());
    }
}

#[test]
fn mnist_learns_images_of_a_folder_with_or_without_classes_and_keeps_how_they_were_read() {
    let dir = folder();
    let brief = ["--epochs", "3", "--latent", "2", "--importance-samples", "2", "--out", "run", "--force"];
    for (images, classes) in
        [("own", "classes bar, cross, dot"), ("own/dot", "no classes, which would be subfolders")]
    {
        let flags = [&["--images", images, "--invert", "--size", "6x8"][..], &brief].concat();
        let output = run("mnist", &flags, dir.path());
        assert!(output.status.success(), "{}", text(&output.stderr));
        assert!(text(&output.stdout).contains(classes), "{}", text(&output.stdout));
        let file = ModelFile::load(dir.path().join("run")).unwrap();
        let (vae, theta) = Vae::from_file::<f32>(&file).unwrap();
        let format = ImageFormat::of_file(&file, vae.config().inputs).unwrap();
        assert_eq!(
            (format.height, format.width, format.invert, theta.len()),
            (6, 8, true, vae.layout().size())
        );
        let trained_on: TrainedOn = file.get(TrainedOn::ENTRY).unwrap();
        let count = if images == "own" { 48 } else { 16 };
        assert_eq!((trained_on.data.as_str(), trained_on.rows), (images.rsplit('/').next().unwrap(), count));
        assert!(dir.path().join("run/latent.png").is_file());
    }
}

#[test]
fn anomalies_leaves_out_the_class_that_is_named() {
    let dir = folder();
    let brief = ["--images", "own", "--epochs", "20", "--latent", "2", "--samples", "4", "--seeds", "2"];
    for (flags, left_out) in [(&["--unknown", "cross"][..], &["cross"][..]), (&[], &["bar", "cross", "dot"])]
    {
        let output = run("anomalies", &[&brief, flags, &["--out", "run", "--force"]].concat(), dir.path());
        assert!(output.status.success(), "{}", text(&output.stderr));
        let stdout = text(&output.stdout);
        let named: Vec<&str> = stdout
            .lines()
            .filter_map(|line| line.split_whitespace().next())
            .filter(|name| ["bar", "cross", "dot"].contains(name))
            .collect();
        assert_eq!(named, left_out, "{stdout}");
        assert!(!stdout.contains("NaN"), "{stdout}");
        assert!(result(&output).iter().all(|(_, value)| value.is_finite()), "{:?}", result(&output));
    }
    fs::remove_file(dir.path().join("own/bar/notes.txt")).unwrap();
    let line = error("anomalies", &[&brief[..], &["--unknown", "ring", "--out", "x"]].concat(), dir.path());
    assert!(
        line.contains("--unknown ring: there is no such class; expected one of bar, cross, dot"),
        "{line}"
    );
}

#[test]
fn folders_that_cannot_be_learned_from_are_refused_with_what_to_do() {
    let dir = folder();
    fs::create_dir(dir.path().join("empty")).unwrap();
    fs::create_dir(dir.path().join("few")).unwrap();
    fs::copy(dir.path().join("own/dot/1.png"), dir.path().join("few/1.png")).unwrap();
    fs::create_dir(dir.path().join("broken")).unwrap();
    fs::write(dir.path().join("broken/1.png"), "no image").unwrap();
    for program in ["mnist", "classify", "anomalies"] {
        for (flags, wanted) in [
            (&["--images", "empty"][..], "empty: expected .png, .jpg or .jpeg files"),
            (&["--images", "nowhere"], "nowhere: cannot be opened"),
            (
                &["--images", "broken"],
                "1.png: expected a PNG or JPEG image, found a file that begins with \"no image\"",
            ),
            (
                &["--images", "few"],
                if program == "mnist" { "at least 10 images" } else { "in two folders or more" },
            ),
            (&["--invert"], "--invert: there are no images to read"),
        ] {
            let output = run(program, &[flags, &["--out", "x"]].concat(), dir.path());
            assert_eq!(output.status.code(), Some(1), "{program} {flags:?}");
            let line = text(&output.stderr);
            assert!(
                line.starts_with("error: ") && line.contains(wanted) && line.lines().count() == 1,
                "{flags:?}: {line}"
            );
        }
    }
    let line = error("classify", &["--images", "own/dot", "--out", "x"], dir.path());
    assert!(
        line.contains("expected the images in two folders or more, one for each class, found 0"),
        "{line}"
    );
    assert!(!dir.path().join("x").exists(), "a run was begun without images");
}

#[test]
fn programs_of_images_keep_the_model_that_they_recommend() {
    let mnist = ["--data", "mnist", "--epochs", "1", "--out", "run", "--force"];
    let seeds = ["--seeds", "2", "--samples", "2"];
    let few = ["--importance-samples", "2"];
    for (program, flags, says, rows) in [
        ("mnist", &few[..], "", 40),
        ("mnist", &["--importance-samples", "2", "--protocol", "lecture"], "", 20),
        ("mnist", &["--importance-samples", "2", "--protocol", "iwae"], "", 20),
        ("conditional", &seeds, "the conditional VAE of the first seed", 40),
        ("noise_level", &[&["--sigmas", "0.1,1"], &seeds[..]].concat(), "σ² learned, of the first seed", 40),
        ("posterior_family", &seeds, "full covariance, of the first seed", 40),
        ("amortisation", &["--rows", "10"], "amortised inference", 10),
        (
            "anomalies",
            &[&["--unknown", "3"], &seeds[..]].concat(),
            "the VAE of the first seed, which does not know 3",
            36,
        ),
        ("faces", &["--data", "frey", "--sweeps", "2", "--steps", "2"], "", 24),
    ] {
        let dir = folder();
        let flags = if program == "faces" { [&mnist[2..], flags].concat() } else { [&mnist, flags].concat() };
        let output = run(program, &flags, dir.path());
        assert!(output.status.success(), "{program} {flags:?}: {}", text(&output.stderr));
        let stdout = text(&output.stdout);
        let named =
            stdout.lines().find_map(|line| line.strip_prefix("the model that is recommended and kept: "));
        assert_eq!(named.unwrap_or_default(), says, "{program}: {stdout}");
        let file = ModelFile::load(dir.path().join("run")).unwrap();
        let (vae, _) = Vae::from_file::<f32>(&file).unwrap();
        let format = ImageFormat::of_file(&file, vae.config().inputs).unwrap();
        assert_eq!([format.height, format.width], if program == "faces" { [28, 20] } else { [28, 28] });
        let trained_on: TrainedOn = file.get(TrainedOn::ENTRY).unwrap();
        assert_eq!(trained_on.data, if program == "faces" { "frey" } else { "mnist" });
        assert_eq!(trained_on.rows, rows, "{program} {flags:?}");
        let conditions = if program == "conditional" { 10 } else { 0 };
        assert_eq!(vae.config().conditions, conditions);
        assert_eq!(file.get::<Vec<String>>("conditions").map_or(0, |names| names.len()), conditions);
    }
    // What compares only keeps none.
    for (program, flags) in [
        ("autoencoder_vs_vae", &["--latent", "2"][..]),
        ("learning_rate", &[]),
        ("anomalies", &seeds),
        ("mnist", &["--latent", "2,3"]),
    ] {
        let dir = folder();
        let output = run(program, &[&mnist, flags].concat(), dir.path());
        assert!(output.status.success(), "{program}: {}", text(&output.stderr));
        assert!(!dir.path().join("run/model.safetensors").exists(), "{program}");
    }
}
