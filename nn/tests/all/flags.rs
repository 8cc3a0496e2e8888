//! What the flags that programs share are read into.

use clap::Parser;
use nn::data::{Header, Separator, TableOptions};
use nn::model::Nonlinearity;
use nn::run::{ImageArgs, RunArgs, TableArgs, check_row, level, parse, positive, share, whole};
use tempfile::tempdir;

use crate::run::{DEFAULTS, flags};

#[test]
fn flags_are_parsed_into_numbers_activations_and_a_fit() {
    assert_eq!((whole("3"), positive("0.5"), share("0.5")), (Ok(3), Ok(0.5), Ok(0.5)));
    for wrong in ["0", "1", "-0.5", "NaN", "x"] {
        assert_eq!(share(wrong), Err("expected a number between 0 and 1".to_owned()), "{wrong}");
    }
    assert_eq!((level("1e-6"), level("0.999999")), (Ok(1e-6), Ok(0.999999)));
    for wrong in ["0", "1e-13", "0.999999999999", "1", "NaN", "x"] {
        assert_eq!(
            level(wrong),
            Err("expected a probability from 0.000001 to 0.999999".to_owned()),
            "{wrong}"
        );
    }
    assert!(check_row(7, [1.0, -0.0]).is_ok());
    let error = check_row(7, [1.0, f32::NAN]).unwrap_err().to_string();
    assert!(error.starts_with("row 7: expected finite numbers of the model, found NaN"), "{error}");
    let args = flags("--phi leaky-relu --epochs 7 --batch-size 9 --lr 0.25").unwrap();
    assert_eq!(Nonlinearity::from(args.phi), Nonlinearity::LeakyRelu(0.01));
    assert_eq!(serde_json::to_value(&args).unwrap()["phi"], "leaky-relu");
    assert!(flags("--phi step").unwrap_err().to_string().contains("leaky-relu"));
    let fit = args.run.fit();
    assert_eq!((fit.epochs, fit.batch_size, fit.rate, fit.rows), (7, 9, 0.25, None));
    let fit = flags("--dry-run").unwrap().run.fit();
    assert_eq!((fit.epochs, fit.batch_size, fit.rows), (1, 64, Some(64)));
}

/// An example of an example with a table.
#[derive(Debug, Parser, serde::Serialize)]
struct Tabular {
    #[command(flatten)]
    #[serde(flatten)]
    run: RunArgs,
    #[command(flatten)]
    #[serde(flatten)]
    table: TableArgs,
}

#[test]
fn flags_decide_how_a_table_is_read() {
    let tabular = |flags: &[&str]| parse::<Tabular>(DEFAULTS, [&["example"], flags].concat());
    let given = [
        "--ignore",
        "id",
        "--ignore=3",
        "--separator",
        ";",
        "--header",
        "no",
        "--missing",
        "-999",
        "--missing=n/a",
        "--comment",
        "%",
    ];
    let args = tabular(&[&given[..], &["--decimal-comma"]].concat()).unwrap();
    let options = TableOptions {
        ignore: ["id", "3"].map(String::from).to_vec(),
        separator: Separator::Semicolon,
        header: Header::Absent,
        decimal_comma: true,
        comment: Some('%'),
        missing: true,
        marks: ["-999", "n/a"].map(String::from).to_vec(),
        ..TableOptions::default()
    };
    assert_eq!(args.table.options(true), options);
    let json = serde_json::to_value(&args).unwrap();
    assert_eq!(
        (&json["separator"], &json["header"], &json["missing"][0]),
        (&"semicolon".into(), &"no".into(), &"-999".into())
    );
    let refused = args.table.without_table().unwrap_err();
    assert!(refused.to_string().starts_with("--ignore: there is no table"), "{refused}");
    for (flag, wrong) in
        [("--separator", "x"), ("--header", "maybe"), ("--comment", "//"), ("--comment", "\"")]
    {
        assert!(tabular(&[flag, wrong]).unwrap_err().to_string().contains(flag), "{wrong}");
    }
    // A flag behind --missing is not its text.
    assert!(tabular(&["--missing", "--dry-run"]).is_err());
    // Without flags all is guessed, and a run that was begun before there were such flags can go on.
    let args = tabular(&[]).unwrap();
    assert_eq!(args.table.options(false), TableOptions::default());
    assert!(args.table.without_table().is_ok());
    let keys = |value: serde_json::Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(keys(serde_json::to_value(&args).unwrap()), keys(serde_json::to_value(&args.run).unwrap()));
}

/// An example that reads images.
#[derive(Debug, Parser, serde::Serialize)]
struct Pictured {
    #[command(flatten)]
    #[serde(flatten)]
    run: RunArgs,
    #[command(flatten)]
    #[serde(flatten)]
    images: ImageArgs,
}

#[test]
fn flags_say_how_images_are_read_and_want_images() {
    let parsed =
        |flags: &str| parse::<Pictured>(DEFAULTS, ["example"].into_iter().chain(flags.split_whitespace()));
    let dir = tempdir().unwrap();
    let image = image::GrayImage::from_pixel(2, 3, image::Luma([51]));
    image.save(dir.path().join("a.png")).unwrap();
    let folder = format!("--images {}", dir.path().display());
    let read = |flags: &str| parsed(&format!("{folder} {flags}")).unwrap().images.read().unwrap().unwrap();
    assert_eq!((read("").set.height, read("").set.width), (3, 2));
    let inverted = read("--invert --size 4x5 --backdrop black --skip-damaged");
    assert_eq!((inverted.set.height, inverted.set.width, inverted.set.images.row(0)[0]), (4, 5, 0.8));

    assert!(parsed("").unwrap().images.read().unwrap().is_none());
    for (flag, name) in
        [("--invert", "--invert"), ("--backdrop white", "--backdrop"), ("--skip-damaged", "--skip-damaged")]
    {
        let error = parsed(flag).unwrap().images.read().unwrap_err().to_string();
        assert!(error.starts_with(name) && error.contains("by --images"), "{error}");
    }
    for wrong in [
        "--size 3x4",
        "--data x --images y",
        "--images x --size 0x3",
        "--images x --size 28",
        "--images x --size 5000x2",
    ] {
        assert_eq!(parsed(wrong).unwrap_err().exit_code(), 2, "{wrong}");
    }
    // Nothing about images in the flags of a run without.
    let json = serde_json::to_value(parsed("").unwrap()).unwrap();
    assert!(["images", "size", "invert", "backdrop"].iter().all(|flag| json.get(flag).is_none()), "{json}");
}
