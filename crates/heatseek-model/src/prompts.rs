//! `config_sentence_transformers.json`: the texts a model wants before its inputs.

use std::collections::BTreeMap;

use crate::ModelError;
use crate::json::{Object, parse};

/// A model's prompts by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Prompts {
    /// What goes before a text, by name.
    pub prompts: BTreeMap<String, String>,
    /// The prompt used when a caller names none.
    pub default_prompt_name: Option<String>,
    /// How vectors are meant to be compared: `cosine`, `dot`, `euclidean`, `manhattan`.
    pub similarity_fn_name: Option<String>,
}

impl Prompts {
    /// Reads the file; `file` is its name in errors.
    ///
    /// # Errors
    /// [`ModelError::Json`], [`ModelError::Field`], also if the default is not among the prompts.
    pub fn parse(file: &str, bytes: &[u8]) -> Result<Self, ModelError> {
        let value = parse(file, bytes)?;
        let json = Object::new(file, "(the whole file)", &value)?;
        let mut prompts = BTreeMap::new();
        if let Some(value) = json.get("prompts") {
            let entries = Object::new(file, "prompts", value)?;
            for name in entries.fields.keys() {
                // sentence-transformers reads null as the empty prompt.
                let text = entries.optional_str(name)?.unwrap_or_default();
                prompts.insert(name.clone(), text.to_owned());
            }
        }
        let parsed = Self {
            prompts,
            default_prompt_name: json.optional_str("default_prompt_name")?.map(str::to_owned),
            similarity_fn_name: json.optional_str("similarity_fn_name")?.map(str::to_owned),
        };
        match &parsed.default_prompt_name {
            Some(name) if parsed.find(name).is_none() => {
                Err(json.wrong("default_prompt_name", &format!("one of {}", parsed.known())))
            }
            _ => Ok(parsed),
        }
    }

    /// The prompt for a text: that of `name`, else the default one, else none.
    ///
    /// # Errors
    /// [`ModelError::UnknownPrompt`].
    pub fn resolve(&self, name: Option<&str>) -> Result<&str, ModelError> {
        let Some(name) = name.or(self.default_prompt_name.as_deref()) else { return Ok("") };
        self.find(name)
            .ok_or_else(|| ModelError::UnknownPrompt { name: name.to_owned(), known: self.known() })
    }

    /// Every model has `query` and `document`, empty unless it says otherwise, as in
    /// sentence-transformers since version 5 (`SentenceTransformer._default_prompts`).
    fn find(&self, name: &str) -> Option<&str> {
        let implied = matches!(name, "query" | "document").then_some("");
        self.prompts.get(name).map(String::as_str).or(implied)
    }

    fn known(&self) -> String {
        let mut names: Vec<&str> = self.prompts.keys().map(String::as_str).collect();
        names.extend(["query", "document"].into_iter().filter(|n| !self.prompts.contains_key(*n)));
        names.join(", ")
    }
}
