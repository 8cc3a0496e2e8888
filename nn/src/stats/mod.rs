//! Statistics that no model owns.
//!
//! | | |
//! | --- | --- |
//! | [`Estimate`] | a mean with its standard error |
//! | [`ImportanceWeights`], [`largest_reliable_k`], [`pareto_shape`] | importance weights, and whether their mean can be trusted |
//! | [`root_mean_square`] | an error over many rows |
//! | [`area_under_roc`] | how well a score tells anomalies from usual data |
//! | [`k_means`], [`adjusted_rand_index`] | clusters, and how far two partitions agree |
//! | [`squared_distances`], [`nearest_rows`] | how far rows are from other rows |
//! | [`symmetric_eigen`], [`leading_eigen`], [`orthonormal_rows`] | eigenvectors and bases; vectors are rows |
//! | [`FunctionalPca`] | principal components of curves that were observed at few times |
//! | [`graphical_lasso`] | which variables depend on which, by a covariance whose inverse has zeros |
//! | [`Tsne`] | a map of many points in the plane |

mod clusters;
mod distance;
mod eigen;
mod estimate;
mod functional_pca;
mod graphical_lasso;
mod neighbours;
mod roc;
mod structure_error;
mod tsne;
mod weights;

pub use clusters::{adjusted_rand_index, k_means};
pub use distance::{Neighbour, nearest_rows, squared_distances};
pub use eigen::{Eigen, StatsError, leading_eigen, orthonormal_rows, symmetric_eigen};
pub use estimate::{Estimate, root_mean_square};
pub use functional_pca::{Curve, CurvePrediction, FunctionalPca, Smoothing};
pub use graphical_lasso::{SparsePrecision, graphical_lasso};
pub use neighbours::fill_by_neighbours;
pub use roc::area_under_roc;
pub use structure_error::StructureError;
pub use tsne::{Tsne, neighbour_affinities, tsne_divergence};
pub use weights::{ImportanceWeights, largest_reliable_k, pareto_shape};
