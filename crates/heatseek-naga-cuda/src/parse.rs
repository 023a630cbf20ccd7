//! From WGSL text to a validated module without pipeline constants, and with nothing that the entry point does not use.

use naga::back::PipelineConstants;
use naga::back::pipeline_constants::process_overrides;
use naga::compact::{KeepUnused, compact};
use naga::front::wgsl;
use naga::valid::{Capabilities, ModuleInfo, ShaderStages, SubgroupOperationSet, ValidationFlags, Validator};
use naga::{Module, ShaderStage};

use crate::TranslateError;

/// A valid module of one entry point.
pub(crate) struct Parsed {
    pub(crate) module: Module,
    pub(crate) info: ModuleInfo,
}

pub(crate) fn parse(
    wgsl: &str,
    entry_point: &str,
    constants: &[(&str, f64)],
) -> Result<Parsed, TranslateError> {
    // All capabilities: what is not written is refused by name, with its line.
    let options = wgsl::Options { parse_doc_comments: false, capabilities: Capabilities::all() };
    let mut module = wgsl::Frontend::new_with_options(options)
        .parse(wgsl)
        .map_err(|error| TranslateError::Invalid(error.emit_to_string(wgsl)))?;
    module.entry_points.retain(|entry| entry.stage == ShaderStage::Compute && entry.name == entry_point);
    if module.entry_points.is_empty() {
        return Err(TranslateError::Invalid(format!("no compute entry point is called `{entry_point}`")));
    }
    let info = validate(&module, wgsl)?;
    let constants: PipelineConstants =
        constants.iter().map(|&(name, value)| (name.to_owned(), value)).collect();
    let (evaluated, _) =
        process_overrides(&module, &info, Some((ShaderStage::Compute, entry_point)), &constants)
            .map_err(|error| TranslateError::Invalid(error.to_string()))?;
    let mut module = evaluated.into_owned();
    compact(&mut module, KeepUnused::No);
    let info = validate(&module, wgsl)?;
    Ok(Parsed { module, info })
}

fn validate(module: &Module, wgsl: &str) -> Result<ModuleInfo, TranslateError> {
    Validator::new(ValidationFlags::all(), Capabilities::all())
        .subgroup_stages(ShaderStages::COMPUTE)
        .subgroup_operations(SubgroupOperationSet::all())
        .validate(module)
        .map_err(|error| TranslateError::Invalid(error.emit_to_string(wgsl)))
}
