//! Room for a thread's own variables, in a program that has none.

use anyhow::{Context, Result, bail};
use wasmparser::{Operator, Parser, Payload};

/// What wasm-ld says of how thread-local variables are aligned.
const ALIGN: &str = "__tls_align";

/// Makes the alignment of thread-local variables 1 in a `module` that has none of them, where wasm-ld says 0. The code
/// that wasm-bindgen adds allocates their room with it, also when that is no byte, and no allocator takes 0: the module
/// would trap as it starts.
pub fn align(module: &mut [u8]) -> Result<()> {
    let (mut globals, mut wanted) = (Vec::new(), None);
    for payload in Parser::new(0).parse_all(module) {
        match payload? {
            Payload::ImportSection(imports) => {
                for import in imports.into_imports() {
                    if matches!(import?.ty, wasmparser::TypeRef::Global(_)) {
                        bail!("a module that imports globals: their numbers are not looked at here");
                    }
                }
            }
            Payload::GlobalSection(section) => {
                for global in section {
                    let (operator, place) = global?
                        .init_expr
                        .get_operators_reader()
                        .read_with_offset()
                        .context("reading a global")?;
                    globals.push((matches!(operator, Operator::I32Const { value: 0 }), place));
                }
            }
            Payload::ExportSection(exports) => {
                for export in exports {
                    let export = export?;
                    if export.name == ALIGN {
                        wanted = Some(export.index as usize);
                    }
                }
            }
            _ => {}
        }
    }
    let global =
        wanted.and_then(|index| globals.get(index)).with_context(|| format!("there is no {ALIGN}"))?;
    if let (true, place) = global {
        // Behind the byte of `i32.const`; 0 and 1 are a byte each.
        module[place + 1] = 1;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// (module (global i32 (i32.const 7)) (global (export "__tls_align") i32 (i32.const ALIGN)))
    fn module(align: u8) -> Vec<u8> {
        let mut bytes = vec![0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00];
        bytes.extend([0x06, 0x0b, 0x02, 0x7f, 0x00, 0x41, 0x07, 0x0b, 0x7f, 0x00, 0x41, align, 0x0b]);
        bytes.extend([0x07, 0x0f, 0x01, 0x0b]);
        bytes.extend(b"__tls_align");
        bytes.extend([0x03, 0x01]);
        bytes
    }

    #[test]
    fn nothing_is_aligned_to_one() {
        for (before, after) in [(0, 1), (1, 1), (8, 8)] {
            let mut bytes = module(before);
            align(&mut bytes).unwrap();
            assert_eq!(bytes, module(after));
        }
        assert!(align(&mut module(0)[..21].to_vec()).is_err(), "nothing is exported");
    }
}
