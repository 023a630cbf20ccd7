//! How a caller names a pooler.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::PoolError;

/// A pooler by name, with its options. In JSON `{"name": "gem", "p": 3}` or, where nothing needs saying, `"gem"`; as
/// text `gem`, or `gem:p=3,groups=12`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(from = "Written", into = "Written")]
pub struct PoolerSpec {
    /// Its name, in any spelling.
    pub name: String,
    /// Its options by name.
    pub options: Map<String, Value>,
}

#[derive(Clone, Serialize, Deserialize)]
#[serde(untagged)]
enum Written {
    Name(String),
    Whole {
        name: String,
        #[serde(flatten)]
        options: Map<String, Value>,
    },
}

impl From<Written> for PoolerSpec {
    fn from(written: Written) -> Self {
        match written {
            Written::Name(name) => Self { name, options: Map::new() },
            Written::Whole { name, options } => Self { name, options },
        }
    }
}

impl From<PoolerSpec> for Written {
    fn from(spec: PoolerSpec) -> Self {
        match spec.options.is_empty() {
            true => Written::Name(spec.name),
            false => Written::Whole { name: spec.name, options: spec.options },
        }
    }
}

impl PoolerSpec {
    /// Without options.
    pub fn named(name: &str) -> Self {
        Self { name: name.to_owned(), options: Map::new() }
    }

    /// Reads `name:option=value,option=value`. A value is JSON where it can be read as such, otherwise text; a list
    /// has `+` between its parts: `layer:layers=1+6`.
    ///
    /// # Errors
    /// [`PoolError::Option`] for a part without `=`.
    pub fn parse(text: &str) -> Result<Self, PoolError> {
        let (name, rest) = text.split_once(':').unwrap_or((text, ""));
        let mut options = Map::new();
        for part in rest.split(',').filter(|part| !part.is_empty()) {
            let Some((option, value)) = part.split_once('=') else {
                return Err(PoolError::Option {
                    pooler: "",
                    option: part.to_owned(),
                    got: "alone".into(),
                    expected: "option=value, e.g. gem:p=3".into(),
                });
            };
            let value = match value.contains('+') && !value.starts_with('+') {
                true => Value::Array(value.split('+').map(read).collect()),
                false => read(value),
            };
            options.insert(option.trim().to_owned(), value);
        }
        Ok(Self { name: name.trim().to_owned(), options })
    }
}

fn read(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.to_owned()))
}

impl std::fmt::Display for PoolerSpec {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.name)?;
        for (place, (option, value)) in self.options.iter().enumerate() {
            let written = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            let value = match value {
                Value::Array(all) => all.iter().map(written).collect::<Vec<_>>().join("+"),
                one => written(one),
            };
            write!(f, "{}{option}={value}", if place == 0 { ':' } else { ',' })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn texts_and_json_say_the_same() {
        let spec = PoolerSpec::parse("gem:p=3.5,positive=signed").unwrap();
        assert_eq!(spec.options, *json!({ "p": 3.5, "positive": "signed" }).as_object().unwrap());
        let read: PoolerSpec =
            serde_json::from_value(json!({ "name": "gem", "p": 3.5, "positive": "signed" })).unwrap();
        assert_eq!((spec.to_string(), &spec), ("gem:p=3.5,positive=signed".to_owned(), &read));
        assert_eq!(serde_json::to_value(PoolerSpec::named("mean")).unwrap(), json!("mean"));
        assert_eq!(serde_json::from_value::<PoolerSpec>(json!("mean")).unwrap(), PoolerSpec::named("mean"));
    }

    #[test]
    fn lists_have_plus_signs() {
        let spec = PoolerSpec::parse("layer:layers=1+6,mix=mean").unwrap();
        assert_eq!(spec.options["layers"], json!([1, 6]));
        assert_eq!(PoolerSpec::parse(&spec.to_string()).unwrap(), spec);
        assert!(PoolerSpec::parse("gem:p").is_err());
    }
}
