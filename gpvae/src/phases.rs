//! Training in phases: what is trained when, and how fast.

use nn::train::Schedule;

/// What a phase of training changes, and for which bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Networks and σ_y, as a plain variational autoencoder: each latent is N(0, I).
    Vae,
    /// Networks and σ_y, with the Gaussian process held.
    Networks,
    /// Kernel, α and X, with the networks held.
    Kernel,
    /// All of θ.
    All,
}

impl Part {
    /// Whether networks and σ_y are trained.
    pub fn trains_networks(self) -> bool {
        self != Self::Kernel
    }

    /// Whether kernel, α and X are trained.
    pub fn trains_kernel(self) -> bool {
        matches!(self, Self::Kernel | Self::All)
    }
}

/// How long a phase of training lasts, and its learning rates.
#[derive(Clone, Debug, PartialEq)]
pub struct Pace {
    /// Passes through the data; for [`Part::Kernel`] and for the exact gradient, steps on all of the data
    pub epochs: usize,
    /// The learning rate of networks and σ_y
    pub networks_rate: f64,
    /// The learning rate of kernel, α and X
    pub kernel_rate: f64,
    /// How both rates change from epoch to epoch of the phase
    pub schedule: Schedule,
}

impl Default for Pace {
    /// One epoch with Adam's usual learning rate, 10⁻³, which stays the same.
    fn default() -> Self {
        Self { epochs: 1, networks_rate: 1e-3, kernel_rate: 1e-3, schedule: Schedule::Constant }
    }
}

impl Pace {
    /// The same pace with learning rates that fall to 0 along a cosine by the end of the phase.
    pub fn falling(self) -> Self {
        Self { schedule: Schedule::Cosine { epochs: self.epochs }, ..self }
    }
}

/// A stretch of training.
#[derive(Clone, Debug, PartialEq)]
pub struct Phase {
    /// What is trained
    pub part: Part,
    /// How long, and how fast
    pub pace: Pace,
}

/// The orders of phases in lecture 003, "Compared Methods".
#[derive(Clone, Debug, PartialEq)]
pub enum Plan {
    /// GPVAE-joint: each cycle trains (a) the networks, (b) the kernel, (c) everything. The first cycle's (a) trains a plain
    /// VAE; later ones hold the kernel that was learned.
    Joint {
        /// The number of cycles
        cycles: usize,
        /// (a)
        networks: Pace,
        /// (b)
        kernel: Pace,
        /// (c)
        all: Pace,
    },
    /// GPVAE-disjoint: each cycle trains (a) the networks with the kernel held, (b) the kernel with the networks held.
    Disjoint {
        /// The number of cycles
        cycles: usize,
        /// (a)
        networks: Pace,
        /// (b)
        kernel: Pace,
    },
    /// The baseline: a plain VAE, and then a Gaussian process that is fitted to its latents.
    Afterwards {
        /// The plain VAE
        networks: Pace,
        /// The Gaussian process
        kernel: Pace,
    },
}

impl Plan {
    /// The phases in order.
    pub fn phases(&self) -> Vec<Phase> {
        let phase = |part, pace: &Pace| Phase { part, pace: pace.clone() };
        match self {
            Self::Joint { cycles, networks, kernel, all } => (0..*cycles)
                .flat_map(|cycle| {
                    let first = if cycle == 0 { Part::Vae } else { Part::Networks };
                    [phase(first, networks), phase(Part::Kernel, kernel), phase(Part::All, all)]
                })
                .collect(),
            Self::Disjoint { cycles, networks, kernel } => (0..*cycles)
                .flat_map(|_| [phase(Part::Networks, networks), phase(Part::Kernel, kernel)])
                .collect(),
            Self::Afterwards { networks, kernel } => {
                vec![phase(Part::Vae, networks), phase(Part::Kernel, kernel)]
            }
        }
    }
}
