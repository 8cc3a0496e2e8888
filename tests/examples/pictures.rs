//! Makes the pictures of the README's gallery again:
//!
//!     cargo run --release -p tests --example pictures
//!     cargo run --release -p tests --example pictures -- digits coin
//!
//! Each cell of the gallery names a picture, the command that makes it, and which file of the command's output it is. The command
//! runs, and the file takes the picture's place, smaller if it has more than 100 kB. Commands that need data which is not
//! embedded read it below the folder `$DATA_DIR` (`mnist`, `frey`), and are left out where it is not set.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, ensure};
use clap::Parser;
use image::codecs::png::{CompressionType, FilterType, PngEncoder};
use image::imageops::FilterType::CatmullRom;
use nn::{errln, outln};

/// Makes the pictures of the README's gallery again
#[derive(Parser)]
struct Args {
    /// Only those of these examples
    examples: Vec<String>,
}

/// A cell of the gallery.
struct Cell<'a> {
    picture: &'a str,
    command: &'a str,
    file: &'a str,
}

impl<'a> Cell<'a> {
    /// Reads `[![…](PICTURE)](PICTURE) … `COMMAND` … `FILE``.
    fn read(cell: &'a str) -> Option<Self> {
        let picture = cell.split_once("](")?.1.split_once(')')?.0;
        let mut quoted = cell.split('`').skip(1).step_by(2);
        Some(Self { picture, command: quoted.next()?, file: quoted.next()? })
    }

    fn example(&self) -> &'a str {
        let mut words = self.command.split(' ').skip_while(|word| *word != "--example");
        words.nth(1).unwrap_or_default()
    }
}

fn main() -> anyhow::Result<()> {
    let Args { examples } = Args::parse();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("expected a workspace")?;
    let readme = fs::read_to_string(root.join("README.md"))?;
    let gallery = readme.split_once("\n## Gallery\n").context("README.md: expected a section Gallery")?.1;
    let gallery = gallery.split("\n## ").next().unwrap_or_default();
    let rows = gallery.lines().filter(|line| line.starts_with('|'));
    let cells: Vec<_> = rows.flat_map(|row| row.split('|')).filter_map(Cell::read).collect();
    ensure!(!cells.is_empty(), "README.md: expected cells with a picture, a command and a file, found none");
    let out = tempfile::tempdir()?;
    for cell in cells {
        if !examples.is_empty() && !examples.iter().any(|example| example == cell.example()) {
            continue;
        }
        let Some(folder) = run(root, out.path(), &cell)? else {
            errln!("left out, since DATA_DIR is not set: {}", cell.command);
            continue;
        };
        let bytes = small(&folder.join(cell.file))?;
        outln!("{} has {} kB", cell.picture, bytes.len() / 1000);
        fs::write(root.join(cell.picture), bytes)?;
    }
    Ok(())
}

/// Runs the command of a cell and returns the folder of its run; none if it needs data that are not here. Two cells of one
/// command share a run.
fn run(root: &Path, out: &Path, cell: &Cell<'_>) -> anyhow::Result<Option<PathBuf>> {
    let mut words: Vec<String> = cell.command.split(' ').map(String::from).collect();
    if let Some(word) = words.iter_mut().find(|word| *word == "DIR") {
        let Ok(data) = std::env::var("DATA_DIR") else { return Ok(None) };
        let set = if cell.example() == "faces" { "frey" } else { "mnist" };
        *word = format!("{data}/{set}");
    }
    let name: String = cell.command.chars().filter(|c| c.is_alphanumeric()).collect();
    let folder = out.join(name);
    if !folder.exists() {
        if !words.iter().any(|word| word == "--") {
            words.push("--".into());
        }
        outln!("{}", cell.command);
        let status = Command::new(env!("CARGO"))
            .current_dir(root)
            .args(&words[1..])
            .arg("--out")
            .arg(&folder)
            .status()?;
        ensure!(status.success(), "{}: {status}", cell.command);
    }
    Ok(Some(folder))
}

/// The picture as a file of at most 100 kB, if need be with fewer pixels.
fn small(file: &Path) -> anyhow::Result<Vec<u8>> {
    let bytes = fs::read(file).with_context(|| format!("{}", file.display()))?;
    if bytes.len() <= 100_000 {
        return Ok(bytes);
    }
    let picture = image::load_from_memory(&bytes)?;
    for percent in (30..100).rev().step_by(5) {
        let [width, height] = [picture.width(), picture.height()].map(|side| side * percent / 100);
        let smaller = picture.resize_exact(width, height, CatmullRom);
        let mut bytes = Vec::new();
        let encoder = PngEncoder::new_with_quality(&mut bytes, CompressionType::Best, FilterType::Adaptive);
        smaller.write_with_encoder(encoder)?;
        if bytes.len() <= 100_000 {
            return Ok(bytes);
        }
    }
    anyhow::bail!("{}: has more than 100 kB at 30 % of its size", file.display())
}
