//! Attention of one query over the tokens: rows 3, 4, 70 and 106.

use heatseek_ops::Activation;
use serde_json::Value;

use super::Pool;
use crate::attn::{Attention, Projections, Scale, Source};
use crate::linear::Linear;
use crate::options::Options;
use crate::pooler::Sizes;
use crate::registry::{Kind, Row};
use crate::tokens::Tokens;
use crate::{DeviceForm, Params, PoolError, Pooled, States};

const PROJECTIONS: &str = "query.weight [K, D], key.weight [K, D], value.weight [V, D], output.weight [D', V], each with .bias if it has one; a missing one is the identity";

pub(crate) const ROWS: &[Row] = &[
    Row {
        name: "qkv_pool",
        aliases: &["adapool", "qkv"],
        papers: &[(4, "Whisper attentive pooling"), (106, "AdaPool")],
        equation: "W_O concat_h softmax_t(q_h · k_th · s) v_th (+ q)",
        options: "query=mean|cls|last|token|tokens (mean), heads (1), scale=sqrt_head|sqrt_width (sqrt_head), residual: whether the query is added (if it is a single token), hide_top: the largest scores of each head hidden (0)",
        tensors: PROJECTIONS,
        kind: Kind::Either,
        expect: "without weights tokens like the query count more; robust to a few outliers",
        make: qkv_pool,
    },
    Row {
        name: "cls_mha",
        aliases: &[],
        papers: &[(3, "MaxPoolBERT (ii)")],
        equation: "MHA(q = x_0, k = v = x)",
        options: "heads (4), hide_top (0)",
        tensors: "in_proj_weight [3D, D], in_proj_bias [3D], out_proj.weight [D, D], out_proj.bias [D], as torch.nn.MultiheadAttention has them",
        kind: Kind::Either,
        expect: "without weights a mean of the tokens like the class token",
        make: cls_mha,
    },
    Row {
        name: "group_query",
        aliases: &["mhap"],
        papers: &[(70, "InfantCryNet")],
        equation: "concat_k Σ_t softmax_t(x_tk · u_k / √(D/K)) x_tk",
        options: "groups: K (4), hide_top (0)",
        tensors: "query [K, D/K]; without it the mean of the tokens",
        kind: Kind::Either,
        expect: "as qkv_pool, each group of channels for itself",
        make: group_query,
    },
];

struct QkvPool {
    pooler: &'static str,
    source: Source,
    attention: Attention,
    residual: bool,
}

fn qkv_pool(
    options: &mut Options<'_>,
    params: Option<&Params>,
    sizes: Sizes,
) -> Result<Box<dyn Pool>, PoolError> {
    let width = sizes.hidden_size;
    let place = |value: &Value| value.as_u64().map(|place| place as usize);
    let source =
        options.take("query", "mean, cls, last, a token or a list of tokens", |value| match value {
            Value::Array(all) if !all.is_empty() => {
                Some(Source::Tokens(all.iter().map(place).collect::<Option<_>>()?))
            }
            Value::String(word) if word == "mean" => Some(Source::Mean),
            Value::String(word) if word == "cls" => Some(Source::Cls),
            Value::String(word) if word == "last" => Some(Source::Last),
            value => Some(Source::Tokens(vec![place(value)?])),
        })?;
    let source = source.unwrap_or(Source::Mean);
    let single = matches!(&source, Source::Cls | Source::Last)
        || matches!(&source, Source::Tokens(these) if these.len() == 1);
    let projections = Projections::read(params, width)?;
    let heads = projections.heads(options, 1, width)?;
    let scales = [("sqrt_head", Scale::SqrtHead), ("sqrt_width", Scale::SqrtWidth)];
    let scale = options.word("scale", Scale::SqrtHead, &scales)?;
    let residual = options.yes("residual")?.unwrap_or(single);
    if residual && projections.width(width) != width {
        let expected =
            format!("false where the result is {} wide and the query {width}", projections.width(width));
        return Err(options.wrong("residual", "true".into(), &expected));
    }
    let hide_top = options.whole("hide_top", 0)?;
    let attention = Attention { projections, heads, scale, hide_top };
    Ok(Box::new(QkvPool { pooler: "qkv_pool", source, attention, residual }))
}

fn cls_mha(
    options: &mut Options<'_>,
    params: Option<&Params>,
    sizes: Sizes,
) -> Result<Box<dyn Pool>, PoolError> {
    let projections = in_proj(params, sizes.hidden_size)?;
    let heads = projections.heads(options, 4, sizes.hidden_size)?;
    let hide_top = options.whole("hide_top", 0)?;
    let attention = Attention { projections, heads, scale: Scale::SqrtHead, hide_top };
    Ok(Box::new(QkvPool { pooler: "cls_mha", source: Source::Cls, attention, residual: false }))
}

/// The projections of a `torch.nn.MultiheadAttention`; the identity without a file.
pub(crate) fn in_proj(params: Option<&Params>, width: usize) -> Result<Projections, PoolError> {
    let Some(params) = params else { return Ok(Projections::default()) };
    let all = Linear::of(params, "in_proj_weight", "in_proj_bias", 3 * width, width)?;
    let part = |place: usize| Some(all.part(place * width, width));
    let output = Some(Linear::read(params, "out_proj", Some(width), width)?);
    Ok(Projections { query: part(0), key: part(1), value: part(2), output })
}

fn group_query(
    options: &mut Options<'_>,
    params: Option<&Params>,
    sizes: Sizes,
) -> Result<Box<dyn Pool>, PoolError> {
    let heads = options.parts("groups", 4, sizes.hidden_size)?;
    let source = match params {
        None => Source::Mean,
        Some(params) => {
            Source::Learned(params.require("query", &[heads, sizes.hidden_size / heads])?.to_vec())
        }
    };
    let hide_top = options.whole("hide_top", 0)?;
    let attention =
        Attention { projections: Projections::default(), heads, scale: Scale::SqrtHead, hide_top };
    Ok(Box::new(QkvPool { pooler: "group_query", source, attention, residual: false }))
}

impl Pool for QkvPool {
    fn pool(&self, states: &States<'_>) -> Result<Pooled, PoolError> {
        let tokens = Tokens::counted(states);
        if tokens.rows.is_empty() {
            return Ok(tokens.nothing(self.attention.projections.width(states.width)));
        }
        let query = self.source.of(self.pooler, states, &tokens)?;
        let (vector, weights) = self.attention.attend(&self.attention.query(&query), &tokens.rows);
        let mut vector = self.attention.output(vector);
        if self.residual {
            vector.iter_mut().zip(&query).for_each(|(v, q)| *v += q);
        }
        Ok(tokens.pooled(&vector, Some(&weights)))
    }

    fn width(&self, sizes: Sizes) -> usize {
        self.attention.projections.width(sizes.hidden_size)
    }

    fn device_form(&self, sizes: Sizes) -> Option<DeviceForm> {
        self.attention.device_form(&self.source, self.residual, Activation::Identity, sizes.hidden_size)
    }
}
