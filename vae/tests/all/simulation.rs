//! The simulation of the example `genes` is what its equations say.

#[path = "../../examples/genes/simulation.rs"]
mod genes;

use genes::Simulation;

/// The mean and the variance of a gene's counts in some cells.
fn moments(counts: &[f64]) -> (f64, f64) {
    let n = counts.len() as f64;
    let mean = counts.iter().sum::<f64>() / n;
    (mean, counts.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / (n - 1.0))
}

#[test]
fn simulated_counts_have_the_mean_and_the_variance_of_the_equations() {
    let cells = Simulation { cells: 40_000, genes: 6, group: 1.0, batch: 0.5, seed: 3 }.run().unwrap();
    let of = |gene: usize, group: usize, batch: usize| {
        let is_of = |i: &usize| cells.groups[*i] == group && cells.batches[*i] == batch;
        let counts = (0..cells.counts.rows).filter(is_of).map(|i| cells.counts.row(i)[gene]);
        moments(&counts.collect::<Vec<_>>())
    };
    assert!(cells.counts.values.iter().all(|x| *x >= 0.0 && x.fract() == 0.0));
    for gene in 0..6 {
        for (group, batch) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
            let (mean, variance) = of(gene, group, batch);
            // x | s is negative binomial with the mean m eˢ, E e²ˢ = (E eˢ)² e^0.09: Var x = μ + μ² (e^0.09 (1 + 1/r) − 1).
            let expected = mean + mean * mean * (0.09_f64.exp() * 1.5 - 1.0);
            // The variance of 10,000 skewed counts is known to some percent.
            assert!((variance / expected - 1.0).abs() < 0.15, "{gene}: {variance} of {expected}");
        }
        let log_ratio =
            |a: (usize, usize), b: (usize, usize)| (of(gene, a.0, a.1).0 / of(gene, b.0, b.1).0).ln();
        let [of_group, of_batch] = [log_ratio((1, 0), (0, 0)), log_ratio((0, 1), (0, 0))];
        // Effects add up in the logarithm, and only every fifth gene differs between groups.
        let both = log_ratio((1, 1), (0, 0));
        assert!((both - of_group - of_batch).abs() < 0.1, "{gene}: {both} of {of_group} and {of_batch}");
        assert_eq!(of_group.abs() > 0.1, gene % 5 == 0, "{gene}: {of_group}");
        assert!(of_batch.abs() > 0.02, "{gene}: {of_batch}");
    }
}

#[test]
fn a_simulation_is_the_same_for_the_same_seed_and_another_for_another() {
    let run =
        |seed| Simulation { cells: 20, genes: 5, group: 1.0, batch: 0.5, seed }.run().unwrap().counts.values;
    assert_eq!(run(1), run(1));
    assert_ne!(run(1), run(2));
}

#[test]
fn effects_of_any_size_give_counts_or_an_error_that_says_what_to_choose() {
    let run = |batch| Simulation { cells: 40, genes: 20, group: 1.0, batch, seed: 1 }.run();
    assert!(run(4.0).unwrap().counts.values.iter().all(|x| x.is_finite()));
    let error = run(1e4).err().unwrap().to_string();
    assert!(error.starts_with("--group and --batch: expected mean counts below 1e12"), "{error}");
}
