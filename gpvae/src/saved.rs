//! A trained model in a file.

use std::path::Path;
use std::sync::Arc;

use autograd::Real;
use nn::data::Matrix;
use nn::model::{Layout, ModelFile, ModelFileError};
use nn::train::Element;
use serde::{Deserialize, Serialize};
use vae::{NetworkConfig, Networks};

use crate::data::{ObjectFeatures, Places};
use crate::predict::TrainingCodes;
use crate::prior::LatentPrior;
use crate::{GpVae, GpVaeConfig, PixelNoise};

/// A model that was read from a file.
#[derive(Clone, Debug)]
pub struct Loaded<F, P> {
    /// The model
    pub model: GpVae<P>,
    /// Its θ
    pub theta: Arc<Vec<F>>,
    /// What its predictions condition on
    pub codes: TrainingCodes<F>,
}

/// The configuration as it stands in a file: without the matrix X, which is a part of θ or a tensor.
#[derive(Serialize, Deserialize)]
struct Config {
    pixels: usize,
    latent: usize,
    encoder: NetworkConfig,
    decoder: NetworkConfig,
    pixel_noise: PixelNoise,
    objects: Objects,
    /// N, the number of training samples
    samples: usize,
    /// R, the number of numbers in a view
    view: usize,
}

/// The shape of X, (P, M).
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Objects {
    None,
    Given([usize; 2]),
    Learned([usize; 2]),
}

/// The tensors of what prediction conditions on, and of X where it is given.
const VIEWS: &str = "training.views";
const OBJECTS: &str = "training.objects";
const CODES: &str = "training.q";
const FEATURES: &str = "objects";

impl<P: LatentPrior> GpVae<P> {
    /// What model it is, in a [`ModelFile`].
    pub const KIND: &'static str = "gpvae.GpVae";

    /// The file of this model with this θ and what its predictions condition on. The prior is not in it, but for its part of θ: add
    /// an entry that says which prior it is, and whatever else using the model takes, such as how data are scaled.
    ///
    /// Beside θ there are the tensors `training.views` (N, R), `training.objects` (N) if there are objects, `training.q` (N, 2 L),
    /// which are the means and the logarithms of the standard deviations of q(z|y), and `objects` (P, M) if X is given.
    ///
    /// # Panics
    /// If θ is not as long as the layout.
    #[track_caller]
    pub fn to_file<F: Real + Element>(&self, theta: &[F], training: &TrainingCodes<F>) -> ModelFile {
        let GpVaeConfig { pixels, latent, ref encoder, ref decoder, pixel_noise, ref objects } =
            *self.config();
        let (samples, view) = (training.places.len(), training.places.views.cols);
        let config = Config {
            pixels,
            latent,
            encoder: encoder.clone(),
            decoder: decoder.clone(),
            pixel_noise,
            objects: match objects {
                ObjectFeatures::None => Objects::None,
                ObjectFeatures::Given(x) => Objects::Given([x.rows, x.cols]),
                ObjectFeatures::Learned(x) => Objects::Learned([x.rows, x.cols]),
            },
            samples,
            view,
        };
        let mut file = ModelFile::new(Self::KIND, &config);
        file.insert_theta(self.layout(), theta);
        file.insert(VIEWS, &[samples, view], training.places.views.values.to_vec());
        if !training.places.objects.is_empty() {
            let objects = training.places.objects.iter().map(|&object| object as f64).collect();
            file.insert::<f64>(OBJECTS, &[samples], objects);
        }
        file.insert(CODES, &[samples, 2 * latent], training.packed.values.to_vec());
        if let ObjectFeatures::Given(x) = objects {
            file.insert(FEATURES, &[x.rows, x.cols], x.values.to_vec());
        }
        file
    }

    /// The model of a file, its θ, and what its predictions condition on, with this prior, which is that of the model that was
    /// trained. Predictions have the same bits as those of that model ([`predict_given`](Self::predict_given)). Where X is
    /// learned, [`config`](Self::config) has the learned X as the one to start at.
    ///
    /// # Errors
    /// [`ModelFileError`] if the file is of another kind of model, its configuration makes no sense, a tensor is missing, has another
    /// shape or type or numbers that make no sense, or θ is that of another prior.
    pub fn from_file<F: Real + Element>(
        file: &ModelFile,
        prior: impl FnOnce(&mut Layout) -> P,
    ) -> Result<Loaded<F, P>, ModelFileError> {
        file.check_kind(Self::KIND)?;
        let Config { pixels, latent, encoder, decoder, pixel_noise, objects, samples, view } =
            file.config()?;
        let fault = |reason: &str| file.fault("config", reason);
        file.check_size(Networks::least_size(&encoder, &decoder, [pixels, 0, latent]))?;
        let (views, count) =
            (samples.checked_mul(view), latent.checked_mul(2).and_then(|l| l.checked_mul(samples)));
        if views.is_none_or(|views| views == 0) || count.is_none() {
            return Err(fault("expected samples with views"));
        }
        let matrix = |[rows, cols]: [usize; 2]| {
            Ok::<_, ModelFileError>(Matrix::new(rows, cols, file.tensor(FEATURES, &[rows, cols])?.to_vec()))
        };
        let (features, named) = match objects {
            Objects::None => (ObjectFeatures::None, false),
            Objects::Given(shape) => (ObjectFeatures::Given(matrix(shape)?), true),
            // Of what is in θ.
            Objects::Learned([rows, cols]) => {
                let start =
                    file.tensor::<F>("theta.objects", &[rows, cols])?.iter().map(|x| x.to_f64()).collect();
                (ObjectFeatures::Learned(Matrix::new(rows, cols, start)), true)
            }
        };
        let config = GpVaeConfig { pixels, latent, encoder, decoder, pixel_noise, objects: features };
        let model = Self::new(&config, prior).map_err(|error| fault(&error.to_string()))?;
        let theta = file.theta(model.layout())?;

        let views = Matrix::new(samples, view, file.tensor::<f64>(VIEWS, &[samples, view])?.to_vec());
        let known = config.objects.objects();
        let object = |&object: &f64| {
            let is_one = object >= 0.0 && object.fract() == 0.0 && object < known as f64;
            if is_one {
                Ok(object as usize)
            } else {
                Err(fault(&format!("{OBJECTS}: expected objects below {known}, found {object}")))
            }
        };
        let places = if named {
            let objects =
                file.tensor::<f64>(OBJECTS, &[samples])?.iter().map(object).collect::<Result<_, _>>()?;
            Places::new(views, objects)
        } else {
            Places::of_views(views)
        };
        let places = places.map_err(|error| fault(&format!("{VIEWS}: {error}")))?;
        let packed =
            Matrix::new(samples, 2 * latent, file.tensor::<F>(CODES, &[samples, 2 * latent])?.to_vec());
        if packed.values.iter().any(|x| !x.to_f64().is_finite()) {
            return Err(fault(&format!("{CODES}: expected finite numbers")));
        }
        Ok(Loaded { model, theta: Arc::new(theta), codes: TrainingCodes { places, packed } })
    }

    /// [`from_file`](Self::from_file) of a path: a file, or the folder of a run.
    ///
    /// # Errors
    /// As [`ModelFile::load`] and [`from_file`](Self::from_file).
    pub fn load<F: Real + Element>(
        path: impl AsRef<Path>,
        prior: impl FnOnce(&mut Layout) -> P,
    ) -> Result<Loaded<F, P>, ModelFileError> {
        Self::from_file(&ModelFile::load(path)?, prior)
    }
}
