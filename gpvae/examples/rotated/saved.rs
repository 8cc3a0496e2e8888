//! The model of objects that are turned, and what its file says of it.

use gpvae::kernel::Periodic;
use gpvae::prior::{LowRank, ViewObject};
use nn::data::Matrix;
use nn::model::Layout;
use serde::{Deserialize, Serialize};

/// z_n = f(x_{p_n}, w_n) + η_n with a kernel of period 2π in the angle w, and features x of the objects
pub(crate) type Process = LowRank<ViewObject<Periodic>>;

/// The entry `rotated` of a model's file: what the prior is built of.
#[derive(Serialize, Deserialize)]
pub(crate) struct RotatedEntry {
    /// The angles of all views, in radians.
    pub(crate) angles: Vec<f64>,
    /// M, the number of features of an object.
    pub(crate) features: usize,
}

impl RotatedEntry {
    pub(crate) const ENTRY: &str = "rotated";

    /// The process, with the ν and α that it begins with.
    pub(crate) fn process(&self, layout: &mut Layout, nu: f64, alpha: f64) -> Process {
        let turn = Periodic::new(layout, "nu", nu);
        let angles = Matrix::new(self.angles.len(), 1, self.angles.clone());
        let process = ViewObject::new(turn, angles, self.features).with_jitter(1e-4);
        LowRank::new(layout, process, alpha)
    }
}
