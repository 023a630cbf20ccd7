//! Poolers that are fused into the Program of a loaded model when somebody first asks for them.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::rc::Rc;
use std::sync::Arc;

use heatseek_model::append_pooler;
use heatseek_ops::{Plan, Pooling, Program, Tensor};
use heatseek_pool::{DeviceForm, Pooler, Query};
use heatseek_wgsl::{RowClass, Target, select};

use crate::Error;
use crate::device::Active;

/// Poolers in a Program at once; with more, it starts again from what was loaded.
const MOST: usize = 32;

/// Where a run leaves vectors.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct VectorOutput {
    /// The output that holds them, `[sequences, width]`.
    pub(crate) vectors: String,
    /// Elements a vector.
    pub(crate) width: usize,
    /// The output that holds how much each token weighed, `[tokens, heads]`, to be asked for together with the
    /// vectors; `None` if it was not wanted or the device does not compute it.
    pub(crate) weights: Option<String>,
}

/// A pooler as it is appended.
#[derive(Clone)]
pub(crate) struct Wanted {
    pub(crate) name: String,
    form: DeviceForm,
    normalize: bool,
    weights: bool,
}

impl Wanted {
    /// `None` if `pooler` has no form for devices.
    pub(crate) fn new(pooler: &Pooler, normalize: bool, weights: bool) -> Option<Self> {
        let form = pooler.device_form()?;
        let weights = weights && matches!(form, DeviceForm::Attention(_));
        let end = if normalize { "normalized" } else { "raw" };
        let with = if weights { ".weighed" } else { "" };
        let name = format!("pooled.{}.{:016x}.{end}{with}", pooler.spec(), digest(&form));
        Some(Self { name, form, normalize, weights })
    }

    /// The pooling that it is, if it is one that every Program has from the start.
    pub(crate) fn of_models(&self) -> Option<Pooling> {
        match &self.form {
            DeviceForm::Rows(all) => match all[..] {
                [(pooling, None)] if Pooling::OF_MODELS.contains(&pooling) => Some(pooling),
                _ => None,
            },
            DeviceForm::Attention(_) => None,
        }
    }

    /// Fails if the pooler does not fit the model; false if it is beyond the device.
    pub(crate) fn fits(&self, active: &Active) -> Result<bool, Error> {
        let (before, _) = &active.loaded;
        let program = self.appended_to(before, active)?;
        let mut new = program.steps()[before.steps().len()..].iter();
        Ok(active.lose.is_none()
            || new.all(|step| select(&step.op, RowClass::Small, &Target::default(), &[]).is_ok()))
    }

    fn appended_to(&self, before: &Program, active: &Active) -> Result<Program, Error> {
        let mut program = before.clone();
        append_pooler(&mut program, &active.tail, &self.name, &self.form, self.normalize, self.weights)?;
        Ok(program)
    }
}

impl Active {
    /// The same device with `wanted` appended to what it runs, which shares all weights.
    pub(crate) async fn with(&self, wanted: &Wanted) -> Result<Self, Error> {
        let full = self.appended >= MOST;
        let (before, plan) =
            if full { (&self.loaded.0, &self.loaded.1) } else { (&self.program, &self.plan) };
        let program = Arc::new(wanted.appended_to(before, self)?);
        let plan: Rc<dyn Plan> = plan.extended(program.clone()).await?.into();
        let appended = if full { 1 } else { self.appended + 1 };
        Ok(Self { program, plan, appended, ..self.clone() })
    }

    /// What the output `name` holds, which there is.
    pub(crate) fn vector_output(&self, name: &str) -> Result<VectorOutput, Error> {
        let id = self.program.output_named(name)?;
        let buffer = self.program.outputs()[id.0].1.and_then(|id| self.program.buffers()[id.0].1.written());
        let width = buffer.map_or(0, |(_, width)| width);
        let weights = format!("{name}.weights");
        let weights = self.program.output_named(&weights).is_ok().then_some(weights);
        Ok(VectorOutput { vectors: name.to_owned(), width, weights })
    }
}

/// A number that tells forms of the same pooler with other weights apart.
fn digest(form: &DeviceForm) -> u64 {
    let mut hasher = DefaultHasher::new();
    for tensor in tensors(form) {
        tensor.shape().hash(&mut hasher);
        tensor.values().iter().for_each(|value| value.to_bits().hash(&mut hasher));
    }
    hasher.finish()
}

fn tensors(form: &DeviceForm) -> Vec<&Tensor> {
    match form {
        DeviceForm::Rows(all) => all.iter().filter_map(|(_, parameters)| parameters.as_ref()).collect(),
        DeviceForm::Attention(form) => {
            let projections = [
                &form.query_projection,
                &form.key_projection,
                &form.value_projection,
                &form.output_projection,
            ];
            let of_projections = projections.into_iter().flatten().flat_map(|p| [&p.weight, &p.bias]);
            let query = match &form.query {
                Query::Constant(query) => Some(query),
                Query::Pooled(_) => None,
            };
            of_projections.chain(query).collect()
        }
    }
}
