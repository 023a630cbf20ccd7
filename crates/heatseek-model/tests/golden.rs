//! Small models of unusual settings, from token ids to vectors, against what sentence-transformers
//! computed for them (`tests/golden/README.md` describes the files).

mod common;

use std::path::{Path, PathBuf};

use heatseek_model::{ModelFiles, Norm, TextModel};
use heatseek_ops::Batch;
use heatseek_testkit::{Tolerance, assert_close, assert_cosine};
use safetensors::SafeTensors;

fn models() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden/models");
    let listed = std::fs::read_dir(&root).unwrap_or_else(|e| panic!("{}: {e}", root.display()));
    let mut all: Vec<PathBuf> = listed.map(|entry| entry.unwrap().path()).filter(|p| p.is_dir()).collect();
    all.sort();
    all
}

struct Golden {
    bytes: Vec<u8>,
}

impl Golden {
    fn floats(&self, name: &str) -> Vec<f32> {
        self.elements(name).iter().map(|&b| f32::from_le_bytes(b)).collect()
    }

    fn ids(&self, name: &str) -> Vec<u32> {
        self.elements(name).iter().map(|&b| u32::from_le_bytes(b)).collect()
    }

    fn elements(&self, name: &str) -> Vec<[u8; 4]> {
        let file = SafeTensors::deserialize(&self.bytes).unwrap();
        file.tensor(name).unwrap().data().as_chunks().0.to_vec()
    }
}

#[test]
fn ids_become_the_vectors_of_sentence_transformers() {
    let folders = models();
    assert!(!folders.is_empty(), "there are golden models");
    for folder in folders {
        let model = TextModel::load(&ModelFiles::from_dir(&folder).unwrap()).unwrap();
        let golden = Golden { bytes: std::fs::read(folder.join("golden.safetensors")).unwrap() };
        for norm in [Norm::Plain, Norm::Folded] {
            check(&folder, &model, &golden, norm);
        }
    }
}

fn check(folder: &Path, model: &TextModel, golden: &Golden, norm: Norm) {
    let (ids, starts) = (golden.ids("ids"), golden.ids("ids_start"));
    let mut batch = Batch::new();
    for span in starts.windows(2) {
        let ids = &ids[span[0] as usize..span[1] as usize];
        model.push_sequence(&mut batch, ids, &vec![0; ids.len()]).unwrap();
    }
    let (pooled, hidden) = common::run(model, norm, &batch);
    let (width, dim) = (model.spec().hidden_size, model.spec().embedding_dim);
    let (rows, rows_start) = (golden.ids("hidden_rows"), golden.ids("hidden_rows_start"));
    let mut chosen = Vec::new();
    for (sequence, span) in batch.sequences().iter().zip(rows_start.windows(2)) {
        for &row in &rows[span[0] as usize..span[1] as usize] {
            chosen.extend(&hidden[(sequence.start + row as usize) * width..][..width]);
        }
    }
    println!("{} {:?}", folder.display(), norm);
    // PyTorch computes in f32, so this is its error and not ours.
    assert_close(&chosen, &golden.floats("hidden"), &[rows.len(), width], Tolerance::Abs(2e-5));
    let expected = golden.floats("pooled");
    assert_close(&pooled, &expected, &[starts.len() - 1, dim], Tolerance::Abs(2e-5));
    for (a, b) in pooled.chunks_exact(dim).zip(expected.chunks_exact(dim)) {
        assert_cosine(a, b, 0.999_999);
    }
}
