//! Variational inference: families, estimators of the bound, transformations.

mod families;
mod free_energy;
mod gaussian;
mod transforms;
