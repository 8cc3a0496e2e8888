//! New rows of a table: coordinates, clusters, scores, filled gaps.

use std::path::Path;

use anyhow::ensure;
use nn::data::{Matrix, Preprocessing, Table};
use nn::run::{Application, Counter, Output, Outside, Unknown, check_row, counted, say};
use nn::{errln, outln};
use vae::RowSeed;

use crate::rows::{CENTRES, Rows, gaps, imputation};
use crate::{Args, Trained};

/// A model of a table.
struct Model<'a> {
    trained: &'a Trained,
    preprocessing: Preprocessing,
    /// The means of the codes of the clusters, (clusters, latent).
    centres: Matrix<f64>,
}

pub(crate) fn apply(args: &Args, trained: &Trained, csv: &Path) -> anyhow::Result<()> {
    let model = Model::new(trained)?;
    let colour = model.preprocessing.colour.clone();
    let mut reader = args.format.open(csv, &model.preprocessing, true, &colour.iter().collect::<Vec<_>>())?;
    let colour = colour.and_then(|colour| reader.names().iter().position(|name| *name == colour));
    let colour_name = colour.map(|j| reader.names()[j].clone());
    let run = Application::open(&args.apply, args)?;

    let mut table = Rows::csv(trained.vae.latent(), colour_name.as_deref());
    let mut rows_file = Output::begin(run.file("rows.csv"))?;
    let mut imputed_file = Output::begin(run.file("imputed.csv"))?;
    let (mut total, progress) = (Total::default(), Counter::new("rows", 0));
    let most = if args.apply.dry_run { 16 } else { rows_at_once(args.batch_size, reader.names().len()) };
    let mut notes = Vec::new();
    while let Some(part) = reader.read(most)? {
        notes = part.notes();
        if total.rows == 0 {
            imputed_file.write(part.write_header().as_bytes())?;
        }
        let inputs = model.preprocessing.inputs_of(&part)?;
        let (rows, filled) = model.compute(&inputs, total.rows)?;
        for (i, bound) in rows.bounds.iter().enumerate() {
            let numbers = rows.codes.row(i).iter().chain(filled.row(i));
            check_row(total.rows + i + 1, numbers.map(|x| f64::from(*x)).chain([bound.value]))?;
        }
        let clusters: Vec<usize> = (0..rows.codes.rows).map(|i| model.nearest(rows.codes.row(i))).collect();
        rows.write(
            &mut table,
            total.rows,
            &clusters,
            |row| total.outside.cell(&model.preprocessing, inputs.values.row(row)),
            colour.map(|j| {
                let part = &part;
                move |row| part.text(row, j)
            }),
        );
        rows_file.write(&table.take())?;
        imputed_file.write(part.write_cells(&gaps(&part, &model.preprocessing, &filled)).as_bytes())?;
        total.add(&rows, &model.preprocessing, &inputs);
        progress.at(total.rows, reader.share());
        if args.apply.dry_run {
            break;
        }
    }
    drop(progress);
    notes.extend(total.unseen.note(csv));
    notes.iter().for_each(|note| errln!("note: {note}"));
    ensure!(total.rows > 0, "{}: holds no rows below its header", csv.display());
    rows_file.finish()?;
    imputed_file.finish()?;
    total.report(trained.samples);
    Ok(run.finish(&total.results(trained.samples))?)
}

/// The rows that are read at a time: by default some thousand, and fewer of a wide table. A model computes 128 rows together, and the
/// last digits of a row depend on which: so these begin at the same rows, whatever is read at a time.
fn rows_at_once(given: Option<usize>, columns: usize) -> usize {
    let usual = ((1 << 20) / columns).clamp(1, 4096);
    given.unwrap_or(usual).next_multiple_of(128)
}

impl<'a> Model<'a> {
    fn new(trained: &'a Trained) -> anyhow::Result<Self> {
        let Trained { file, vae, .. } = trained;
        let preprocessing = Preprocessing::of_file(file, vae.inputs() + vae.conditions())?;
        let centres: Matrix<f64> = file.rows(CENTRES, vae.latent())?;
        if !(0..centres.rows).any(|cluster| has_rows(centres.row(cluster))) {
            return Err(file.fault(CENTRES, "expected a cluster with a finite centre").into());
        }
        Ok(Self { trained, preprocessing, centres })
    }

    /// What the model says of rows of its inputs, of which the first has this number, and their cells in the model's units without gaps.
    fn compute(&self, inputs: &Table, first: usize) -> anyhow::Result<(Rows, Matrix<f32>)> {
        let Trained { vae, theta, seed, samples, .. } = self.trained;
        let x = self.preprocessing.apply(inputs)?;
        let seed = RowSeed { seed: *seed, first };
        let filled = vae.impute(theta, &x, imputation(*samples), seed);
        Ok((Rows::new(vae, theta, &x, &self.preprocessing, *samples, seed), filled))
    }

    /// The cluster whose centre is nearest.
    fn nearest(&self, z: &[f32]) -> usize {
        let distance = |cluster: &usize| {
            let centre = self.centres.row(*cluster);
            z.iter().zip(centre).map(|(z, c)| (f64::from(*z) - c).powi(2)).sum::<f64>()
        };
        let clusters = (0..self.centres.rows).filter(|cluster| has_rows(self.centres.row(*cluster)));
        clusters.min_by(|a, b| distance(a).total_cmp(&distance(b))).expect("there is a cluster")
    }
}

/// Whether a cluster had rows in the training: the centre of one without is NaN.
fn has_rows(centre: &[f64]) -> bool {
    centre.iter().all(|c| c.is_finite())
}

/// Sums over the rows so far.
#[derive(Default)]
struct Total {
    rows: usize,
    gaps: usize,
    bound: f64,
    rise: f64,
    unreliable: usize,
    outside: Outside,
    unseen: Unknown,
    /// The strangest rows, and their scores per observed cell.
    strangest: Vec<(usize, f64)>,
}

impl Total {
    fn add(&mut self, rows: &Rows, preprocessing: &Preprocessing, inputs: &Table) {
        self.unseen.add(preprocessing, inputs);
        for (i, bound) in rows.bounds.iter().enumerate() {
            self.rows += 1;
            self.gaps += inputs.names.len() - rows.observed[i];
            self.bound += bound.value;
            self.rise += bound.rise;
            self.unreliable += usize::from(!bound.is_reliable());
            self.strangest.extend(rows.per_cell(i).map(|score| (self.rows, score)));
        }
        self.strangest.sort_by(|(_, a), (_, b)| b.total_cmp(a));
        self.strangest.truncate(5);
    }

    fn mean(&self, sum: f64) -> f64 {
        sum / self.rows as f64
    }

    fn report(&self, samples: usize) {
        let Self { rows, gaps, .. } = self;
        outln!("{}, {} filled", counted(*rows, "row"), counted(*gaps, "gap"));
        self.outside.print();
        outln!("K-sample bound of log p(x), K = {samples}: {:.2} nats per row", self.mean(self.bound));
        outln!("k̂ too large, of the rows: {:.0} %", 100.0 * self.mean(self.unreliable as f64));
        let strange = self.strangest.iter().map(|(row, score)| format!("{row} ({score:.2})"));
        let strange = strange.collect::<Vec<_>>().join(", ");
        say(&format!("the strangest rows, with −log p(x) per observed cell in nats: {strange}"));
    }

    fn results(&self, samples: usize) -> Vec<(&'static str, f64)> {
        let all = [
            ("rows", self.rows as f64),
            ("gaps", self.gaps as f64),
            ("outside", self.outside.rows() as f64),
            ("k_sample_bound", self.mean(self.bound)),
            ("k_sample_rise", self.mean(self.rise)),
            ("k_hat_too_large", self.mean(self.unreliable as f64)),
        ];
        // A single draw has no half.
        all.into_iter().filter(|(name, _)| samples > 1 || *name != "k_sample_rise").collect()
    }
}
