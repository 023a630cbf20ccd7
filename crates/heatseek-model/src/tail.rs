//! Poolers fused into a Program that is there already: their steps are appended, for those who ask for them.

use heatseek_ops::{
    AttentionPool, BufferId, CopyRows, Gemm, L2Normalize, LayerNorm, Op, OutputId, Pool, Pooling, Program,
    Rows, Table, Tensor,
};
use heatseek_pool::{AttentionForm, DeviceForm, Projection, Query, Skip};

use crate::modules::PipelineStep;
use crate::{DenseConfig, ModelError};

/// What poolers need of a Program: what the encoder leaves, and what follows pooling.
#[derive(Clone, Debug)]
pub struct Tail {
    pub(crate) rows: BufferId,
    /// The LayerNorm still to be applied to the rows.
    pub(crate) norm: Option<BufferId>,
    /// The hidden states that are kept for those who ask, from the embeddings on.
    pub(crate) hidden: Vec<(OutputId, BufferId)>,
    pub(crate) hidden_size: usize,
    pub(crate) layer_norm_eps: f32,
    /// What follows pooling, and the weights and biases of its Dense layers.
    pub(crate) steps: Vec<PipelineStep>,
    pub(crate) dense: Vec<[BufferId; 2]>,
}

/// The outputs of an appended pooler.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PoolerOutputs {
    /// Vectors, `[sequences, width]`.
    pub vectors: String,
    /// Elements of a vector.
    pub width: usize,
    /// How much each token weighed, `[tokens, heads]`, filled when the vectors are asked for too; `None` if it was not
    /// wanted, or the form has none.
    pub weights: Option<String>,
}

/// Appends to `program` the steps of a pooler, with an output called `name`, and `name.weights` if `weights` are
/// wanted and the form is attention. What follows pooling in the model follows here: Dense layers, and unit length
/// if `normalize`. Nothing of it runs, or takes memory, for those who do not ask.
///
/// # Errors
/// [`ModelError::PooledWidth`] if the model's Dense layers do not take what the pooler gives;
/// [`ModelError::NoSuchLayer`]; [`ModelError::Program`] if tensors of the form do not fit together.
pub fn append_pooler(
    program: &mut Program,
    tail: &Tail,
    name: &str,
    form: &DeviceForm,
    normalize: bool,
    weights: bool,
) -> Result<PoolerOutputs, ModelError> {
    let mut appended = Appended { program, tail, name, steps: Vec::new(), needs: None };
    let (y, width, weights) = match form {
        DeviceForm::Rows(all) => {
            let (y, width) = appended.rows(all);
            (y, width, None)
        }
        DeviceForm::Attention(form) => appended.attention(form, weights)?,
    };
    let (y, width) = appended.what_follows(y, width, normalize)?;
    let Appended { steps, needs, .. } = appended;
    let vectors = program.output(name, y);
    if let Some(needed) = needs {
        program.imply(vectors, needed);
    }
    for (op, rows, buffers) in steps {
        program.push_for(vectors, op, rows, &buffers)?;
    }
    let weights = weights.map(|buffer| {
        let name = format!("{name}.weights");
        program.output(name.clone(), buffer);
        name
    });
    Ok(PoolerOutputs { vectors: name.to_owned(), width, weights })
}

struct Appended<'a> {
    program: &'a mut Program,
    tail: &'a Tail,
    name: &'a str,
    steps: Vec<(Op, Rows, Vec<BufferId>)>,
    /// The output whose steps have to run too.
    needs: Option<OutputId>,
}

impl Appended<'_> {
    fn buffer(&mut self, part: &str, rows: Rows, width: usize) -> BufferId {
        self.program.capture(format!("{}.{part}", self.name), rows, width)
    }

    fn weight(&mut self, part: &str, tensor: &Tensor) -> BufferId {
        self.program.weight(format!("{}.{part}", self.name), tensor.clone())
    }

    /// A pooling of `x`, to which the LayerNorm `norm` is applied first.
    fn pool(
        &mut self,
        (part, pooling): (&str, Pooling),
        parameters: Option<&Tensor>,
        x: BufferId,
        norm: Option<BufferId>,
    ) -> BufferId {
        let width = self.tail.hidden_size;
        let norm_in = norm.map(|_| self.tail.layer_norm_eps);
        let y = self.buffer(part, Rows::Sequences, width);
        let mut buffers = vec![x];
        buffers.extend(norm);
        buffers.extend(parameters.map(|tensor| self.weight(&format!("{part}.parameters"), tensor)));
        buffers.extend([self.program.table(Table::Sequences), y]);
        let op = Pool { width, pooling, norm_in, normalize: false };
        self.steps.push((op.into(), Rows::Sequences, buffers));
        y
    }

    /// Poolings one after another, each behind those before it.
    fn rows(&mut self, all: &[(Pooling, Option<Tensor>)]) -> (BufferId, usize) {
        let each = self.tail.hidden_size;
        let mut gathered: Option<(BufferId, usize)> = None;
        for (index, (pooling, parameters)) in all.iter().enumerate() {
            let part = (&*format!("pool.{index}"), *pooling);
            let pooled = self.pool(part, parameters.as_ref(), self.tail.rows, self.tail.norm);
            gathered = Some(match gathered {
                None => (pooled, each),
                Some((before, width)) => {
                    let y = self.buffer(&format!("pools.{index}"), Rows::Sequences, width + each);
                    let op = CopyRows { width, behind: each };
                    self.steps.push((op.into(), Rows::Sequences, vec![before, pooled, y]));
                    (y, width + each)
                }
            });
        }
        gathered.unwrap_or((self.tail.rows, each))
    }

    /// The result, its width, and the weights if wanted.
    fn attention(
        &mut self,
        form: &AttentionForm,
        weights: bool,
    ) -> Result<(BufferId, usize, Option<BufferId>), ModelError> {
        let width = self.tail.hidden_size;
        let rows = self.states(form.layer)?;
        let (keys, key_width) = self.projected("key", &form.key_projection, Rows::Tokens, (rows, width));
        let (values, value_width) =
            self.projected("value", &form.value_projection, Rows::Tokens, (rows, width));
        let (own_queries, raw, query) = match &form.query {
            Query::Constant(tensor) => {
                let query = self.weight("query", tensor);
                (false, query, query)
            }
            Query::Pooled(pooling) => {
                let raw = self.pool(("query", *pooling), None, rows, None);
                let projection = &form.query_projection;
                let (query, _) = self.projected("query", projection, Rows::Sequences, (raw, width));
                (true, raw, query)
            }
        };
        let residual = match form.skip {
            Skip::None => None,
            Skip::Raw => Some(raw),
            Skip::Projected => Some(query),
        };
        let op = AttentionPool {
            keys: key_width,
            values: value_width,
            num_heads: form.num_heads,
            scale: form.scale,
            own_queries,
            residual: residual.is_some(),
            weights,
        };
        let y = self.buffer("attention", Rows::Sequences, value_width);
        let written = weights.then(|| self.buffer("weights", Rows::Tokens, form.num_heads));
        let mut buffers = vec![keys, values, query];
        buffers.extend(residual);
        buffers.extend([self.program.table(Table::Sequences), y]);
        buffers.extend(written);
        self.steps.push((op.into(), Rows::Sequences, buffers));
        let (y, width) = self.projected("output", &form.output_projection, Rows::Sequences, (y, value_width));
        Ok((y, width, written))
    }

    /// The rows of a layer, behind the LayerNorm that is still to be applied to those of the last.
    fn states(&mut self, layer: Option<usize>) -> Result<BufferId, ModelError> {
        let Tail { rows, norm, hidden_size: width, layer_norm_eps: eps, .. } = *self.tail;
        match (layer, norm) {
            (Some(layer), _) => {
                let last = self.tail.hidden.len().saturating_sub(1);
                let found = self.tail.hidden.get(layer);
                let (output, kept) = found.ok_or(ModelError::NoSuchLayer { got: layer, last })?;
                self.needs = Some(*output);
                Ok(*kept)
            }
            (None, None) => Ok(rows),
            (None, Some(norm)) => {
                let y = self.buffer("rows", Rows::Tokens, width);
                self.steps.push((LayerNorm { width, eps }.into(), Rows::Tokens, vec![rows, norm, y]));
                Ok(y)
            }
        }
    }

    /// `x`, of this width, as it is where there is no projection.
    fn projected(
        &mut self,
        part: &str,
        projection: &Option<Projection>,
        rows: Rows,
        (x, k): (BufferId, usize),
    ) -> (BufferId, usize) {
        let Some(Projection { weight, bias, activation }) = projection else { return (x, k) };
        let n = bias.len();
        let weight = self.weight(&format!("{part}.weight"), weight);
        let bias = self.weight(&format!("{part}.bias"), bias);
        let y = self.buffer(&format!("{part}.projected"), rows, n);
        let op = Gemm { activation: *activation, ..Gemm::linear(k, n) };
        self.steps.push((op.into(), rows, vec![x, weight, bias, y]));
        (y, n)
    }

    /// The model's Dense layers, and unit length.
    fn what_follows(
        &mut self,
        mut y: BufferId,
        mut width: usize,
        normalize: bool,
    ) -> Result<(BufferId, usize), ModelError> {
        let mut steps = self.tail.steps.clone();
        while steps.last() == Some(&PipelineStep::Normalize) {
            steps.pop();
        }
        if normalize {
            steps.push(PipelineStep::Normalize);
        }
        let mut dense = self.tail.dense.iter();
        for (index, step) in steps.iter().enumerate() {
            let x = y;
            match step {
                PipelineStep::Normalize => {
                    y = self.buffer(&format!("normalized.{index}"), Rows::Sequences, width);
                    self.steps.push((L2Normalize { width }.into(), Rows::Sequences, vec![x, y]));
                }
                PipelineStep::Dense(DenseConfig { in_features, out_features, activation, .. }) => {
                    if *in_features != width {
                        return Err(ModelError::PooledWidth { got: width, expected: *in_features });
                    }
                    let Some(&[weight, bias]) = dense.next() else { continue };
                    width = *out_features;
                    y = self.buffer(&format!("dense.{index}"), Rows::Sequences, width);
                    let op = Gemm { activation: *activation, ..Gemm::linear(*in_features, width) };
                    self.steps.push((op.into(), Rows::Sequences, vec![x, weight, bias, y]));
                }
            }
        }
        Ok((y, width))
    }
}
