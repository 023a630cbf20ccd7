//! How texts become sequences: where they are cut, what is done to them first, what they are filled up with.

use serde_json::Value;

use crate::json::{Object, parse};
use crate::tower::Tower;
use crate::{Config, ModelError, ModelFiles};

/// How a text shorter than the limit is filled up to it: SigLIP was trained on such texts, without a mask.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TextPadding {
    /// The token, as the vocabulary writes it.
    pub token: String,
    /// Whether it stands before the text, not behind it.
    pub left: bool,
}

impl TextPadding {
    /// `pad_token` and `padding_side`; absent ones as in transformers' `SiglipTokenizer`, and for SigLIP 2
    /// `Siglip2Tokenizer`.
    fn read(json: &Object<'_>, config: &Config) -> Result<Self, ModelError> {
        let second = config.model_type.starts_with("siglip2");
        let token = match json.get("pad_token") {
            // An added token is written as an object.
            Some(Value::Object(fields)) => fields.get("content").and_then(Value::as_str),
            Some(other) => other.as_str(),
            None => Some(if second { "<pad>" } else { "</s>" }),
        };
        let token = token.ok_or_else(|| json.wrong("pad_token", "a token"))?.to_owned();
        let left = match json.optional_str("padding_side")? {
            None => second,
            Some("left") => true,
            Some("right") => false,
            Some(_) => return Err(json.wrong("padding_side", "`left` or `right`")),
        };
        Ok(Self { token, left })
    }
}

/// How texts are cut and cleaned before the encoder.
pub(crate) struct Limits {
    pub(crate) max_length: usize,
    pub(crate) do_lower_case: bool,
    pub(crate) padding: Option<TextPadding>,
}

impl Limits {
    /// `max_seq_length` of `sentence_bert_config.json`, else the tokenizer's `model_max_length`; never
    /// more than there are positions (sentence-transformers' `Transformer.__init__`).
    pub(crate) fn read(files: &ModelFiles, folder: &str, config: &Config) -> Result<Self, ModelError> {
        let mut limits =
            Self { max_length: config.max_position_embeddings, do_lower_case: false, padding: None };
        let siglip = Tower::of(&config.model_type) == Some(Tower::Siglip);
        let file = format!("{folder}tokenizer_config.json");
        if let Some(bytes) = files.get(&file) {
            let value = parse(&file, bytes)?;
            let json = Object::new(&file, "(the whole file)", &value)?;
            // A float: transformers writes 1e30 for "no limit".
            if let Some(limit) = json.optional_number("model_max_length")? {
                if limit < 1.0 {
                    return Err(json.wrong("model_max_length", "a number of at least 1"));
                }
                // The cast saturates.
                limits.max_length = limits.max_length.min(limit as usize);
            }
            limits.padding = siglip.then(|| TextPadding::read(&json, config)).transpose()?;
        } else if siglip {
            files.require(&file, "the model's padding token")?;
        }
        // The class that transformers gives this type, whatever the file says, lower-cases (`Siglip2Tokenizer`).
        limits.do_lower_case = config.model_type.starts_with("siglip2");
        let file = format!("{folder}sentence_bert_config.json");
        if let Some(bytes) = files.get(&file) {
            let value = parse(&file, bytes)?;
            let json = Object::new(&file, "(the whole file)", &value)?;
            if let Some(limit) = json.optional_size("max_seq_length")? {
                limits.max_length = limit.min(config.max_position_embeddings);
            }
            limits.do_lower_case |= json.bool_or("do_lower_case", false)?;
            match json.optional_str("transformer_task")? {
                None | Some("feature-extraction") => {}
                Some(_) => return Err(json.unsupported("transformer_task", "feature-extraction")),
            }
        }
        Ok(limits)
    }
}
