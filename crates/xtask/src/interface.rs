//! Both variants of a module must fit the JavaScript around them, and be what they are said to be.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};
use wasmparser::{Operator, Parser, Payload, TypeRef};

use crate::variant::Variant;

/// What only a module over shared memory exports, and the JavaScript of threads alone calls.
const OF_THREADS: &[&str] = &["__stack_alloc", "__tls_base", "__wbindgen_thread_destroy"];

/// What the name of an imported function begins with here.
const IMPORT: &str = "import of function";

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

/// Fails unless `other` fits the JavaScript that was made for `module`: both export the same functions, tables and memories
/// by the same names, and `other` imports nothing else. It may import less: what the optimiser sees never to be called
/// differs with the instructions there are.
pub fn check_fits(module: &Path, other: &Path) -> Result<()> {
    let [one, two] = [read(module)?, read(other)?];
    let unused = |name: &&String| one.contains(*name) && name.starts_with(IMPORT);
    let different: Vec<_> =
        one.symmetric_difference(&two).filter(|name| !unused(name)).map(String::as_str).collect();
    if !different.is_empty() {
        let (module, other) = (module.display(), other.display());
        bail!("{module} and {other} do not fit the same JavaScript; only one has: {}", different.join(", "));
    }
    Ok(())
}

/// Fails unless `module` has the instructions of its variant. Nothing else would tell that a compiler turned atomic
/// operations into ordinary ones, and a browser of yesterday refuses a module with a single instruction too many.
pub fn check_instructions(module: &Path, variant: Variant) -> Result<()> {
    let bytes = fs::read(module).with_context(|| format!("reading {}", module.display()))?;
    let found = instructions(&bytes).with_context(|| format!("looking into {}", module.display()))?;
    let wanted = match variant {
        Variant::Baseline => Instructions { atomic: false, relaxed: false },
        Variant::Relaxed => Instructions { atomic: true, relaxed: true },
    };
    if found != wanted {
        bail!("{} should have {wanted:?}, and has {found:?}", module.display());
    }
    Ok(())
}

/// Which kinds of instructions a module has.
#[derive(Debug, PartialEq, Eq)]
struct Instructions {
    atomic: bool,
    relaxed: bool,
}

fn instructions(module: &[u8]) -> Result<Instructions> {
    let (mut atomic, mut relaxed) = (false, false);
    for payload in Parser::new(0).parse_all(module) {
        let Payload::CodeSectionEntry(body) = payload? else { continue };
        for operator in body.get_operators_reader()? {
            match operator? {
                Operator::I32AtomicLoad { .. }
                | Operator::I32AtomicStore { .. }
                | Operator::I32AtomicRmwAdd { .. }
                | Operator::I32AtomicRmwCmpxchg { .. } => atomic = true,
                Operator::F32x4RelaxedMadd
                | Operator::F32x4RelaxedNmadd
                | Operator::I16x8RelaxedDotI8x16I7x16S
                | Operator::I32x4RelaxedDotI8x16I7x16AddS => relaxed = true,
                _ => {}
            }
        }
    }
    Ok(Instructions { atomic, relaxed })
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
                    let kind = if matches!(import.ty, TypeRef::Func(_)) { IMPORT } else { "import of other" };
                    names.insert(format!("{kind} {} of {}", import.name, import.module));
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
    fn instructions_are_told_apart() {
        // (module (memory 1 1 shared) (func BODY)), where the body is `i32.const 0` … `drop`.
        let module = |body: &[u8]| {
            let mut bytes = vec![0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00];
            bytes.extend([0x01, 0x04, 0x01, 0x60, 0x00, 0x00, 0x03, 0x02, 0x01, 0x00]);
            bytes.extend([0x05, 0x04, 0x01, 0x03, 0x01, 0x01]);
            let len = body.len() as u8;
            bytes.extend([0x0a, len + 4, 0x01, len + 2, 0x00]);
            bytes.extend(body);
            bytes.push(0x0b);
            bytes
        };
        let found = |body: &[u8]| instructions(&module(body)).unwrap();
        let load = [0x41, 0x00, 0x28, 0x02, 0x00, 0x1a];
        assert_eq!(found(&load), Instructions { atomic: false, relaxed: false });
        let atomic_load = [0x41, 0x00, 0xfe, 0x10, 0x02, 0x00, 0x1a];
        assert_eq!(found(&atomic_load), Instructions { atomic: true, relaxed: false });
        let splat = [0x41, 0x00, 0xfd, 0x11];
        let relaxed_madd = [&splat[..], &splat, &splat, &[0xfd, 0x85, 0x02, 0x1a]].concat();
        assert_eq!(found(&relaxed_madd), Instructions { atomic: false, relaxed: true });
    }

    #[test]
    fn the_other_module_may_import_less_and_nothing_else() {
        // (module (import "m" "FUNCTION" (func)) …)
        let importing = |functions: &[u8]| {
            let mut bytes = vec![0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00];
            bytes.extend([0x01, 0x04, 0x01, 0x60, 0x00, 0x00]);
            bytes.extend([0x02, 1 + 6 * functions.len() as u8, functions.len() as u8]);
            functions.iter().for_each(|&name| bytes.extend([0x01, b'm', 0x01, name, 0x00, 0x00]));
            bytes
        };
        let folder = std::env::temp_dir().join(format!("xtask-imports-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let [one, two] = ["one.wasm", "two.wasm"].map(|name| folder.join(name));
        fs::write(&one, importing(b"ab")).unwrap();
        fs::write(&two, importing(b"b")).unwrap();
        check_fits(&one, &two).unwrap();
        let error = check_fits(&two, &one).unwrap_err().to_string();
        assert!(error.contains("function a of m"), "{error}");
        fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn names_that_differ_in_their_hash_are_made_the_same() {
        let folder = std::env::temp_dir().join(format!("xtask-interface-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let [one, two] = ["one.wasm", "two.wasm"].map(|name| folder.join(name));
        fs::write(&one, module("invoke_h0123456789abcdef")).unwrap();
        fs::write(&two, module("invoke_hfedcba9876543210")).unwrap();
        assert!(check_fits(&one, &two).is_err());
        take_names(&two, &one).unwrap();
        check_fits(&one, &two).unwrap();
        assert_eq!(fs::read(&one).unwrap(), fs::read(&two).unwrap());
        fs::write(&two, module("another_name_of_24_chars")).unwrap();
        take_names(&two, &one).unwrap();
        let error = check_fits(&one, &two).unwrap_err().to_string();
        assert!(error.contains("another_name_of_24_chars"), "{error}");
        fs::remove_dir_all(&folder).unwrap();
    }
}
