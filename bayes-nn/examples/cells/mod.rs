//! What is said of a row's class, as the cells of a table.

use bayes_nn::ClassPredictive;
use nn::run::single;

/// The names of the cells of [`cells`].
pub(crate) fn names(classes: &[String]) -> impl Iterator<Item = String> {
    let first = ["class", "entropy", "epistemic_entropy"].map(String::from);
    first.into_iter().chain(classes.iter().map(|name| format!("p_{name}")))
}

/// Of each row the class that it is taken for, the entropy in nats with the part that comes from not knowing θ, and the probability of
/// every class.
pub(crate) fn cells(p: &ClassPredictive, classes: &[String]) -> Vec<Vec<String>> {
    let (log_p, entropies) = (p.log_probabilities(), p.entropy().into_iter().zip(p.mutual_information()));
    let taken_for = p.most_probable();
    let row = |(row, (entropy, epistemic)): (usize, (f64, f64))| {
        let probabilities = log_p.row(row).iter().map(|log_p| log_p.exp());
        let numbers = [entropy, epistemic].into_iter().chain(probabilities);
        let class = classes[taken_for[row]].clone();
        [class].into_iter().chain(numbers.map(|x| single(x).to_string())).collect()
    };
    entropies.enumerate().map(row).collect()
}
