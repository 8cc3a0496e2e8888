//! What pictures promise: size, contents that can be decoded, and no panic whatever the numbers.

use std::ops::Range;

use nn::picture::{Figure, ImageGrid, Panels};
use proptest::prelude::*;

use crate::decoded::{Decoded, draw};

fn wave(n: usize, shift: f64) -> impl Iterator<Item = (f64, f64)> {
    (0..n).map(move |i| (i as f64, (0.1 * i as f64 + shift).sin()))
}

/// Points as a spiral of ten classes.
fn spiral(n: usize, classes: usize) -> impl Iterator<Item = ((f64, f64), usize)> {
    (0..n).map(move |i| {
        let (sin, cos) = (2.4 * i as f64).sin_cos();
        ((i as f64 * cos, i as f64 * sin), i % classes)
    })
}

#[test]
fn an_image_grid_shows_each_value_as_a_square_of_its_grey() {
    let image: Vec<f32> = [0.0, 0.25, 0.5, 1.0, -3.0, 7.0].into();
    let picture = draw(|path| ImageGrid::new("six", 2, 3).zoom(10).row("", &image).save(path));
    let shades = [0, 64, 128, 255, 0, 255];
    let corner = picture.pixels.iter().position(|pixel| *pixel == [64; 3]).unwrap();
    let (top, left) = (corner / picture.width, corner % picture.width - 10);
    for (i, shade) in shades.into_iter().enumerate() {
        for (dy, dx) in [(0, 0), (0, 9), (9, 0), (9, 9), (5, 5)] {
            let at = (top + i / 3 * 10 + dy) * picture.width + left + i % 3 * 10 + dx;
            assert_eq!(picture.pixels[at], [shade; 3], "value {i} at {dy}, {dx}");
        }
    }
}

#[test]
fn an_image_grid_grows_with_its_images() {
    let images = vec![0.5; 30 * 64];
    let size = |picture: Decoded| (picture.width, picture.height);
    let (wide, low) = size(draw(|path| ImageGrid::new("", 8, 8).zoom(4).rows(&images, 10).save(path)));
    let (narrow, high) = size(draw(|path| ImageGrid::new("", 8, 8).zoom(4).rows(&images, 5).save(path)));
    assert_eq!((wide - narrow, high - low), (5 * (32 + 4), 3 * (32 + 4)));
}

#[test]
fn labels_of_an_image_grid_take_their_own_room() {
    let grid = || ImageGrid::new("Both", 4, 4).zoom(8).row("data", &[1.0; 32]);
    let plain = draw(|path| ImageGrid::new("Both", 4, 4).zoom(8).row("", &[1.0; 32]).save(path));
    let labelled = draw(|path| grid().columns(["a", "b"]).save(path));
    assert!(labelled.height > plain.height);
    assert!(labelled.dark() > plain.dark() + 50);
    assert_eq!(labelled.coloured(), 0);
}

#[test]
fn a_nan_in_an_image_is_red() {
    let picture = draw(|path| ImageGrid::new("NaN", 1, 2).zoom(10).row("", &[0.5, f32::NAN]).save(path));
    assert_eq!(picture.coloured(), 100);
}

#[test]
#[should_panic(expected = "ImageGrid: expected whole images of [2, 3], found 7 values")]
fn half_an_image_panics() {
    let _ = ImageGrid::new("", 2, 3).row("", &[0.0; 7]);
}

#[test]
fn lines_are_drawn_in_colours_with_a_legend() {
    let one = draw(|path| Figure::new("One").axes("x", "y").line("sine", wave(100, 0.0)).save(path));
    assert_eq!((one.width, one.height), (960, 640));
    assert!(one.coloured() > 1000, "{}", one.coloured());
    let figure =
        Figure::new("Two").axes("x", "y").line("sine", wave(100, 0.0)).line("cosine", wave(100, 1.57));
    let two = draw(|path| figure.save(path));
    assert!(two.coloured() > one.coloured(), "{}", two.coloured());
}

/// How far the coloured pixels of a figure without a legend reach: left, right, top, bottom.
fn extent(picture: &Decoded) -> [usize; 4] {
    let coloured = |&i: &usize| {
        let [r, g, b] = picture.pixels[i];
        r.abs_diff(g).max(g.abs_diff(b)) > 60
    };
    let places =
        || (0..picture.pixels.len()).filter(coloured).map(|i| (i % picture.width, i / picture.width));
    let (x, y) = (|| places().map(|p| p.0), || places().map(|p| p.1));
    [x().min(), x().max(), y().min(), y().max()].map(Option::unwrap)
}

#[test]
fn a_line_that_turns_back_ends_where_its_points_do() {
    // Where two lines nearly meet, a mitred corner reaches far beyond the shorter one. The first line of a figure is solid, the
    // second in dashes.
    let reach = |dashed: bool| {
        let needle = [(0.5, 0.45), (0.5005, 0.55), (0.501, 0.45)];
        let corners = [(0.0, 0.0), (f64::NAN, 0.0), (1.0, 1.0)];
        let figure = Figure::new("");
        let figure = if dashed {
            figure.line("", corners).line("needle", needle)
        } else {
            figure.line("needle", needle).line("", corners)
        };
        let picture = draw(|path| figure.save(path));
        let [_, _, top, bottom] = extent(&picture.columns(200..700));
        bottom - top
    };
    assert!(reach(false) < 60, "{}", reach(false));
    assert!(reach(true) < 60, "{}", reach(true));
}

#[test]
fn with_equal_axes_a_circle_is_round() {
    let circle = || (0..=100).map(|i| (f64::from(i) * 0.062_831_853).sin_cos());
    let [left, right, top, bottom] =
        extent(&draw(|path| Figure::new("").line("", circle()).equal_axes().save(path)));
    assert!((right - left).abs_diff(bottom - top) <= 2, "{left} to {right}, {top} to {bottom}");
    let [left, right, top, bottom] = extent(&draw(|path| Figure::new("").line("", circle()).save(path)));
    assert!((right - left) - (bottom - top) > 100, "{left} to {right}, {top} to {bottom}");
}

#[test]
fn error_bars_reach_from_their_low_ends_to_their_high_ones() {
    let figure = |ends| Figure::new("").points("", [(0.0, 0.0), (1.0, 1.0)]).errors("", ends);
    let [_, _, top, bottom] = extent(&draw(|path| figure([(0.5, 0.0, 1.0)]).save(path)));
    let [_, _, high, low] = extent(&draw(|path| figure([(0.5, -1.0, 2.0)]).save(path)));
    assert!(bottom - top > 400 && low - high > 400, "{top} to {bottom}, {high} to {low}");
    // Twice the range: the points come together.
    let inner = draw(|path| Figure::new("").points("", [(0.0, 0.0), (1.0, 1.0)]).save(path));
    assert!(extent(&inner)[3] - extent(&inner)[2] > 400);
}

#[test]
fn what_is_not_drawn_has_no_entry_in_the_legend() {
    let alone = draw(|path| Figure::new("").line("training", wave(50, 0.0)).save(path));
    let with = |points: Vec<(f64, f64)>| {
        draw(|path| {
            Figure::new("").line("training", wave(50, 0.0)).line("validation", points.clone()).save(path)
        })
    };
    let beside = |picture: &Decoded| {
        let rows = picture.pixels.chunks_exact(picture.width);
        rows.flat_map(|row| &row[945..]).filter(|pixel| **pixel != [255; 3]).count()
    };
    // Without a legend the frame is as wide as the picture allows.
    for none in [vec![], vec![(1.0, f64::NAN)]] {
        assert_eq!(extent(&with(none))[1], extent(&alone)[1]);
    }
    assert!(extent(&with(wave(50, 1.0).collect()))[1] != extent(&alone)[1]);
    assert_eq!(beside(&alone), 0);
}

#[test]
fn ordered_classes_go_from_light_to_dark() {
    let names = ["low", "middle", "high"];
    let point = |class: usize| {
        let picture = draw(|path| Figure::new("").ordered_classes(names, [((0.0, 0.0), class)]).save(path));
        // The point lies in the middle of a frame beside which there is a legend.
        let sum = |[r, g, b]: &[u8; 3]| u32::from(*r) + u32::from(*g) + u32::from(*b);
        let frame = picture.pixels.chunks_exact(picture.width).flat_map(|row| &row[100..750]);
        frame.filter(|[r, g, b]| r.abs_diff(*g).max(g.abs_diff(*b)) > 60).map(sum).min().unwrap()
    };
    let [low, middle, high] = [0, 1, 2].map(point);
    assert!(low > middle && middle > high, "{low}, {middle}, {high}");
}

#[test]
fn points_of_classes_are_drawn_as_shapes_or_as_their_names() {
    let shapes = draw(|path| {
        Figure::new("Wines")
            .legend("cultivar")
            .classes(["Barolo", "Grignolino", "Barbera"], spiral(90, 3))
            .save(path)
    });
    let digits = draw(|path| {
        Figure::new("Digits").classes((0..10).map(|d| d.to_string()), spiral(600, 10)).save(path)
    });
    assert!(shapes.coloured() > 3000, "{}", shapes.coloured());
    assert!(digits.coloured() > 3000, "{}", digits.coloured());
}

#[test]
fn a_legend_of_many_classes_ends_within_the_picture() {
    let picture = |classes: usize| {
        let names = (0..classes).map(|class| format!("class {class}"));
        draw(|path| Figure::new("Many").classes(names, spiral(3 * classes, classes)).save(path))
    };
    // The lowest row of the right margin with something in it.
    let lowest = |classes: usize| {
        let Decoded { width, height, pixels } = picture(classes);
        let row = |y: &usize| (width - 60..width).any(|x| pixels[y * width + x] != [255; 3]);
        ((0..height).rev().find(row).unwrap(), height)
    };
    let [(few, _), (full, _), (many, height)] = [10, 22, 1000].map(lowest);
    assert!(few < full && full <= many && many < height - 10, "{few}, {full}, {many} of {height}");
}

#[test]
fn a_test_set_of_ten_thousand_digits_stays_a_small_file() {
    draw(|path| Figure::new("MNIST").classes((0..10).map(|d| d.to_string()), spiral(10_000, 10)).save(path));
}

impl Decoded {
    /// How many pixels are about of this colour.
    fn like(&self, colour: [u8; 3]) -> usize {
        self.pixels.iter().filter(|pixel| (0..3).all(|i| pixel[i].abs_diff(colour[i]) < 4)).count()
    }
}

/// 0.3 of navy on white.
const TINT: [u8; 3] = [183, 183, 213];

#[test]
fn a_band_fills_what_lies_between_its_lines() {
    // So that all axes and their grids are the same.
    let dot = || [(0.0, 0.97), (5.0, f64::NAN), (0.0, 1.0)];
    let band = |low, high| (0..=10).map(move |i| (f64::from(i), low, high));
    let picture = draw(|path| Figure::new("band").band("a", band(0.0, 1.0)).line("a", dot()).save(path));
    let half = draw(|path| Figure::new("half").band("a", band(0.0, 0.5)).line("a", dot()).save(path));
    let (whole, half) = (picture.like(TINT), half.like(TINT));
    assert!(whole > 300_000, "{whole}");
    assert!((half as f64 / whole as f64 - 0.5).abs() < 0.02, "{half} of {whole}");
    // The grid shines through.
    let gap = draw(|path| {
        let points = band(0.0, 1.0).map(|(x, low, high)| (x, low, if x == 5.0 { f64::NAN } else { high }));
        Figure::new("gap").band("a", points).line("a", dot()).save(path)
    });
    let share = gap.like(TINT) as f64 / whole as f64;
    assert!((share - 0.8).abs() < 0.02, "{share}");
}

#[test]
fn bars_are_as_wide_and_as_high_as_they_should_be() {
    let area = |width, heights: [f64; 4]| {
        let points = heights.into_iter().enumerate().map(|(i, y)| (i as f64, y));
        draw(|path| Figure::new("bars").bars("a", width, points).save(path)).like(TINT) as f64
    };
    let [whole, half] = [1.0, 0.5].map(|width| area(width, [1.0; 4]));
    // The narrower bars have a narrower axis: 4 of 4 against 2 of 3.5.
    assert!((half / whole - 2.0 / 3.5).abs() < 0.02, "{half} of {whole}");
    let steps = area(1.0, [1.0, 0.5, 0.0, 0.5]);
    assert!((steps / whole - 0.5).abs() < 0.02, "{steps} of {whole}");
}

#[test]
fn what_has_one_name_has_one_colour_and_one_entry() {
    let picture = draw(|path| {
        let figure = (0..20).fold(Figure::new("draws"), |f, i| f.line("draw", wave(50, 0.1 * f64::from(i))));
        figure.save(path)
    });
    let navy = picture.like([16, 16, 115]);
    assert!(navy > 5_000, "{navy}");
    assert!(picture.coloured() < 3 * navy, "a second colour, {} of {navy}", picture.coloured());
}

#[test]
fn a_heat_map_shows_each_value_as_a_rectangle_of_its_colour_and_a_bar_that_explains_it() {
    let map = |values: [f64; 4]| {
        draw(|path| Figure::new("heat").heat_map("density", (0.0..1.0, 0.0..1.0), 2, values).save(path))
    };
    let picture = map([0.0, 1.0, f64::NAN, 1.0]);
    let (lowest, highest) = (picture.like([255, 250, 235]), picture.like([128, 34, 62]));
    assert!((lowest as f64 / highest as f64 - 0.5).abs() < 0.02, "{lowest}, {highest}");
    // The first row is the lowest: the cell that is light there is NaN, and white, above.
    let light = |(i, pixel): (usize, &[u8; 3])| (*pixel == [255, 250, 235]).then_some(i / picture.width);
    let top = picture.pixels.iter().enumerate().find_map(light).unwrap();
    assert!(top > picture.height / 2 - 40, "{top}");
    map([2.0; 4]);
    map([0.0; 4]);
    map([1e308; 4]);
    map([f64::NAN; 4]);
    map([f64::INFINITY, -1e308, 1e308, 0.0]);
}

#[test]
fn a_matrix_is_drawn_as_it_is_written_and_its_signs_differ_in_hue() {
    let names = |names: [&str; 2]| names.map(String::from);
    let figure = |values: [f64; 4]| {
        Figure::new("").matrix("", (&names(["first", "second"]), &names(["a", "b"])), values)
    };
    // Whether there are warm and cold colours in the quarters of the frame, row after row.
    let hues = |values| {
        let picture = draw(|path| figure(values).save(path));
        let hue = |rows: Range<usize>, columns: Range<usize>| {
            let pixels = rows.flat_map(|row| columns.clone().map(move |column| row * picture.width + column));
            let count = |is: fn([u8; 3]) -> bool| pixels.clone().filter(|&i| is(picture.pixels[i])).count();
            [count(|[r, _, b]| r > b.saturating_add(60)), count(|[r, _, b]| b > r.saturating_add(60))]
                .map(|pixels| pixels > 1000)
        };
        let (top, bottom) = (70..300, 330..550);
        let (left, right) = (150..420, 480..750);
        [
            hue(top.clone(), left.clone()),
            hue(top, right.clone()),
            hue(bottom.clone(), left),
            hue(bottom, right),
        ]
    };
    let (warm, cold, none) = ([true, false], [false, true], [false, false]);
    assert_eq!(hues([5.0, -5.0, 0.0, 5.0]), [warm, cold, none, warm]);
    assert_eq!(hues([0.0, 0.0, 5.0, 0.0]), [none, none, warm, none]);
}

#[test]
#[should_panic(expected = "Figure: expected 1 rows of 2 cells, found 3 values")]
fn a_matrix_of_another_size_panics() {
    let names = ["a".to_owned(), "b".to_owned()];
    let _ = Figure::new("").matrix("", (&names[..1], &names), [1.0, 2.0, 3.0]);
}

/// A surface of 10 by 10 values, which are given by their places (column, row).
fn surface(value: impl Fn(usize, usize) -> f64) -> Decoded {
    let values = (0..100).map(|i| value(i % 10, i / 10));
    draw(|path| Figure::new("").surface("height", (0.0..1.0, 0.0..1.0), 10, values).save(path))
}

#[test]
fn what_is_nearer_on_a_surface_hides_what_is_behind_it() {
    let wall = |at| move |_, row| f64::from(u8::from(row == at));
    let with_post = |at: usize, post: (usize, usize)| {
        surface(move |column, row| if (column, row) == post { 0.3 } else { wall(at)(column, row) }).pixels
    };
    assert!(surface(wall(1)).pixels == with_post(1, (5, 4)), "the post stands behind the wall");
    assert!(surface(wall(8)).pixels != with_post(8, (5, 4)), "the post stands in front of the wall");
}

#[test]
fn a_surface_is_darker_the_higher_it_is_and_has_holes_where_there_are_no_numbers() {
    let dark = |picture: &Decoded| {
        picture.pixels.iter().filter(|[r, g, _]| r.saturating_sub(*g) > 60 && *g < 70).count()
    };
    let (low, high) = (|column: usize, _| if column == 5 { 1.0 } else { 0.1 }, |_: usize, _| 1.0);
    assert!(dark(&surface(high)) > 4 * dark(&surface(low)));
    let holed = surface(|column, row| if (column, row) == (5, 5) { f64::NAN } else { 1.0 });
    assert!(holed.coloured() < surface(high).coloured());
    surface(|_, _| f64::NAN);
    surface(|_, _| 0.0);
}

#[test]
fn what_lies_outside_a_heat_map_is_left_out() {
    let figure = || Figure::new("").heat_map("", (0.0..1.0, 0.0..1.0), 1, [0.0]);
    let inside = draw(|path| figure().line("a", [(0.1, 0.5), (0.9, 0.5)]).save(path));
    let outside = draw(|path| figure().line("a", [(0.1, 1.5), (0.9, 1.5)]).save(path));
    assert!(inside.like([16, 16, 115]) > 500);
    assert_eq!(outside.like([16, 16, 115]), 0);
}

#[test]
#[should_panic(expected = "Figure: expected whole rows of 2 cells, found 5 values")]
fn half_a_row_of_heat_panics() {
    let _ = Figure::new("").heat_map("", (0.0..1.0, 0.0..1.0), 2, [0.0; 5]);
}

#[test]
#[should_panic(expected = "Figure: expected one heat map, found a second")]
fn a_second_heat_map_panics() {
    let range = || (0.0..1.0, 0.0..1.0);
    let _ = Figure::new("").heat_map("", range(), 1, [0.0]).heat_map("", range(), 1, [0.0]);
}

#[test]
fn panels_are_figures_side_by_side() {
    let figure = |shift| Figure::new("panel").axes("x", "y").line("sine", wave(50, shift));
    let size = |picture: &Decoded| (picture.width, picture.height);
    let one = draw(|path| Panels::new("One", 3).figure(figure(0.0)).save(path));
    let four = (0..4).fold(Panels::new("Four", 3), |panels, i| panels.figure(figure(f64::from(i))));
    let four = draw(|path| four.save(path));
    assert_eq!(size(&one), (560, 48 + 440));
    assert_eq!(size(&four), (3 * 560, 48 + 2 * 440));
    assert!(four.coloured() > 3 * one.coloured(), "{} and {}", one.coloured(), four.coloured());
    draw(|path| Panels::new("None", 2).save(path));
}

#[test]
fn panels_with_shared_heights_can_be_compared() {
    let panels = |shared: bool| {
        let flat = Figure::new("").line("", [(0.0, -1.0), (1.0, 1.0)]);
        let steep = Figure::new("").line("", [(0.0, -10.0), (1.0, 10.0)]);
        let panels = Panels::new("", 2).figure(flat).figure(steep);
        let panels = if shared { panels.shared_heights() } else { panels };
        let picture = draw(|path| panels.save(path));
        let [_, _, top, bottom] = extent(&picture.columns(0..560));
        bottom - top
    };
    let (own, shared) = (panels(false), panels(true));
    assert!((8..12).contains(&(own / shared)), "{own}, {shared}");
}

#[test]
fn panels_with_shared_colours_can_be_compared() {
    // How dark the left of two maps is, without its bar.
    let panels = |shared: bool| {
        let map = |most: f64| Figure::new("").heat_map("", (0.0..2.0, 0.0..1.0), 2, [0.0, most]);
        let panels = Panels::new("", 2).figure(map(1.0)).figure(map(10.0));
        let panels = if shared { panels.shared_colours() } else { panels };
        let picture = draw(|path| panels.save(path));
        let left = picture.pixels.chunks_exact(picture.width).flat_map(|row| &row[100..400]);
        left.map(|pixel| u64::from(255 - pixel[1])).sum::<u64>()
    };
    let (own, shared) = (panels(false), panels(true));
    assert!(own > 3 * shared, "{own}, {shared}");
}

#[test]
fn panels_explain_what_any_of_their_figures_shows_and_nothing_twice() {
    let figure = |names: [&str; 2]| {
        names.iter().fold(Figure::new("panel"), |figure, name| figure.line(name, wave(50, 0.0)))
    };
    // How much is written beside the frames, which are 560 pixels wide.
    let written = |pairs: &[[&str; 2]]| {
        let panels = pairs.iter().fold(Panels::new("", 1), |panels, names| panels.figure(figure(*names)));
        let picture = draw(|path| panels.save(path));
        let beside = picture.pixels.chunks_exact(picture.width).flat_map(|row| &row[560..]);
        beside.filter(|pixel| **pixel != [255; 3]).count()
    };
    let (one, other) = (written(&[["wide", "narrow"]]), written(&[["left", "right"]]));
    assert!(one > 200 && other > 200, "{one} and {other}");
    assert_eq!(written(&[["wide", "narrow"], ["left", "right"]]), one + other);
    assert_eq!(written(&[["wide", "narrow"], ["wide", "narrow"]]), one);
}

#[test]
#[should_panic(expected = "Panels: expected at least one figure in a row")]
fn panels_without_columns_panic() {
    Panels::new("", 0);
}

#[test]
#[should_panic(expected = "Figure: expected a class of")]
fn a_class_without_a_name_panics() {
    let _ = Figure::new("").classes(["one", "two"], spiral(3, 3));
}

#[test]
fn what_cannot_be_shown_leaves_gaps() {
    let strange = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -1.0, 0.0, 1.0, 1e308, -1e308, 5e-324];
    let points = || strange.into_iter().flat_map(|x| strange.map(|y| (x, y)));
    draw(|path| Figure::new("linear").line("strange", points()).save(path));
    draw(|path| Figure::new("log").log_x().log_y().line("strange", points()).save(path));
    draw(|path| Figure::new("nothing").log_y().line("none", [(0.0, -1.0)]).save(path));
    draw(|path| Figure::new("empty").save(path));
    let alone = draw(|path| Figure::new("one point").line("alone", [(1e9, 1e-9)]).save(path));
    assert!(alone.coloured() > 10);
}

#[test]
fn a_picture_that_cannot_be_written_is_named() {
    let error = Figure::new("").save("no/such/picture.png".as_ref()).unwrap_err();
    assert!(error.to_string().starts_with("cannot write the picture no/such/picture.png: "), "{error}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn any_numbers_can_be_drawn(
        points in prop::collection::vec((any::<f64>(), any::<f64>()), 0..20),
        log in any::<(bool, bool)>(),
        scale in -320..300,
    ) {
        let tiny = points.iter().map(|(x, y)| (x.fract() * 10_f64.powi(scale), 1.0 + y.fract() * 1e-12));
        for points in [points.clone(), tiny.collect()] {
            let figure = Figure::new("any")
                .band("a", points.iter().map(|&(x, y)| (x, y, x)))
                .bars("c", 0.5, points.clone())
                .line("a", points.clone())
                .classes(["b"], points.into_iter().map(|p| (p, 0)));
            let figure = if log.0 { figure.log_x() } else { figure };
            let figure = if log.1 { figure.log_y() } else { figure };
            draw(|path| figure.save(path));
        }
    }
}
