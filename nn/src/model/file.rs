//! A trained model as one file.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use autograd::ops::Nonlinearity;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::Layout;
use crate::data::Matrix;
use crate::train::{Checkpoint, CheckpointError, Element};

/// A trained model: θ, and whatever using it takes, in one safetensors file.
///
/// - `theta.NAME`, a tensor for each slot of the model's [`Layout`];
/// - further tensors that a kind of model needs, under other names;
/// - metadata, texts by name: `format`, the version of all this, 1; `kind`, what model it is, such as `vae.Vae`; `config`, the
///   model's configuration; and entries that a kind of model adds. All but the first two are JSON. What data a model takes is said
///   by `preprocessing` ([`Preprocessing`](crate::data::Preprocessing): a table) or `images`
///   ([`ImageFormat`](crate::data::ImageFormat)).
/// - What a run adds: `training`, the data and the number of rows that it was trained on ([`TrainedOn`]); `run`, program, version
///   and flags, the seed among them; `result`, the numbers of the run's result line.
/// - `checksum`, if this crate wrote the file. A file without one is read too: other tools write none.
///
/// In Python, the packages `numpy` and `safetensors` read and write it.
///
/// ```
/// use nn::model::{Init, Layout, ModelFile, ModelFileError};
/// # let folder = std::env::temp_dir().join(format!("nn-model-doc-{}", std::process::id()));
/// # std::fs::create_dir_all(&folder).unwrap();
/// # let path = folder.join("model.safetensors");
/// let mut layout = Layout::new();
/// layout.slot("w", [2], Init::Glorot);
///
/// let mut file = ModelFile::new("example.Line", &[2]);
/// file.insert_theta(&layout, &[0.5_f32, -1.0]);
/// file.set("columns", &["height", "weight"]);
/// file.save(&path)?;
///
/// let file = ModelFile::load(&path)?;
/// file.check_kind("example.Line")?;
/// assert_eq!(file.get::<[usize; 1]>("config")?, [2]);
/// assert_eq!(file.get::<[String; 2]>("columns")?, ["height", "weight"]);
/// assert_eq!(file.theta::<f32>(&layout)?, [0.5, -1.0]);
/// # std::fs::remove_dir_all(&folder).unwrap();
/// # Ok::<(), ModelFileError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct ModelFile {
    contents: Checkpoint,
}

/// What a model was trained on: the entry `training` of a [`ModelFile`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrainedOn {
    /// The name of a file or a folder, without the folders above it, or of data that are part of the program.
    pub data: String,
    /// The number of rows.
    pub rows: usize,
}

impl TrainedOn {
    /// The name of the entry in a [`ModelFile`].
    pub const ENTRY: &str = "training";

    /// So many rows of a file or a folder, or, without one, of data that are part of the program.
    pub fn new(path: Option<&Path>, embedded: &str, rows: usize) -> Self {
        let name =
            path.map(|path| path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned());
        Self { data: name.unwrap_or_else(|| embedded.to_owned()), rows }
    }
}

/// Why a model's file cannot be written, read or used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ModelFileError {
    /// The file cannot be read or written, is damaged, or lacks a tensor.
    #[error(transparent)]
    Contents(#[from] CheckpointError),
    /// The folder has no file of a model.
    #[error(
        "{}: expected a file model.safetensors, found none: the run has not ended, or its program compares models and keeps none",
        folder.display()
    )]
    NoFile {
        /// The folder.
        folder: PathBuf,
    },
    /// The file is a checkpoint of training, or was written by something else.
    #[error(
        "{}: expected a trained model, found a safetensors file without the entry \"format\"; give the file \
         model.safetensors of a run", path.display()
    )]
    NoModel {
        /// The file.
        path: PathBuf,
    },
    /// The file was written by a later version.
    #[error("{}: expected format {known} or lower, found {found:?}; use a later version of this program", path.display())]
    Version {
        /// The file.
        path: PathBuf,
        /// The version that this crate writes.
        known: u32,
        /// What the file says.
        found: String,
    },
    /// The file is of another kind of model.
    #[error("{}: expected a model of kind {expected}, found {found}", path.display())]
    Kind {
        /// The file.
        path: PathBuf,
        /// The kind that was asked for.
        expected: String,
        /// The kind of the file.
        found: String,
    },
    /// An entry of the metadata makes no sense.
    #[error("{}: the entry {entry:?}: {reason}", path.display())]
    Entry {
        /// The file.
        path: PathBuf,
        /// The name of the entry.
        entry: String,
        /// What is wrong with it.
        reason: String,
    },
}

const FORMAT: &str = "format";
const KIND: &str = "kind";
const CONFIG: &str = "config";
const THETA: &str = "theta";

impl ModelFile {
    /// The version of the format that this crate writes.
    pub const VERSION: u32 = 1;

    /// A model of this kind, `crate.Type`, with this configuration.
    pub fn new(kind: &str, config: &impl Serialize) -> Self {
        let mut file = Self { contents: Checkpoint::new() };
        file.contents.set(FORMAT, Self::VERSION);
        file.contents.set(KIND, kind);
        file.set(CONFIG, config);
        file
    }

    /// Adds an entry of metadata, as JSON. It replaces one of the same name.
    ///
    /// # Panics
    /// If the name is `format` or `kind`, or the value has no JSON (a map whose keys are no texts).
    #[track_caller]
    pub fn set(&mut self, entry: &str, value: &impl Serialize) {
        assert!(![FORMAT, KIND].contains(&entry), "ModelFile: {entry}: expected a name that is not taken");
        let json = serde_json::to_string(value).expect("ModelFile: expected a value that has JSON");
        self.contents.set(entry, json);
    }

    /// The value of an entry.
    ///
    /// # Errors
    /// [`ModelFileError::Entry`] if there is no such entry, or it is no such value.
    pub fn get<T: DeserializeOwned>(&self, entry: &str) -> Result<T, ModelFileError> {
        let fault = |reason| ModelFileError::Entry { path: self.path(), entry: entry.to_owned(), reason };
        let json: String = self.contents.value(entry).map_err(|_| fault("expected it, found none".into()))?;
        serde_json::from_str(&json).map_err(|error| fault(error.to_string()))
    }

    /// The configuration.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub fn config<T: DeserializeOwned>(&self) -> Result<T, ModelFileError> {
        self.get(CONFIG)
    }

    /// What model it is: the `kind` of [`new`](Self::new).
    ///
    /// # Errors
    /// [`ModelFileError::Entry`] if the file does not say.
    pub fn kind(&self) -> Result<String, ModelFileError> {
        let missing = |_| self.fault(KIND, "expected it, found none");
        self.contents.value(KIND).map_err(missing)
    }

    /// Checks that the file is of this kind.
    ///
    /// # Errors
    /// [`ModelFileError::Kind`] if it is of another kind.
    pub fn check_kind(&self, expected: &str) -> Result<(), ModelFileError> {
        let found = self.kind()?;
        if found == expected {
            return Ok(());
        }
        Err(ModelFileError::Kind { path: self.path(), expected: expected.to_owned(), found })
    }

    /// Adds θ, slot by slot.
    ///
    /// # Panics
    /// If θ is not as long as the layout.
    #[track_caller]
    pub fn insert_theta<F: Element>(&mut self, layout: &Layout, theta: &[F]) {
        self.contents.insert_vector(THETA, layout, theta);
    }

    /// θ of a model with this layout.
    ///
    /// # Errors
    /// [`ModelFileError::Contents`] if a slot is missing, has another shape or type, or there are further slots;
    /// [`ModelFileError::Entry`] if a number is infinite or not a number.
    pub fn theta<F: Element>(&self, layout: &Layout) -> Result<Vec<F>, ModelFileError> {
        let theta = self.contents.vector(THETA, layout)?;
        match self.contents.measure(THETA) {
            (_, None) => Ok(theta),
            (_, Some(slot)) => Err(self.fault(slot, "expected finite numbers, found an infinite one or NaN")),
        }
    }

    /// Checks that θ is not shorter than that of a model. None stands for more than any length. Ask before the model is built: a
    /// configuration with senseless sizes could take all memory.
    ///
    /// # Errors
    /// [`ModelFileError::Entry`] if it is shorter.
    pub fn check_size(&self, least: Option<usize>) -> Result<(), ModelFileError> {
        let (found, _) = self.contents.measure(THETA);
        match least {
            Some(least) if least <= found => Ok(()),
            _ => {
                let expected =
                    least.map_or("more than there can be".to_owned(), |least| format!("{least} or more"));
                let reason =
                    format!("a model of this configuration has {expected} parameters, the file has {found}");
                Err(self.fault(CONFIG, &reason))
            }
        }
    }

    /// Adds a tensor that is no part of θ.
    ///
    /// # Panics
    /// If the shape and the number of values disagree, or the name begins as those of slots do.
    #[track_caller]
    pub fn insert<F: Element>(&mut self, name: &str, shape: &[usize], values: Vec<F>) {
        assert!(!name.starts_with("theta."), "ModelFile: {name}: expected a name that is not θ's");
        self.contents.insert(name, shape, values);
    }

    /// A tensor that is no part of θ.
    ///
    /// # Errors
    /// [`ModelFileError::Contents`] if there is no such tensor, or it has another shape or type.
    pub fn tensor<F: Element>(&self, name: &str, shape: &[usize]) -> Result<&[F], ModelFileError> {
        Ok(self.contents.tensor(name, shape)?)
    }

    /// A tensor that is no part of θ, of one or more rows of so many numbers.
    ///
    /// # Errors
    /// [`ModelFileError::Contents`] if there is no such tensor, or it has another shape or type.
    pub fn rows<F: Element>(&self, name: &str, cols: usize) -> Result<Matrix<F>, ModelFileError> {
        let rows = self.contents.shape(name).and_then(|shape| shape.first()).map_or(1, |rows| (*rows).max(1));
        Ok(Matrix::new(rows, cols, self.tensor(name, &[rows, cols])?.to_vec()))
    }

    /// Writes the file under another name, then renames it: at no time is there half a model under this name.
    ///
    /// # Errors
    /// [`ModelFileError::Contents`] if it cannot be written.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<(), ModelFileError> {
        Ok(self.contents.save(path.as_ref())?)
    }

    /// Reads a file, or, if the path is a folder, the file `model.safetensors` in it.
    ///
    /// # Errors
    /// [`ModelFileError`] if the file cannot be read, was altered, is no model, or is of a later version.
    pub fn load(path: impl AsRef<Path>) -> Result<Self, ModelFileError> {
        let path = path.as_ref();
        let path = match path.is_dir() {
            true if path.join(Self::NAME).exists() => path.join(Self::NAME),
            true => return Err(ModelFileError::NoFile { folder: path.to_owned() }),
            false => path.to_owned(),
        };
        let (contents, _) = Checkpoint::load_any(&path)?;
        let Ok(found) = contents.value::<String>(FORMAT) else {
            return Err(ModelFileError::NoModel { path });
        };
        if found.parse().is_ok_and(|version: u32| (1..=Self::VERSION).contains(&version)) {
            return Ok(Self { contents });
        }
        Err(ModelFileError::Version { path, known: Self::VERSION, found })
    }

    /// The name of the file in the folder of a run.
    pub const NAME: &str = "model.safetensors";

    /// An entry that makes no sense, for what reads it.
    pub fn fault(&self, entry: &str, reason: &str) -> ModelFileError {
        ModelFileError::Entry { path: self.path(), entry: entry.to_owned(), reason: reason.to_owned() }
    }

    fn path(&self) -> PathBuf {
        self.contents.path().to_owned()
    }
}

/// A model that its configuration describes, so that it can be kept in a [`ModelFile`] and built again from it.
pub trait Model: Sized {
    /// What model it is, `crate.Type`.
    const KIND: &'static str;
    /// What it consists of.
    type Config: Serialize + DeserializeOwned;
    /// Why there is no model of a configuration.
    type Error: Error;

    /// The model of this configuration.
    ///
    /// # Errors
    /// If there is no such model.
    fn from_config(config: &Self::Config) -> Result<Self, Self::Error>;

    /// A number that the length of θ is not below: none if it is beyond all numbers, and 0 if there is no model of the configuration.
    /// A file whose θ is shorter is refused before the model is built.
    fn least_size(config: &Self::Config) -> Option<usize>;

    /// What the model consists of.
    fn config(&self) -> &Self::Config;

    /// The slots of θ.
    fn layout(&self) -> &Layout;

    /// The file of this model and this θ. Add to it what else using the model takes, such as how data are scaled.
    ///
    /// # Panics
    /// If θ is not as long as the layout.
    #[track_caller]
    fn to_file<F: Element>(&self, theta: &[F]) -> ModelFile {
        let mut file = ModelFile::new(Self::KIND, self.config());
        file.insert_theta(self.layout(), theta);
        file
    }

    /// The model and θ of a file.
    ///
    /// # Errors
    /// [`ModelFileError`] if the file is of another kind of model, its configuration makes no sense, or θ is not that of such a
    /// model, in numbers of type `F`.
    fn from_file<F: Element>(file: &ModelFile) -> Result<(Self, Arc<Vec<F>>), ModelFileError> {
        file.check_kind(Self::KIND)?;
        let config = file.config()?;
        file.check_size(Self::least_size(&config))?;
        let model = Self::from_config(&config);
        let model = model.map_err(|error| file.fault(CONFIG, &error.to_string()))?;
        let theta = file.theta(model.layout())?;
        Ok((model, Arc::new(theta)))
    }

    /// [`from_file`](Self::from_file) of a path: a file, or the folder of a run.
    ///
    /// # Errors
    /// As [`ModelFile::load`] and [`from_file`](Self::from_file).
    fn load<F: Element>(path: impl AsRef<Path>) -> Result<(Self, Arc<Vec<F>>), ModelFileError> {
        Self::from_file(&ModelFile::load(path)?)
    }
}

/// [`Nonlinearity`] as text, for configurations: `#[serde(with = "nn::model::NonlinearityText")]`.
#[derive(Serialize, Deserialize)]
#[serde(remote = "Nonlinearity", rename_all = "snake_case")]
#[expect(missing_docs, reason = "the variants are those of Nonlinearity")]
pub enum NonlinearityText {
    Identity,
    Relu,
    LeakyRelu(f64),
    Elu,
    Tanh,
    Sigmoid,
    Softplus,
}
