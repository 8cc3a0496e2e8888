//! Legends: what the colours, dashes and shapes of figures mean.

use super::canvas::{Align, Canvas, INK, Point, text_width};
use super::figure::Figure;
use super::style::Style;

const TEXT: f64 = 17.0;
const LINE: f64 = 26.0;
const SAMPLE: f64 = 40.0;
const MARGIN: f64 = 20.0;

/// Headings, each with names and the styles that these have in the frame.
pub(super) struct Legend<'a>(Vec<(&'a str, Vec<Entry<'a>>)>);

pub(super) type Entry<'a> = (&'a str, Vec<Style>);

impl<'a> Legend<'a> {
    /// The legend of all these figures. What several of them show has one entry.
    pub(super) fn of(figures: impl IntoIterator<Item = &'a Figure>) -> Self {
        let mut parts: Vec<(&str, Vec<Entry<'a>>)> = Vec::new();
        for figure in figures {
            for (name, styles) in figure.entries() {
                let at = parts.iter().position(|(heading, _)| *heading == figure.heading());
                let at = at.unwrap_or_else(|| {
                    parts.push((figure.heading(), Vec::new()));
                    parts.len() - 1
                });
                let entries = &mut parts[at].1;
                // A thing may be an area in one figure and a line in another.
                let same = |(other, known): &&mut Entry<'a>| {
                    *other == name && known.iter().zip(&styles).all(|(a, b)| a.colour() == b.colour())
                };
                match entries.iter_mut().find(same) {
                    Some((_, known)) => {
                        let new: Vec<Style> =
                            styles.into_iter().filter(|style| !known.contains(style)).collect();
                        known.extend(new);
                    }
                    None => entries.push((name, styles)),
                }
            }
        }
        Self(parts)
    }

    /// The width that it takes beside a frame.
    pub(super) fn width(&self) -> f64 {
        let width = |(heading, entries): &(&str, Vec<Entry<'a>>)| {
            let names = entries.iter().map(|(name, _)| SAMPLE + text_width(name, TEXT));
            names.fold(text_width(heading, TEXT), f64::max)
        };
        self.0.iter().map(width).reduce(f64::max).map_or(0.0, |width| width + MARGIN)
    }

    /// Draws it down to `bottom`. A last line counts the entries for which there is no room.
    pub(super) fn draw(&self, canvas: &Canvas<'_>, (x, top): Point, bottom: f64) {
        let mut y = top + TEXT / 2.0;
        for (part, (heading, entries)) in self.0.iter().enumerate() {
            if part > 0 {
                y += LINE / 2.0;
            }
            if !heading.is_empty() {
                canvas.text(heading, TEXT, (x, y), Align::Left, INK);
                y += LINE;
            }
            let room = ((bottom - y) / LINE).max(0.0) as usize + 1;
            let shown = if entries.len() <= room { room } else { room - 1 };
            for (name, styles) in entries.iter().take(shown) {
                styles.iter().for_each(|style| style.sample(canvas, (x, y), SAMPLE - 8.0));
                if !styles.iter().any(Style::is_name) {
                    canvas.text(name, TEXT, (x + SAMPLE, y), Align::Left, INK);
                }
                y += LINE;
            }
            if entries.len() > shown {
                let more = format!("and {} more", entries.len() - shown);
                canvas.text(&more, TEXT, (x, y), Align::Left, INK);
                y += LINE;
            }
        }
    }
}
