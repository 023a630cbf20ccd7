//! What each crate costs in the browser build.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use wasmparser::{KnownCustom, Name, Parser, Payload};

use crate::console;

/// Parts smaller than this share of the module are one row.
const SMALLEST_SHARE: f64 = 0.01;

/// Prints the share of each crate in `module`, as compiled: later steps strip the names. `brotli_bytes` is
/// what the shipped module costs; a part is charged its share of that. Data (shader sources, Unicode tables)
/// has no names and is a row of its own.
pub fn print(module: &Path, brotli_bytes: u64) -> Result<()> {
    let bytes = fs::read(module).with_context(|| format!("reading {}", module.display()))?;
    let parts = measure(&bytes).with_context(|| format!("looking into {}", module.display()))?;
    let total: usize = parts.values().sum();
    let share = |bytes: usize| bytes as f64 / total.max(1) as f64;
    let (mut large, small): (Vec<_>, Vec<_>) =
        parts.into_iter().partition(|(_, bytes)| share(*bytes) >= SMALLEST_SHARE);
    large.sort_by_key(|(_, bytes)| std::cmp::Reverse(*bytes));
    let rest = small.iter().map(|(_, bytes)| bytes).sum();
    println!("\n{:>12} {:>7} {:>12}  part of the wasm", "compiled", "share", "≈ brotli");
    for (name, bytes) in large.into_iter().chain([(format!("{} smaller parts", small.len()), rest)]) {
        let charged = (share(bytes) * brotli_bytes as f64) as u64;
        let (compiled, charged) = (console::grouped(bytes as u64), console::grouped(charged));
        println!("{compiled:>12} {:>5.1} % {charged:>12}  {name}", share(bytes) * 100.0);
    }
    Ok(())
}

/// Bytes of code by crate, and of data.
fn measure(module: &[u8]) -> Result<BTreeMap<String, usize>> {
    let (mut imported, mut bodies, mut names) = (0, Vec::new(), BTreeMap::new());
    let mut parts = BTreeMap::new();
    for payload in Parser::new(0).parse_all(module) {
        match payload? {
            Payload::ImportSection(imports) => {
                let functions = |i: &wasmparser::Import| matches!(i.ty, wasmparser::TypeRef::Func(_));
                for import in imports.into_imports() {
                    imported += usize::from(functions(&import?));
                }
            }
            Payload::CodeSectionEntry(body) => bodies.push(body.range().len()),
            Payload::DataSection(data) => {
                parts.insert("(data)".to_owned(), data.range().len());
            }
            Payload::CustomSection(section) => {
                if let KnownCustom::Name(sections) = section.as_known() {
                    for section in sections {
                        if let Name::Function(map) = section? {
                            for naming in map {
                                let naming = naming?;
                                names.insert(naming.index as usize, crate_of(naming.name));
                            }
                        }
                    }
                }
            }
            _ => {}
        }
    }
    for (i, bytes) in bodies.into_iter().enumerate() {
        let name = names.get(&(imported + i)).cloned().unwrap_or_else(|| "(no name)".to_owned());
        *parts.entry(name).or_insert(0) += bytes;
    }
    Ok(parts)
}

/// The crate a mangled function belongs to: the first path of its name. What a generic function was made
/// for is not looked at, so `alloc` holds every `Vec<T>::push` there is.
fn crate_of(mangled: &str) -> String {
    let name = format!("{:#}", rustc_demangle::demangle(mangled));
    let path = name.trim_start_matches(['<', '&', '*', '[', '(']);
    let path = ["mut ", "dyn ", "const "].iter().fold(path, |path, word| path.trim_start_matches(word));
    match path.split_once("::") {
        Some((first, _)) if first.chars().all(|c| c.is_alphanumeric() || c == '_') => first.to_owned(),
        _ => "(no crate)".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_crate_of_a_function_or_method() {
        for (mangled, expected) in [
            ("_ZN13heatseek_text9tokenizer9Tokenizer6encode17h0123456789abcdefE", "heatseek_text"),
            (
                "_ZN69_$LT$alloc..vec..Vec$LT$T$GT$$u20$as$u20$core..clone..Clone$GT$5clone17h0123456789abcdefE",
                "alloc",
            ),
            ("_RNvCs15kBYyAo9fc_7mycrate7example", "mycrate"),
            ("_RNvNtCs15kBYyAo9fc_7mycrate3mod7example", "mycrate"),
            ("memcpy", "(no crate)"),
        ] {
            assert_eq!(crate_of(mangled), expected, "{mangled}");
        }
    }

    #[test]
    fn charges_code_by_name_and_data_apart() {
        // (module (func $_ZN1a1fE) (memory 1) (data (i32.const 0) "xyz")), as `wat2wasm --debug-names` makes it.
        let module: &[u8] = &[
            0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00, // magic, version
            0x01, 0x04, 0x01, 0x60, 0x00, 0x00, // type: () -> ()
            0x03, 0x02, 0x01, 0x00, // function 0 of type 0
            0x05, 0x03, 0x01, 0x00, 0x01, // memory
            0x0a, 0x04, 0x01, 0x02, 0x00, 0x0b, // code: no locals, end
            0x0b, 0x09, 0x01, 0x00, 0x41, 0x00, 0x0b, 0x03, b'x', b'y', b'z', // data
            0x00, 0x12, 0x04, b'n', b'a', b'm', b'e', // custom "name"
            0x01, 0x0b, 0x01, 0x00, 0x08, b'_', b'Z', b'N', b'1', b'a', b'1', b'f', b'E',
        ];
        let parts = measure(module).unwrap();
        assert_eq!(parts.get("a"), Some(&2), "{parts:?}");
        assert_eq!(parts.get("(data)"), Some(&9), "{parts:?}");
    }
}
