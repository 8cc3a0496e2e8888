//! Checkpoints: named tensors with metadata, in one safetensors file.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use flate2::Crc;
use safetensors::{Dtype, SafeTensors};
use serde_json::{Map, Value, json};

use super::aside::write_aside;
use crate::model::Layout;

const CHECKSUM: &str = "checksum";
const METADATA: &str = "__metadata__";

/// The numbers of a tensor, in the type in which they were computed.
#[derive(Clone, Debug, PartialEq)]
pub enum Numbers {
    /// Single precision.
    F32(Vec<f32>),
    /// Double precision.
    F64(Vec<f64>),
}

impl Numbers {
    fn len(&self) -> usize {
        match self {
            Numbers::F32(values) => values.len(),
            Numbers::F64(values) => values.len(),
        }
    }

    fn dtype(&self) -> Dtype {
        match self {
            Numbers::F32(_) => Dtype::F32,
            Numbers::F64(_) => Dtype::F64,
        }
    }

    fn type_name(&self) -> &'static str {
        match self {
            Numbers::F32(_) => f32::NAME,
            Numbers::F64(_) => f64::NAME,
        }
    }

    fn to_bytes(&self) -> Vec<u8> {
        match self {
            Numbers::F32(values) => values.iter().flat_map(|v| v.to_le_bytes()).collect(),
            Numbers::F64(values) => values.iter().flat_map(|v| v.to_le_bytes()).collect(),
        }
    }

    fn from_bytes(dtype: Dtype, bytes: &[u8]) -> Option<Self> {
        match dtype {
            Dtype::F32 => {
                Some(Numbers::F32(bytes.as_chunks().0.iter().map(|b| f32::from_le_bytes(*b)).collect()))
            }
            Dtype::F64 => {
                Some(Numbers::F64(bytes.as_chunks().0.iter().map(|b| f64::from_le_bytes(*b)).collect()))
            }
            _ => None,
        }
    }
}

/// A number that a checkpoint can hold: `f32` or `f64`.
pub trait Element: Copy {
    /// The name of the type in errors: "F32" or "F64".
    const NAME: &'static str;
    /// The values as numbers of a tensor.
    fn wrap(values: Vec<Self>) -> Numbers;
    /// The numbers of a tensor as values, if they are of this type.
    fn unwrap(data: &Numbers) -> Option<&[Self]>;
}

macro_rules! element {
    ($($float:ident $variant:ident),*) => {$(
        impl Element for $float {
            const NAME: &'static str = stringify!($variant);
            fn wrap(values: Vec<Self>) -> Numbers {
                Numbers::$variant(values)
            }
            fn unwrap(data: &Numbers) -> Option<&[Self]> {
                if let Numbers::$variant(values) = data { Some(values) } else { None }
            }
        }
    )*};
}
element!(f32 F32, f64 F64);

#[derive(Clone, Debug, PartialEq)]
struct Tensor {
    shape: Vec<usize>,
    data: Numbers,
}

/// Named tensors and metadata, in one safetensors file that other tools can read.
///
/// The checkpoint of a model is its θ with the names of the slots, and whatever else a run needs to go on: the vectors of
/// the optimiser, which have the same slots, and counters as metadata.
///
/// ```
/// use nn::model::{Init, Layout};
/// use nn::train::Checkpoint;
/// # let folder = std::env::temp_dir().join(format!("nn-checkpoint-doc-{}", std::process::id()));
/// # std::fs::create_dir_all(&folder)?;
/// # let path = folder.join("checkpoint.safetensors");
/// let mut layout = Layout::new();
/// layout.slot("w", [2, 3], Init::Glorot);
/// layout.slot("b", [3], Init::Constant(0.0));
/// let theta: Vec<f32> = (0..9).map(|i| i as f32).collect();
///
/// let mut checkpoint = Checkpoint::new();
/// checkpoint.insert_vector("theta", &layout, &theta);
/// checkpoint.set("epoch", 7);
/// checkpoint.save(&path)?;
///
/// let checkpoint = Checkpoint::load(&path)?;
/// assert_eq!(checkpoint.vector::<f32>("theta", &layout)?, theta);
/// assert_eq!(checkpoint.value::<usize>("epoch")?, 7);
/// # std::fs::remove_dir_all(&folder)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// The same contents give the same bytes, so that two runs can be compared by their files. A checksum among the metadata
/// covers names, shapes and numbers: a flipped bit is an error, never another model.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Checkpoint {
    /// The file that it was loaded from, for errors.
    path: PathBuf,
    tensors: BTreeMap<String, Tensor>,
    metadata: BTreeMap<String, String>,
}

/// Why a checkpoint could not be written, read or used.
#[derive(Debug, thiserror::Error)]
pub enum CheckpointError {
    /// The file cannot be opened or read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The file cannot be written.
    #[error("cannot write {}: {source}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The file is truncated, altered, or not a checkpoint of this crate.
    #[error("{} is damaged, or was not written by this crate: {reason}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The file is sound, but of another model or run: a tensor or an entry is missing, left over or of another kind.
    #[error("{} does not fit: {reason}", path.display())]
    Mismatch {
        /// The file.
        path: PathBuf,
        /// What was expected, and what was found.
        reason: String,
    },
}

impl Checkpoint {
    /// An empty checkpoint.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a tensor. It replaces one of the same name.
    ///
    /// # Panics
    /// If the shape and the number of values disagree.
    #[track_caller]
    #[inline(never)]
    pub fn insert<F: Element>(&mut self, name: &str, shape: &[usize], values: Vec<F>) {
        let (shape, data) = (shape.to_vec(), F::wrap(values));
        let size: usize = shape.iter().product();
        assert_eq!(
            size,
            data.len(),
            "Checkpoint: {name} {shape:?}: expected {size} numbers, found {}",
            data.len()
        );
        assert_ne!(name, METADATA, "Checkpoint: the name {METADATA} belongs to the format safetensors");
        self.tensors.insert(name.to_owned(), Tensor { shape, data });
    }

    /// Adds a vector of the layout slot by slot, as tensors `prefix.slot`.
    ///
    /// # Panics
    /// If the vector is not as long as the layout.
    #[track_caller]
    #[inline(never)]
    pub fn insert_vector<F: Element>(&mut self, prefix: &str, layout: &Layout, values: &[F]) {
        let (size, len) = (layout.size(), values.len());
        assert!(size == len, "Checkpoint: {prefix}: expected {size} numbers, found {len}");
        for slot in layout.slots() {
            let name = format!("{prefix}.{}", slot.name());
            self.insert(&name, slot.shape().dims(), values[slot.range()].to_vec());
        }
    }

    /// Adds an entry of metadata. What is `Display` and `FromStr` comes back by [`value`](Self::value).
    pub fn set(&mut self, key: &str, value: impl Display) {
        self.set_text(key, value.to_string());
    }

    fn set_text(&mut self, key: &str, text: String) {
        self.metadata.insert(key.to_owned(), text);
    }

    /// The names of the tensors, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.tensors.keys().map(String::as_str)
    }

    /// The shape of the tensor `name`, if it is there.
    pub fn shape(&self, name: &str) -> Option<&[usize]> {
        self.tensors.get(name).map(|tensor| &tensor.shape[..])
    }

    /// The values of the tensor `name`, which must have this shape, and numbers of the type `F`.
    ///
    /// # Errors
    /// [`CheckpointError::Mismatch`] if there is no such tensor, or it has another shape or type.
    #[inline(never)]
    pub fn tensor<F: Element>(&self, name: &str, shape: &[usize]) -> Result<&[F], CheckpointError> {
        let Some(tensor) = self.tensors.get(name) else {
            let names: Vec<_> = self.names().collect();
            return Err(self.mismatch(format!("expected a tensor {name}, found [{}]", names.join(", "))));
        };
        if tensor.shape != shape {
            return Err(
                self.mismatch(format!("tensor {name}: expected shape {shape:?}, found {:?}", tensor.shape))
            );
        }
        let (found, expected) = (tensor.data.dtype(), F::NAME);
        F::unwrap(&tensor.data)
            .ok_or_else(|| self.mismatch(format!("tensor {name}: expected {expected}, found {found}")))
    }

    /// A vector of the layout, as [`insert_vector`](Self::insert_vector) added it.
    ///
    /// # Errors
    /// [`CheckpointError::Mismatch`] if a slot is missing, has another shape or type, or if there are further slots with
    /// the same `prefix`.
    #[inline(never)]
    pub fn vector<F: Element>(&self, prefix: &str, layout: &Layout) -> Result<Vec<F>, CheckpointError> {
        let mut values = Vec::new();
        let mut left: Vec<_> = self
            .names()
            .filter(|name| name.strip_prefix(prefix).is_some_and(|n| n.starts_with('.')))
            .collect();
        for slot in layout.slots() {
            let name = format!("{prefix}.{}", slot.name());
            values.extend_from_slice(self.tensor(&name, slot.shape().dims())?);
            left.retain(|other| **other != name);
        }
        match left[..] {
            [] => Ok(values),
            _ => Err(self.mismatch(format!("expected no other tensors, found [{}]", left.join(", ")))),
        }
    }

    /// The length of a vector, and the first of its tensors with a number that is not finite.
    pub(crate) fn measure(&self, prefix: &str) -> (usize, Option<&str>) {
        let belongs = |name: &str| name.strip_prefix(prefix).is_some_and(|rest| rest.starts_with('.'));
        let tensors = || self.tensors.iter().filter(|(name, _)| belongs(name));
        let is_finite = |data: &Numbers| match data {
            Numbers::F32(values) => values.iter().all(|x| x.is_finite()),
            Numbers::F64(values) => values.iter().all(|x| x.is_finite()),
        };
        let wrong = tensors().find(|(_, tensor)| !is_finite(&tensor.data));
        (tensors().map(|(_, tensor)| tensor.data.len()).sum(), wrong.map(|(name, _)| name.as_str()))
    }

    /// The entry `key` of the metadata.
    ///
    /// # Errors
    /// [`CheckpointError::Mismatch`] if there is no such entry, or it does not parse as `T`.
    pub fn value<T: FromStr>(&self, key: &str) -> Result<T, CheckpointError> {
        let text = self.text(key)?;
        text.parse().map_err(|_| self.senseless(key, text))
    }

    fn text(&self, key: &str) -> Result<&str, CheckpointError> {
        let missing = || self.mismatch(format!("expected an entry {key:?}, found none"));
        self.metadata.get(key).map(String::as_str).ok_or_else(missing)
    }

    fn senseless(&self, key: &str, text: &str) -> CheckpointError {
        self.mismatch(format!("the entry {key:?} makes no sense: {text:?}"))
    }

    /// Writes the file under another name, then renames it: at no time is there half a checkpoint under this name.
    ///
    /// # Errors
    /// [`CheckpointError::Write`] if the folder is missing, read-only or full.
    pub fn save(&self, path: &Path) -> Result<(), CheckpointError> {
        write_aside(path, &self.to_bytes())
            .map_err(|source| CheckpointError::Write { path: path.into(), source })
    }

    /// Reads a file that [`save`](Self::save) has written.
    ///
    /// # Errors
    /// [`CheckpointError::Read`] if the file cannot be read, or [`CheckpointError::Damaged`] if anything in it was altered.
    pub fn load(path: &Path) -> Result<Self, CheckpointError> {
        let (checkpoint, is_checked) = Self::load_any(path)?;
        if is_checked {
            return Ok(checkpoint);
        }
        Err(CheckpointError::Damaged { path: path.into(), reason: "it has no checksum".into() })
    }

    /// Reads a safetensors file that any program has written, and says whether it had a checksum; a wrong one is an error.
    pub(crate) fn load_any(path: &Path) -> Result<(Self, bool), CheckpointError> {
        let bytes = fs::read(path).map_err(|source| CheckpointError::Read { path: path.into(), source })?;
        let damaged = |reason| CheckpointError::Damaged { path: path.into(), reason };
        let (checkpoint, is_checked) = Self::from_bytes(&bytes).map_err(damaged)?;
        Ok((Self { path: path.into(), ..checkpoint }, is_checked))
    }

    /// A checkpoint that another rank has written to bytes.
    #[cfg(feature = "run")]
    pub(crate) fn sent(bytes: &[u8]) -> Self {
        Self::from_bytes(bytes).expect("it was whole where it was read, and MPI loses nothing").0
    }

    /// The file that this was loaded from; empty for a new one.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The format safetensors: the length of the header, the header in JSON, then the numbers. The crate `safetensors`
    /// would write the metadata in the order of a hash map, which differs from run to run.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let mut metadata = self.metadata.clone();
        metadata.insert(CHECKSUM.to_owned(), self.checksum());
        let mut header = Map::from_iter([(METADATA.to_owned(), json!(metadata))]);
        let mut numbers = Vec::new();
        for dtype in [Dtype::F64, Dtype::F32] {
            // The wider type first, so that each number lies at a multiple of its size.
            for (name, Tensor { shape, data }) in self.tensors.iter().filter(|(_, t)| t.data.dtype() == dtype)
            {
                let start = numbers.len();
                numbers.extend(data.to_bytes());
                let offsets = [start, numbers.len()];
                header.insert(name.clone(), json!({"dtype": dtype, "shape": shape, "data_offsets": offsets}));
            }
        }
        let mut header = Value::Object(header).to_string().into_bytes();
        header.resize(header.len().next_multiple_of(8), b' ');
        [&(header.len() as u64).to_le_bytes()[..], &header, &numbers].concat()
    }

    /// The contents, and whether they had a checksum.
    fn from_bytes(bytes: &[u8]) -> Result<(Self, bool), String> {
        let file = SafeTensors::deserialize(bytes).map_err(|error| error.to_string())?;
        let (_, header) = SafeTensors::read_metadata(bytes).map_err(|error| error.to_string())?;
        let metadata = header.metadata().iter().flatten().map(|(key, value)| (key.clone(), value.clone()));
        let mut checkpoint = Self { metadata: metadata.collect(), ..Self::default() };
        for (name, view) in file.iter() {
            let data = Numbers::from_bytes(view.dtype(), view.data())
                .ok_or_else(|| format!("tensor {name}: expected F32 or F64, found {}", view.dtype()))?;
            checkpoint.tensors.insert(name.to_owned(), Tensor { shape: view.shape().to_vec(), data });
        }
        let Some(claimed) = checkpoint.metadata.remove(CHECKSUM) else { return Ok((checkpoint, false)) };
        let found = checkpoint.checksum();
        if claimed == found {
            Ok((checkpoint, true))
        } else {
            Err(format!("expected the checksum {claimed}, found {found}"))
        }
    }

    /// CRC-32 of the contents in the order of the names, as eight hexadecimal digits. Of each entry of the metadata: its key and
    /// its value, each with its length in bytes before it; of each tensor: its name, its type ("F32" or "F64"), both in the same
    /// way, the number of its axes, their sizes, and its numbers. All lengths and sizes are u64, all numbers little-endian.
    fn checksum(&self) -> String {
        let mut crc = Crc::new();
        let text = |crc: &mut Crc, text: &str| {
            crc.update(&(text.len() as u64).to_le_bytes());
            crc.update(text.as_bytes());
        };
        for (key, value) in &self.metadata {
            text(&mut crc, key);
            text(&mut crc, value);
        }
        for (name, Tensor { shape, data }) in &self.tensors {
            text(&mut crc, name);
            text(&mut crc, data.type_name());
            for size in [&[shape.len()], &shape[..]].concat() {
                crc.update(&(size as u64).to_le_bytes());
            }
            crc.update(&data.to_bytes());
        }
        format!("{:08x}", crc.sum())
    }

    pub(super) fn mismatch(&self, reason: String) -> CheckpointError {
        CheckpointError::Mismatch { path: self.path.clone(), reason }
    }
}
