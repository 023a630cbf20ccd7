//! Programs of synthetic models, on the reference.

mod common;

use common::{batch, run, run_output};
use heatseek_model::synthetic::{StoredDtype, SyntheticBert};
use heatseek_model::{ModelError, Norm, TextModel};
use heatseek_ops::{Activation, Batch, Buffer, Op, POOLED, Pooling, Program, Rows};
use heatseek_testkit::{Tolerance, assert_close};

const PLAIN: Norm = Norm::Plain;
const FOLDED: Norm = Norm::Folded;

fn steps(program: &Program) -> Vec<&'static str> {
    let pooled = [program.output_named(POOLED).unwrap()];
    program.steps_for(&pooled).map(|step| step.op.name()).collect()
}

#[test]
fn folded_equals_plain() {
    let base = SyntheticBert::default();
    for model in [
        base.clone(),
        SyntheticBert { hidden_size: 35, num_attention_heads: 5, intermediate_size: 17, ..base.clone() },
        SyntheticBert { hidden_act: "gelu_new", num_hidden_layers: 1, layer_norm_eps: 1e-5, ..base.clone() },
        SyntheticBert { hidden_act: "relu", num_attention_heads: 1, type_vocab_size: 1, ..base.clone() },
        SyntheticBert { hidden_act: "silu", num_hidden_layers: 5, seed: 7, ..base.clone() },
        SyntheticBert { pooling: Pooling::Cls, dtype: StoredDtype::F16, ..base.clone() },
        SyntheticBert { pooling: Pooling::WeightedMean, dense: Some(9), normalize: false, ..base.clone() },
        SyntheticBert { pooling: Pooling::Last, dense: Some(9), dtype: StoredDtype::Bf16, ..base.clone() },
    ] {
        let loaded = model.model().unwrap_or_else(|e| panic!("{model:?}: {e}"));
        let batch = batch(&loaded, &[5, 1, 32, 0, 3]);
        let (pooled, hidden) = run(&loaded, PLAIN, &batch);
        let (folded_pooled, folded_hidden) = run(&loaded, FOLDED, &batch);
        let spec = loaded.spec();
        assert_eq!(pooled.len(), 5 * spec.embedding_dim);
        let tolerance = Tolerance::RelAbs { rel: 1e-5, abs: 1e-5 };
        assert_close(&folded_pooled, &pooled, &[5, spec.embedding_dim], tolerance);
        assert_close(&folded_hidden, &hidden, &[41, spec.hidden_size], tolerance);
    }
}

#[test]
fn a_folded_layer_has_five_steps_and_a_plain_one_seven() {
    for layers in [1, 2, 6] {
        let model = SyntheticBert { num_hidden_layers: layers, ..SyntheticBert::default() }.model().unwrap();
        let folded = model.program(FOLDED).unwrap();
        assert_eq!(steps(&folded).len(), 5 * layers + 2);
        assert_eq!(steps(&model.program(PLAIN).unwrap()).len(), 7 * layers + 3);
        let first: Vec<_> = steps(&folded)[..6].to_vec();
        assert_eq!(first, ["embed", "gemm", "attention", "gemm", "gemm", "gemm"]);
        // Only a run that asks for the hidden state or another pooling pays for it.
        assert!(folded.steps().len() > 5 * layers + 2);
        let outline = TextModel::outline(
            &SyntheticBert { num_hidden_layers: layers, ..SyntheticBert::default() }.files(),
            FOLDED,
        );
        assert_eq!(steps(&outline.unwrap()), steps(&folded));
    }
}

#[test]
fn buffers_do_not_grow_with_the_layers() {
    let count = |layers: usize, options| {
        let model = SyntheticBert { num_hidden_layers: layers, ..SyntheticBert::default() }.model().unwrap();
        let program = model.program(options).unwrap();
        // Captures are allocated for the runs that ask for them.
        let kept = |b: &Buffer| matches!(b, Buffer::Activation { .. });
        program.buffers().iter().filter(|(_, b)| kept(b)).count()
    };
    for options in [PLAIN, FOLDED] {
        assert_eq!(count(1, options), count(6, options));
    }
}

#[test]
fn weights_far_from_zero_are_exact_in_plain_and_close_in_folded() {
    // The reference sums in f64, so what differs is only what rounding the folded weights costs.
    for (offset, outlier, tolerance) in [(100.0, 0.0, 1e-3), (0.0, 1000.0, 1e-3)] {
        let spec = SyntheticBert { offset, outlier, ..SyntheticBert::default() };
        let model = spec.model().unwrap();
        let batch = batch(&model, &[7, 20]);
        let (pooled, hidden) = run(&model, PLAIN, &batch);
        assert!(hidden.iter().chain(&pooled).all(|v| v.is_finite()));
        let (folded, _) = run(&model, FOLDED, &batch);
        assert_close(&folded, &pooled, &[2, 24], Tolerance::Abs(tolerance));
        // A constant added to every channel is what the LayerNorm behind it takes away again.
        if outlier == 0.0 {
            let (expected, _) = run(&SyntheticBert { offset: 0.0, ..spec }.model().unwrap(), PLAIN, &batch);
            assert_close(&pooled, &expected, &[2, 24], Tolerance::Abs(1e-4));
        }
    }
}

#[test]
fn a_sequence_gives_the_same_vector_alone_and_in_a_batch() {
    let model = SyntheticBert::default().model().unwrap();
    let (together, _) = run(&model, FOLDED, &batch(&model, &[9, 4, 31]));
    let (first, _) = run(&model, FOLDED, &batch(&model, &[9]));
    assert_close(&first, &together[..24], &[1, 24], Tolerance::Exact);
}

#[test]
fn normalize_and_pooling_can_be_overridden() {
    let norm = |v: &[f32]| v.iter().map(|x| x * x).sum::<f32>().sqrt();
    for dense in [None, Some(6)] {
        for normalize in [true, false] {
            let spec = SyntheticBert { normalize, dense, ..SyntheticBert::default() };
            let model = spec.model().unwrap();
            let batch = batch(&model, &[8]);
            let with =
                |normalize| run_output(&model, FOLDED, &model.vector_output(None, normalize), &batch).0;
            assert!((norm(&with(Some(true))) - 1.0).abs() < 1e-6);
            assert!((norm(&with(Some(false))) - 1.0).abs() > 1e-3);
            assert_eq!(with(None), with(Some(normalize)));
        }
    }
    let model = SyntheticBert { normalize: false, ..SyntheticBert::default() }.model().unwrap();
    let batch = batch(&model, &[8]);
    let (_, hidden) = run(&model, FOLDED, &batch);
    for (pooling, row) in [(Pooling::Cls, 0), (Pooling::Last, 7)] {
        let output = model.vector_output(Some(pooling), None);
        let (pooled, _) = run_output(&model, FOLDED, &output, &batch);
        assert_close(&pooled, &hidden[24 * row..][..24], &[24], Tolerance::Abs(1e-6));
    }
}

#[test]
fn a_dense_layer_is_a_gemm_over_sequences() {
    let model = SyntheticBert { dense: Some(6), ..SyntheticBert::default() }.model().unwrap();
    let program = model.program(FOLDED).unwrap();
    let pooled = [program.output_named(POOLED).unwrap()];
    let mut steps: Vec<_> = program.steps_for(&pooled).collect();
    steps.reverse();
    assert_eq!(steps[0].op.name(), "l2_normalize");
    assert!(matches!(&steps[1].op, Op::Gemm(g) if g.n == 6 && g.activation == Activation::Tanh));
    assert_eq!(steps[1].rows, Rows::Sequences);
    assert!(matches!(&steps[2].op, Op::Pool(p) if !p.normalize));
    assert_eq!(model.spec().modules, ["Transformer", "Pooling(mean)", "Dense(24 -> 6)", "Normalize"]);
}

#[test]
fn ids_are_checked_before_they_index_anything() {
    let model = SyntheticBert::default().model().unwrap();
    let push = |ids: &[u32], types: &[u32]| model.push_sequence(&mut Batch::new(), ids, types).unwrap_err();
    let error = push(&[3, 64], &[0, 0]);
    assert!(matches!(error, ModelError::IdOutOfRange { got: 64, position: 1, limit: 64, .. }), "{error}");
    let error = push(&[3], &[2]);
    assert!(matches!(error, ModelError::IdOutOfRange { what: "token type id", limit: 2, .. }), "{error}");
    let error = push(&[3; 33], &[0; 33]);
    assert!(matches!(error, ModelError::TooLong { got: 33, limit: 32 }), "{error}");
    assert!(matches!(push(&[3], &[]), ModelError::Batch(_)));
}
