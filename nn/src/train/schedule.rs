//! How learning rates change with the epochs.

/// The learning rate as a function of the epoch (lecture 000, "Tuning the algorithm": an adaptive, decreasing ρ). Epochs
/// are counted from 0.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Schedule {
    /// ρ in every epoch.
    #[default]
    Constant,
    /// ρ · factorᵏ, k = ⌊epoch / every⌋
    Step {
        /// The number of epochs between two reductions.
        every: usize,
        /// What the rate is multiplied by each time.
        factor: f64,
    },
    /// ρ / (1 + decay · epoch), which meets the conditions of Robbins and Monro.
    InverseTime {
        /// The decay per epoch.
        decay: f64,
    },
    /// ρ · ½ (1 + cos(π · epoch / epochs)), and 0 from the last epoch on (Loshchilov & Hutter 2017).
    Cosine {
        /// The epoch in which the rate reaches 0.
        epochs: usize,
    },
    /// Entries (first epoch, factor): ρ times the factor of the last entry that has begun, and ρ before the first one.
    Piecewise(Vec<(usize, f64)>),
}

impl Schedule {
    /// What learning rates are multiplied by in this epoch.
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
