//! The kernels that are translated, compiled and run: heatseek-wgsl's, with the pipeline constants of every op case.

use std::collections::BTreeMap;

use heatseek_naga_cuda::{CudaKernel, TranslateError, translate};
use heatseek_ops::cases::all;
use heatseek_wgsl::{RowClass, Selection, select};

/// Every kernel that an op case launches, translated once for each set of constants, by what tells it apart.
///
/// # Errors
/// Those of [`translate`], with the kernel's name.
pub fn kernels() -> Result<Vec<(String, CudaKernel)>, (String, TranslateError)> {
    let mut found = BTreeMap::new();
    for case in all() {
        for class in [RowClass::Small, RowClass::Large] {
            // What no shader does, no kernel does.
            let Ok(selection) = select(&case.op, class) else { continue };
            found.entry(label(&selection)).or_insert(selection);
        }
    }
    let translated = found.into_iter().map(|(label, Selection { kernel, constants, .. })| {
        match translate(kernel.source, kernel.entry_point, &constants) {
            Ok(translated) => Ok((label, translated)),
            Err(error) => Err((label, error)),
        }
    });
    translated.collect()
}

fn label(selection: &Selection) -> String {
    let constants = selection.constants.iter().map(|(name, value)| format!(" {name}={value}"));
    selection.kernel.name.to_owned() + &constants.collect::<String>()
}
