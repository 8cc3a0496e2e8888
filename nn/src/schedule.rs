//! How the learning rate changes with the epochs.

/// The learning rate as a function of the epoch (lecture 000, "Tuning the algorithm": an adaptive, decreasing ρ).
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Schedule {
    /// ρ
    #[default]
    Constant,
    /// ρ · factorᵏ, k = ⌊epoch / every⌋
    Step {
        /// Epochs between two reductions.
        every: usize,
        /// What the rate is multiplied by.
        factor: f64,
    },
    /// ρ / (1 + decay · epoch): meets the Robbins–Monro conditions
    InverseTime {
        /// The decay per epoch.
        decay: f64,
    },
    /// ρ · ½ (1 + cos(π · epoch / epochs)), 0 from there on (Loshchilov & Hutter 2017)
    Cosine {
        /// When the rate reaches 0.
        epochs: usize,
    },
    /// ρ · factor of the last entry (first epoch, factor) that has begun; before all of them ρ
    Piecewise(Vec<(usize, f64)>),
}

impl Schedule {
    /// What the learning rate is multiplied by in this epoch, counted from 0.
    pub fn factor(&self, epoch: usize) -> f64 {
        match self {
            Self::Constant => 1.0,
            Self::Step { every, factor } => factor.powf((epoch / every.max(&1)) as f64),
            Self::InverseTime { decay } => 1.0 / (1.0 + decay * epoch as f64),
            Self::Cosine { epochs } => {
                let progress = (epoch as f64 / (*epochs).max(1) as f64).min(1.0);
                0.5 * (1.0 + (std::f64::consts::PI * progress).cos())
            }
            Self::Piecewise(entries) => entries
                .iter()
                .filter(|(first, _)| *first <= epoch)
                .max_by_key(|(first, _)| *first)
                .map_or(1.0, |e| e.1),
        }
    }
}
