//! The picture that every training run has.

use autograd::Real;

use super::Run;
use crate::picture::{Figure, PictureError};
use crate::train::{Epoch, Loss, Trainer};

/// The loss of training and validation over the epochs, on an axis with this label. Epochs are on a logarithmic axis from ten on,
/// since the first ones change most.
pub fn loss_figure(history: &[Epoch], label: &str) -> Figure {
    let curve = |loss: fn(&Epoch) -> Option<&Loss>| {
        let epochs = history.iter().zip(1..);
        epochs.filter_map(move |(epoch, i)| Some((f64::from(i), loss(epoch)?.total))).collect::<Vec<_>>()
    };
    let figure = Figure::new("Learning")
        .axes("epoch", label)
        .line("training", curve(|epoch| Some(&epoch.train)))
        .line("validation", curve(|epoch| epoch.validation.as_ref()));
    if history.len() < 10 { figure } else { figure.log_x() }
}

impl Run<'_> {
    /// Draws the [loss over the epochs](loss_figure) to `loss.png`.
    ///
    /// # Errors
    /// [`PictureError`] if the file cannot be written.
    pub fn draw_loss<F: Real>(&self, trainer: &Trainer<F>, label: &str) -> Result<(), PictureError> {
        let text = "The loss over the epochs, of the rows that train and of those that only validate. Both should fall and level \
            off; where the validation's rises again while the training's falls, the model learns its rows by heart (lecture 000, \
            \"Minimization by Stochastic gradient descent\")";
        loss_figure(trainer.history(), label).save(&self.picture("loss.png", text))
    }
}
