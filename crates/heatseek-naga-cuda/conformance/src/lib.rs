//! The kernels that are translated, compiled and run: heatseek-wgsl's, with the pipeline constants of every op case.

use std::collections::BTreeMap;

use heatseek_naga_cuda::{CudaKernel, TranslateError, translate};
use heatseek_ops::Dtype;
use heatseek_ops::cases::{all, halved, quantized_in_blocks};
use heatseek_wgsl::{AdapterClass, RowClass, ScanStorage, Selection, Storage, Target, select, topk_scan};

/// Every kernel that an op case launches, and the scans, in every dtype, with matrix units or without, translated once for each
/// set of constants, by what tells it apart.
///
/// # Errors
/// Those of [`translate`], with the kernel's name.
pub fn kernels() -> Result<Vec<(String, CudaKernel)>, (String, TranslateError)> {
    let mut found = BTreeMap::new();
    let [single, half, int8] =
        [Dtype::F32, Dtype::F16, Dtype::Int8].map(|dtype| Target::new(dtype, AdapterClass::Discrete));
    let matrix = Target { matrix_units: true, ..half };
    for target in [single, half, int8, matrix, Target { workgroup_bytes: 48 << 10, ..matrix }] {
        let cases = match target.dtype {
            Dtype::F32 => all(),
            Dtype::F16 => halved(),
            Dtype::Bf16 => unreachable!("no target has it"),
            Dtype::Int8 => quantized_in_blocks(),
        };
        for program in cases.iter().map(|case| case.program()) {
            let storage = Storage::new(&program, &target);
            for step in program.steps() {
                let narrow = storage.narrow(step);
                for class in RowClass::ALL {
                    // What no shader does, no kernel does.
                    let Ok(selection) = select(&step.op, class, &target, &narrow) else { continue };
                    found.entry(label(&selection)).or_insert(selection);
                }
            }
        }
    }
    for storage in ScanStorage::ALL {
        let selection = topk_scan(storage, 384, 10, 1).ok();
        found.extend(selection.map(|selection| (label(&selection), selection)));
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
