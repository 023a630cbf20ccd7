//! `heatseek convert`: the same model in a smaller file, and how far its vectors turn.

mod fidelity;
mod folder;
mod mixing;

use std::path::Path;

use heatseek::{Error, ModelFiles};
use heatseek_model::{Conversion, Rounded, WeightDtype};
use serde_json::{Value, json};

use crate::args::{ConversionArgs, ConvertArgs};
use crate::failure::Failure;
use crate::progress::doing_bar;
use fidelity::{Cosines, Original};
pub use folder::Folder;

/// Files beside a model that belong to it: what it is, and on what terms.
const BESIDE: [&str; 4] = ["README.md", "LICENSE", "LICENSE.txt", "LICENSE.md"];

/// Runs `heatseek convert`. Prints one JSON object.
pub fn run(args: &ConvertArgs) -> Result<(), Failure> {
    let mut folder = Folder::claim(&args.out)?;
    let mut report = convert(&args.model, &args.conversion, &mut folder)?;
    folder.copy(&args.model, &BESIDE)?;
    report["bytes"] = folder.bytes().into();
    folder.keep();
    println!("{report:#}");
    Ok(())
}

/// Writes the model of the folder `model`, converted, into `folder`, reads it again from there and compares it with what
/// it was. Gives what there is to say of it.
pub fn convert(model: &Path, args: &ConversionArgs, folder: &mut Folder) -> Result<Value, Failure> {
    if args.group_size == 0 {
        return Err(Failure::invalid("--group-size is 0: give the columns that share a scale, such as 32"));
    }
    let least = args.min_cosine.unwrap_or(least_cosine(args.dtype));
    let bar = doing_bar();
    bar.set_message("reading");
    let files = ModelFiles::from_dir(model).map_err(Error::from)?;
    let original = Original::of(&files)?;
    let mut conversion = Conversion { group_size: args.group_size, ..Conversion::new(args.dtype) };
    let mut rounded = Rounded::default();
    let mut tried = 0;
    if args.dtype == WeightDtype::Q4 {
        let parts = conversion.parts(&files).map_err(Error::from)?;
        let (wider, _) = mixing::wider(&parts, least, |wider| {
            tried += 1;
            bar.set_message(format!(
                "trying which parts bear four bits, {tried} of about {}",
                parts.len() + 3
            ));
            let conversion = Conversion { wider: wider.clone(), ..conversion.clone() };
            original.compare(&conversion.files_again(&files, &mut rounded).map_err(Error::from)?)
        })?;
        conversion.wider = wider;
    }
    bar.set_message("writing");
    folder.write_all(&plain(conversion.files_again(&files, &mut rounded).map_err(Error::from)?))?;
    bar.set_message("comparing");
    let written = ModelFiles::from_dir(folder.path()).map_err(Error::from)?;
    let cosines = original.compare(&written)?;
    bar.finish_and_clear();
    check(&cosines, args.dtype, least)?;
    Ok(json!({
        "out": folder.path(),
        "dtype": args.dtype.to_string(),
        "int8_parts": conversion.wider,
        "bytes_before": bytes(&files),
        "bytes": folder.bytes(),
        "cosine_min": cosines.least(),
        "cosine_mean": cosines.mean(),
        "compared": cosines.0.len(),
    }))
}

/// Vectors of a smaller model are to have at least this cosine to those of the model: the design's bars for f16 and int8,
/// and for four bits, whose parts can be widened until they reach it, that of int8.
fn least_cosine(dtype: WeightDtype) -> f64 {
    match dtype {
        WeightDtype::F16 => 0.9999,
        WeightDtype::Int8 | WeightDtype::Q4 => 0.99,
    }
}

fn check(cosines: &Cosines, dtype: WeightDtype, least: f64) -> Result<(), Failure> {
    let got = cosines.least();
    if got >= least {
        return Ok(());
    }
    let other = match dtype {
        WeightDtype::F16 => "keep this model as it is",
        WeightDtype::Int8 => "take f16",
        WeightDtype::Q4 => "take int8 or f16",
    };
    Err(Failure::invalid(format!(
        "in {dtype} the vectors of this model have a cosine of {got:.6} to what they were, and {least} is asked for: \
         {other}, or accept it with --min-cosine"
    )))
}

/// The same files, a tokenizer without the white space between its tokens: a quarter of it or more.
fn plain(mut files: ModelFiles) -> ModelFiles {
    let tokenizers: Vec<String> =
        files.paths().filter(|path| path.ends_with("tokenizer.json")).map(str::to_owned).collect();
    for path in tokenizers {
        if let Some(bytes) = files.get(&path) {
            let bytes = without_space(bytes);
            files.insert(&path, bytes);
        }
    }
    files
}

/// JSON without the white space that is not in strings.
fn without_space(json: &[u8]) -> Vec<u8> {
    let (mut in_string, mut is_escaped) = (false, false);
    let stays = |byte: &u8| {
        let stays = in_string || !byte.is_ascii_whitespace();
        if !is_escaped && *byte == b'"' {
            in_string = !in_string;
        }
        is_escaped = in_string && !is_escaped && *byte == b'\\';
        stays
    };
    json.iter().copied().filter(stays).collect()
}

/// Bytes of all files that are loaded.
fn bytes(files: &ModelFiles) -> usize {
    files.paths().filter_map(|path| files.get(path)).map(|bytes| bytes.len()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_space_between_values_goes() {
        let json = r#" { "a b" : [ 1 , "\" \\" , " \\\" " ] ,
            "c" : "	" } "#;
        let plain = without_space(json.as_bytes());
        assert_eq!(String::from_utf8(plain.clone()).unwrap(), r#"{"a b":[1,"\" \\"," \\\" "],"c":"	"}"#);
        assert_eq!(without_space(&plain), plain);
    }

    #[test]
    fn a_cosine_that_is_none_is_too_little() {
        assert!(check(&Cosines(vec![0.995, 0.9991]), WeightDtype::Int8, 0.99).is_ok());
        for least in [0.98, f64::NAN] {
            let Err(Failure::Told { message, .. }) = check(&Cosines(vec![1.0, least]), WeightDtype::Q4, 0.99)
            else {
                panic!("{least} passes");
            };
            assert!(message.contains("--min-cosine") && message.contains("int8"), "{message}");
        }
    }
}
