//! Both variants of a module must fit the JavaScript around them.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};
use wasmparser::{Parser, Payload, TypeRef};

/// What only a module over shared memory exports, and the JavaScript of threads alone calls.
const OF_THREADS: &[&str] = &["__stack_alloc", "__tls_base", "__wbindgen_thread_destroy"];

/// Gives the exports of `module` the names they have in `other`, where only a hash tells them apart: closures are
/// exported by their mangled names.
pub fn take_names(module: &Path, other: &Path) -> Result<()> {
    let mut bytes = fs::read(module).with_context(|| format!("reading {}", module.display()))?;
    let (names, others) = (names(&bytes)?, read(other)?);
    for name in names.difference(&others) {
        let Some(stem) = without_hash(name) else { continue };
        let mut alike = others.difference(&names).filter(|other| without_hash(other) == Some(stem));
        let (Some(other), None) = (alike.next(), alike.next()) else { continue };
        let [from, to] = [name, other].map(|name| name.rsplit(' ').next().unwrap_or(name).as_bytes());
        for at in 0..bytes.len() - from.len() {
            if bytes[at..].starts_with(from) {
                bytes[at..at + to.len()].copy_from_slice(to);
            }
        }
    }
    fs::write(module, bytes).with_context(|| format!("writing {}", module.display()))
}

/// `name` without the 17 characters of hash at its end.
fn without_hash(name: &str) -> Option<&str> {
    let (stem, hash) = name.split_at_checked(name.len().checked_sub(17)?)?;
    let digits = hash.strip_prefix('h')?;
    digits.chars().all(|c| c.is_ascii_hexdigit()).then_some(stem)
}

/// Fails unless the modules import and export the same functions, tables and memories by the same names.
pub fn check_same(module: &Path, other: &Path) -> Result<()> {
    let [one, two] = [read(module)?, read(other)?];
    let different: Vec<_> = one.symmetric_difference(&two).map(String::as_str).collect();
    if !different.is_empty() {
        let (module, other) = (module.display(), other.display());
        bail!("{module} and {other} do not fit the same JavaScript; only one has: {}", different.join(", "));
    }
    Ok(())
}

fn read(module: &Path) -> Result<BTreeSet<String>> {
    let bytes = fs::read(module).with_context(|| format!("reading {}", module.display()))?;
    names(&bytes).with_context(|| format!("looking into {}", module.display()))
}

fn names(module: &[u8]) -> Result<BTreeSet<String>> {
    let mut names = BTreeSet::new();
    for payload in Parser::new(0).parse_all(module) {
        match payload? {
            Payload::ImportSection(imports) => {
                for import in imports.into_imports() {
                    let import = import?;
                    let kind = if matches!(import.ty, TypeRef::Func(_)) { "function" } else { "other" };
                    names.insert(format!("import of {kind} {} of {}", import.name, import.module));
                }
            }
            Payload::ExportSection(exports) => {
                for export in exports {
                    let export = export?;
                    if !OF_THREADS.contains(&export.name) {
                        names.insert(format!("export of {:?} {}", export.kind, export.name));
                    }
                }
            }
            _ => {}
        }
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// (module (func (export "NAME"))), with a name of 24 characters.
    fn module(name: &str) -> Vec<u8> {
        assert_eq!(name.len(), 24);
        let mut bytes = vec![0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00];
        bytes.extend([0x01, 0x04, 0x01, 0x60, 0x00, 0x00, 0x03, 0x02, 0x01, 0x00]);
        bytes.extend([0x07, 28, 0x01, 24]);
        bytes.extend(name.as_bytes());
        bytes.extend([0x00, 0x00, 0x0a, 0x04, 0x01, 0x02, 0x00, 0x0b]);
        bytes
    }

    #[test]
    fn names_that_differ_in_their_hash_are_made_the_same() {
        let folder = std::env::temp_dir().join(format!("xtask-interface-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let [one, two] = ["one.wasm", "two.wasm"].map(|name| folder.join(name));
        fs::write(&one, module("invoke_h0123456789abcdef")).unwrap();
        fs::write(&two, module("invoke_hfedcba9876543210")).unwrap();
        assert!(check_same(&one, &two).is_err());
        take_names(&two, &one).unwrap();
        check_same(&one, &two).unwrap();
        assert_eq!(fs::read(&one).unwrap(), fs::read(&two).unwrap());
        fs::write(&two, module("another_name_of_24_chars")).unwrap();
        take_names(&two, &one).unwrap();
        let error = check_same(&one, &two).unwrap_err().to_string();
        assert!(error.contains("another_name_of_24_chars"), "{error}");
        fs::remove_dir_all(&folder).unwrap();
    }
}
