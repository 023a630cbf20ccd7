//! What an index's vectors were made with.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::StoreError;
use super::error::{Difference, Fault};

/// Wider vectors than any model's: what is stored for one row stays countable.
const MAX_WIDTH: u32 = 1 << 20;

/// How an element of a stored vector is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum VectorDtype {
    /// Four bytes, little-endian IEEE 754.
    F32,
    /// Two bytes, little-endian IEEE 754.
    F16,
    /// One signed byte, times the vector's scale.
    I8,
    /// One bit. A vector begins with a byte of its own.
    Bits,
}

impl VectorDtype {
    /// Bytes of a vector of `width` elements, its scale not counted.
    pub fn row_bytes(self, width: u32) -> usize {
        let width = width as usize;
        match self {
            Self::F32 => width * 4,
            Self::F16 => width * 2,
            Self::I8 => width,
            Self::Bits => width.div_ceil(8),
        }
    }
}

impl fmt::Display for VectorDtype {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::F32 => "f32",
            Self::F16 => "f16",
            Self::I8 => "i8",
            Self::Bits => "bits",
        })
    }
}

/// What vectors must have been made with to be compared: an index is opened with the one that it was made with. The
/// texts are the caller's and mean nothing here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Identity {
    /// The model's name, for people.
    pub model: String,
    /// What tells this model from another of its name, such as a sum over its weights.
    pub fingerprint: String,
    /// How tokens became vectors.
    pub pooling: String,
    /// How vectors are compared.
    pub metric: String,
    /// How their elements are stored.
    pub dtype: VectorDtype,
    /// Their elements.
    pub width: u32,
    /// Whatever else matters, by name.
    pub settings: BTreeMap<String, String>,
}

impl Identity {
    /// Fails with what differs in `given`.
    pub(crate) fn check(&self, given: &Self) -> Result<(), StoreError> {
        let mut differences = Vec::new();
        let mut compare = |setting: &str, index: Option<&String>, given: Option<&String>| {
            if index != given {
                let text =
                    |value: Option<&String>| value.map_or_else(|| "unset".to_owned(), |v| format!("`{v}`"));
                let (setting, index, given) = (setting.to_owned(), text(index), text(given));
                differences.push(Difference { setting, index, given });
            }
        };
        for ((name, index), (_, given)) in self.fields().iter().zip(&given.fields()) {
            compare(name, Some(index), Some(given));
        }
        let unknown = given.settings.keys().filter(|name| !self.settings.contains_key(*name));
        for name in self.settings.keys().chain(unknown) {
            compare(&format!("setting {name}"), self.settings.get(name), given.settings.get(name));
        }
        if differences.is_empty() { Ok(()) } else { Err(StoreError::Identity { differences }) }
    }

    /// That vectors so wide can be stored.
    pub(crate) fn check_width(&self) -> Result<(), Fault> {
        if (1..=MAX_WIDTH).contains(&self.width) {
            return Ok(());
        }
        Err(Fault::new("width", format!("1 to {MAX_WIDTH}"), self.width.to_string()))
    }

    fn fields(&self) -> [(&'static str, String); 6] {
        [
            ("model", self.model.clone()),
            ("fingerprint", self.fingerprint.clone()),
            ("pooling", self.pooling.clone()),
            ("metric", self.metric.clone()),
            ("dtype", self.dtype.to_string()),
            ("width", self.width.to_string()),
        ]
    }
}
