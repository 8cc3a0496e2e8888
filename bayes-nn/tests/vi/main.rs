//! Variational inference: families, estimators of the bound, transformations.

mod coin;
mod families;
mod free_energy;
mod gaussian;
mod transforms;
