//! What is trained when.

use nn::schedule::Schedule as Decay;

/// What a phase of training changes, and for which bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Networks and σ_y, as a plain variational autoencoder: latents are N(0, I), one by one.
    Vae,
    /// Networks and σ_y, with the Gaussian process held as it is.
    Networks,
    /// Kernel, α and X, with the networks held as they are.
    Kernel,
    /// All of θ.
    All,
}

/// A stretch of training.
#[derive(Clone, Debug, PartialEq)]
pub struct Phase {
    /// What is trained.
    pub part: Part,
    /// Passes through the data; for [`Part::Kernel`], steps on all of the latents.
    pub epochs: usize,
    /// The learning rate of networks and σ_y.
    pub networks_rate: f64,
    /// The learning rate of kernel, α and X.
    pub kernel_rate: f64,
    /// How both change from epoch to epoch of the phase.
    pub decay: Decay,
}

impl Phase {
    /// A phase with Adam's usual rate for everything, which stays the same.
    pub fn new(part: Part, epochs: usize) -> Self {
        Self { part, epochs, networks_rate: 1e-3, kernel_rate: 1e-3, decay: Decay::Constant }
    }

    /// The same phase with these learning rates.
    pub fn rates(self, networks: f64, kernel: f64) -> Self {
        Self { networks_rate: networks, kernel_rate: kernel, ..self }
    }

    /// The same phase with learning rates that fall to 0 along a cosine.
    pub fn falling(self) -> Self {
        Self { decay: Decay::Cosine { epochs: self.epochs }, ..self }
    }
}

/// Lecture 003, "Compared Methods", GPVAE-joint: in each cycle (a) the networks, (b) the kernel, (c) everything. (a) of the
/// first cycle trains a plain VAE, later ones hold the kernel that was learned.
pub fn joint(cycles: usize, a: &Phase, b: &Phase, c: &Phase) -> Vec<Phase> {
    let networks = |cycle| Phase { part: if cycle == 0 { Part::Vae } else { Part::Networks }, ..a.clone() };
    let with = |phase: &Phase, part| Phase { part, ..phase.clone() };
    (0..cycles).flat_map(|cycle| [networks(cycle), with(b, Part::Kernel), with(c, Part::All)]).collect()
}

/// Lecture 003, "Compared Methods", GPVAE-disjoint: in each cycle (a) the networks with the kernel fixed, (b) the kernel
/// with the networks fixed.
pub fn disjoint(cycles: usize, a: &Phase, b: &Phase) -> Vec<Phase> {
    let with = |phase: &Phase, part| Phase { part, ..phase.clone() };
    (0..cycles).flat_map(|_| [with(a, Part::Networks), with(b, Part::Kernel)]).collect()
}

/// The baseline: a plain VAE, and a Gaussian process fitted to its latents afterwards.
pub fn fitted_afterwards(a: &Phase, b: &Phase) -> Vec<Phase> {
    vec![Phase { part: Part::Vae, ..a.clone() }, Phase { part: Part::Kernel, ..b.clone() }]
}
