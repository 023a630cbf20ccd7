//! Reading fields of a JSON file with errors that name the file, the field and what was expected.

use serde_json::{Map, Value};

use crate::ModelError;

/// A JSON object and the file it came from.
#[derive(Clone, Copy)]
pub(crate) struct Object<'a> {
    pub(crate) file: &'a str,
    pub(crate) fields: &'a Map<String, Value>,
}

/// Parses `bytes` as JSON.
pub(crate) fn parse(file: &str, bytes: &[u8]) -> Result<Value, ModelError> {
    serde_json::from_slice(bytes).map_err(|source| ModelError::Json { file: file.to_owned(), source })
}

/// Whether `bytes` are a `config.json` with one of these `model_type`s.
pub(crate) fn is_of_type(bytes: &[u8], model_types: &[&str]) -> bool {
    let value: Option<Value> = serde_json::from_slice(bytes).ok();
    let model_type = value.as_ref().and_then(|v| v.get("model_type")?.as_str());
    model_type.is_some_and(|name| model_types.contains(&name))
}

impl<'a> Object<'a> {
    /// `value` as an object; `field` is what to call it in an error.
    pub(crate) fn new(file: &'a str, field: &str, value: &'a Value) -> Result<Self, ModelError> {
        match value {
            Value::Object(fields) => Ok(Self { file, fields }),
            other => Err(ModelError::Field {
                file: file.to_owned(),
                field: field.to_owned(),
                expected: "an object".into(),
                got: shown(Some(other)),
            }),
        }
    }

    /// The field, unless it is absent or null.
    pub(crate) fn get(&self, field: &str) -> Option<&'a Value> {
        self.fields.get(field).filter(|v| !v.is_null())
    }

    /// The error that `field` is not `expected`.
    pub(crate) fn wrong(&self, field: &str, expected: &str) -> ModelError {
        ModelError::Field {
            file: self.file.to_owned(),
            field: field.to_owned(),
            expected: expected.to_owned(),
            got: shown(self.fields.get(field)),
        }
    }

    /// The error that the value of `field` is not supported.
    pub(crate) fn unsupported(&self, field: &str, supported: &str) -> ModelError {
        ModelError::UnsupportedSetting {
            file: self.file.to_owned(),
            field: field.to_owned(),
            got: shown(self.fields.get(field)),
            supported: supported.to_owned(),
        }
    }

    /// A whole number of at least 1.
    pub(crate) fn size(&self, field: &str) -> Result<usize, ModelError> {
        self.optional_size(field)?.ok_or_else(|| self.wrong(field, SIZE))
    }

    /// How many layers there are.
    pub(crate) fn layers(&self) -> Result<usize, ModelError> {
        const FIELD: &str = "num_hidden_layers";
        let layers = self.size(FIELD)?;
        match layers <= MAX_LAYERS {
            true => Ok(layers),
            false => Err(self.unsupported(FIELD, "at most 1024")),
        }
    }

    /// A whole number of at least 1, if the field is there.
    pub(crate) fn optional_size(&self, field: &str) -> Result<Option<usize>, ModelError> {
        let Some(value) = self.get(field) else { return Ok(None) };
        // Tables index with u32, and wasm32 has no larger sizes.
        let size = value.as_u64().filter(|&n| n >= 1 && n <= u64::from(u32::MAX));
        size.map(|n| Some(n as usize)).ok_or_else(|| self.wrong(field, SIZE))
    }

    /// A whole number of at least 1, `default` if the field is not there.
    pub(crate) fn size_or(&self, field: &str, default: usize) -> Result<usize, ModelError> {
        Ok(self.optional_size(field)?.unwrap_or(default))
    }

    /// A finite number, if the field is there.
    pub(crate) fn optional_number(&self, field: &str) -> Result<Option<f64>, ModelError> {
        let Some(value) = self.get(field) else { return Ok(None) };
        value.as_f64().map(Some).ok_or_else(|| self.wrong(field, "a number"))
    }

    /// A string, if the field is there.
    pub(crate) fn optional_str(&self, field: &str) -> Result<Option<&'a str>, ModelError> {
        let Some(value) = self.get(field) else { return Ok(None) };
        value.as_str().map(Some).ok_or_else(|| self.wrong(field, "a string"))
    }

    /// A boolean, `default` if the field is not there.
    pub(crate) fn bool_or(&self, field: &str, default: bool) -> Result<bool, ModelError> {
        let Some(value) = self.get(field) else { return Ok(default) };
        value.as_bool().ok_or_else(|| self.wrong(field, "true or false"))
    }
}

/// Layers are laid out before their weights are there: a number that is none takes all memory. The deepest encoders
/// have some 50.
const MAX_LAYERS: usize = 1024;
const SIZE: &str = "a whole number from 1 to 4294967295";

/// A value as an error shows it: short, whatever a hostile file holds.
pub(crate) fn shown(value: Option<&Value>) -> String {
    let Some(value) = value else { return "absent".into() };
    let text = value.to_string();
    match text.char_indices().nth(80) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}
