//! Reading the options of a pooler.

use serde_json::{Map, Value};

use crate::PoolError;

/// The options of one pooler, taken one by one; what is left over in the end is an error.
pub(crate) struct Options<'a> {
    pooler: &'static str,
    left: Map<String, Value>,
    /// What was asked for, to be named in errors.
    known: Vec<&'a str>,
}

impl<'a> Options<'a> {
    pub(crate) fn new(pooler: &'static str, options: &Map<String, Value>) -> Self {
        Self { pooler, left: options.clone(), known: Vec::new() }
    }

    /// The option of this name, `None` if it was not given. `read` says `None` for a value that is not `expected`.
    pub(crate) fn take<T>(
        &mut self,
        option: &'a str,
        expected: &str,
        read: impl FnOnce(&Value) -> Option<T>,
    ) -> Result<Option<T>, PoolError> {
        self.known.push(option);
        match self.left.remove(option) {
            None => Ok(None),
            Some(value) => {
                read(&value).map(Some).ok_or_else(|| self.wrong(option, value.to_string(), expected))
            }
        }
    }

    /// A number in `range`.
    pub(crate) fn number(
        &mut self,
        option: &'a str,
        default: f64,
        expected: &str,
        fits: impl FnOnce(f64) -> bool,
    ) -> Result<f64, PoolError> {
        let read = |value: &Value| value.as_f64().filter(|n| n.is_finite()).filter(|n| fits(*n));
        Ok(self.take(option, expected, read)?.unwrap_or(default))
    }

    /// A count of at least 1.
    pub(crate) fn count(&mut self, option: &'a str, default: usize) -> Result<usize, PoolError> {
        let read = |value: &Value| value.as_u64().filter(|n| *n > 0).map(|n| n as usize);
        Ok(self.take(option, "a whole number from 1 on", read)?.unwrap_or(default))
    }

    /// A yes or no.
    pub(crate) fn yes(&mut self, option: &'a str) -> Result<Option<bool>, PoolError> {
        self.take(option, "true or false", Value::as_bool)
    }

    /// A number or a list of numbers, each of which `fits`; `None` if the option was not given.
    pub(crate) fn numbers(
        &mut self,
        option: &'a str,
        expected: &str,
        fits: impl Fn(f64) -> bool,
    ) -> Result<Option<Vec<f64>>, PoolError> {
        let one = |value: &Value| value.as_f64().filter(|n| n.is_finite() && fits(*n));
        self.take(option, expected, |value| match value {
            Value::Array(all) if !all.is_empty() => all.iter().map(one).collect(),
            value => Some(vec![one(value)?]),
        })
    }

    /// How many groups or heads `width` is split into.
    pub(crate) fn parts(
        &mut self,
        option: &'a str,
        default: usize,
        width: usize,
    ) -> Result<usize, PoolError> {
        let parts = self.count(option, default)?;
        match width % parts {
            0 => Ok(parts),
            _ => Err(self.wrong(option, parts.to_string(), &format!("a divisor of {width}"))),
        }
    }

    /// A whole number from 0 on.
    pub(crate) fn whole(&mut self, option: &'a str, default: usize) -> Result<usize, PoolError> {
        let read = |value: &Value| value.as_u64().map(|n| n as usize);
        Ok(self.take(option, "a whole number from 0 on", read)?.unwrap_or(default))
    }

    /// Some of a few words, one or a list.
    pub(crate) fn words<T: Copy>(
        &mut self,
        option: &'a str,
        words: &[(&str, T)],
    ) -> Result<Option<Vec<T>>, PoolError> {
        let names = words.iter().map(|(word, _)| *word).collect::<Vec<_>>().join(", ");
        let one =
            |value: &Value| words.iter().find(|(word, _)| value.as_str() == Some(word)).map(|(_, t)| *t);
        self.take(option, &format!("a list of {names}"), |value| match value {
            Value::Array(all) if !all.is_empty() => all.iter().map(one).collect(),
            value => Some(vec![one(value)?]),
        })
    }

    /// One of a few words.
    pub(crate) fn word<T: Copy>(
        &mut self,
        option: &'a str,
        default: T,
        words: &[(&str, T)],
    ) -> Result<T, PoolError> {
        let expected = words.iter().map(|(word, _)| *word).collect::<Vec<_>>().join(" or ");
        let read =
            |value: &Value| words.iter().find(|(word, _)| value.as_str() == Some(word)).map(|(_, t)| *t);
        Ok(self.take(option, &expected, read)?.unwrap_or(default))
    }

    /// Fails if anything was not asked for.
    pub(crate) fn finish(self) -> Result<(), PoolError> {
        let Some((option, value)) = self.left.iter().next() else { return Ok(()) };
        let expected = match &self.known[..] {
            [] => "no options at all".to_owned(),
            known => format!("one of the options {}", known.join(", ")),
        };
        Err(self.wrong(option, value.to_string(), &expected))
    }

    pub(crate) fn wrong(&self, option: &str, got: String, expected: &str) -> PoolError {
        let (option, expected) = (option.to_owned(), expected.to_owned());
        PoolError::Option { pooler: self.pooler, option, got, expected }
    }
}
