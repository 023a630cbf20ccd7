//! An index: filters, words beside meaning, diversity, and what of it survives being stored.

use std::path::PathBuf;

use heatseek::store::{Check, FolderStore};
use heatseek::{
    ChunkOptions, DeviceChoice, Document, EmbedOptions, Filter, Fusion, Hit, Hybrid, Index, IndexOptions,
    IndexSearch, LoadOptions, Metric, Model, ModelFiles, NoControl, PoolerSpec, Rescore, ScanOn, Storage,
    block_on,
};
use serde_json::{Value, json};

fn model(name: &str) -> Model {
    model_on(name, DeviceChoice::Cpu).unwrap()
}

fn model_on(name: &str, device: DeviceChoice) -> Result<Model, heatseek::Error> {
    let dir = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden/models").join(name);
    let options = LoadOptions { device, ..LoadOptions::default() };
    block_on(Model::load(ModelFiles::from_dir(&dir).unwrap(), options, &NoControl))
}

fn document(id: &str, text: &str, metadata: Value) -> Document {
    Document { id: id.into(), text: text.into(), metadata }
}

fn documents() -> Vec<Document> {
    vec![
        document(
            "honey",
            "The bees find the honey. A hive is a home for bees.",
            json!({"year": 2020, "tag": "bee"}),
        ),
        document("sun", "A dance in the sun. The light of the sky is a flower.", json!({"year": 2021})),
        document("again", "The bees find the honey.", json!({"year": 2022, "tag": "bee"})),
        document("home", "How do bees find home? They dance.", json!({"year": 2023, "tag": "home"})),
        document("word", "xylophone", Value::Null),
    ]
}

fn add(index: &mut Index, model: &Model, documents: Vec<Document>) {
    let sentences = ChunkOptions { sentences: Some(1), overlap: 0, ..ChunkOptions::default() };
    block_on(index.add(model, documents, Some(ChunkOptions { tokens: 40, ..sentences }), &NoControl))
        .unwrap();
}

fn made(model: &Model, options: IndexOptions) -> Index {
    let mut index = Index::new(model, options).unwrap();
    add(&mut index, model, documents());
    index
}

fn search(index: &Index, model: &Model, query: &str, options: &IndexSearch<'_>) -> Vec<Hit> {
    block_on(index.search(model, query, options, &NoControl)).unwrap()
}

fn ids(hits: &[Hit]) -> Vec<&str> {
    hits.iter().map(|hit| hit.id.as_str()).collect()
}

fn all() -> IndexSearch<'static> {
    IndexSearch { top_k: 50, ..IndexSearch::default() }
}

#[test]
fn filters_hold_before_ranking() {
    let model = model("bert-no-st");
    let index = made(&model, IndexOptions::default());
    let filter = |json: Value| Some(Filter::parse(&json).unwrap());
    let everything = search(&index, &model, "bees", &all());
    assert_eq!(everything.len(), index.len());
    let tagged = IndexSearch { filter: filter(json!({"tag": "bee"})), ..all() };
    let expected: Vec<&Hit> = everything.iter().filter(|hit| hit.document.metadata["tag"] == "bee").collect();
    assert_eq!(search(&index, &model, "bees", &tagged).iter().collect::<Vec<_>>(), expected);
    // Words find nothing that the filter leaves out.
    let by_words = Hybrid { weight: 1.0, ..Hybrid::default() };
    let both =
        search(&index, &model, "honey dance", &IndexSearch { hybrid: Some(by_words), ..tagged.clone() });
    assert!(both.iter().all(|hit| hit.document.metadata["tag"] == "bee"), "{both:?}");
    assert_eq!(both.len(), expected.len());
    // So many hits as are wanted, however far down they are without the filter.
    let last = everything.last().unwrap();
    let only =
        IndexSearch { top_k: 1, filter: filter(json!({"year": last.document.metadata["year"]})), ..all() };
    assert_eq!(ids(&search(&index, &model, "bees", &only)), [last.id.as_str()]);
    let counts = index.facets(&["tag"], None, 9).remove(0).counts;
    assert_eq!(counts, [(json!("bee"), 2), (json!("home"), 1)]);
    let counts = index.facets(&["tag"], filter(json!({"year": {"$gt": 2021}})).as_ref(), 1).remove(0).counts;
    assert_eq!(counts, [(json!("bee"), 1)]);
}

#[test]
fn words_count_as_much_as_is_asked_for() {
    let model = model("bert-no-st");
    let mut index = made(&model, IndexOptions::default());
    let hybrid = |weight| IndexSearch { hybrid: Some(Hybrid { weight, ..Hybrid::default() }), ..all() };
    let first = |index: &Index, weight| search(index, &model, "xylophone", &hybrid(weight))[0].id.clone();
    assert_eq!(first(&index, 1.0), "word");
    let by_meaning = search(&index, &model, "xylophone bees", &all());
    assert_eq!(ids(&search(&index, &model, "xylophone bees", &hybrid(0.0))), ids(&by_meaning));
    // Also of what was added or removed since words were first asked for.
    assert!(index.remove("word"));
    assert_ne!(first(&index, 1.0), "word");
    add(&mut index, &model, vec![document("new", "One more xylophone.", Value::Null)]);
    assert_eq!(first(&index, 1.0), "new");
    let scores = Hybrid { fusion: Fusion::ScoreSum, weight: 0.5 };
    let both = search(&index, &model, "xylophone", &IndexSearch { hybrid: Some(scores), ..all() });
    assert!(both.windows(2).all(|pair| pair[0].score >= pair[1].score) && both[0].score <= 1.0);
    let wrong = IndexSearch { hybrid: Some(Hybrid { weight: 1.5, ..Hybrid::default() }), ..all() };
    let error = block_on(index.search(&model, "bees", &wrong, &NoControl)).unwrap_err();
    assert_eq!(error.code(), "invalid_input", "{error}");
}

#[test]
fn hits_are_thinned_out() {
    let model = model("bert-no-st");
    let index = made(&model, IndexOptions::default());
    let everything = search(&index, &model, "bees", &all());
    let one = search(&index, &model, "bees", &IndexSearch { per_document: Some(1), ..all() });
    let mut seen = Vec::new();
    let expected = everything.iter().filter(|hit| {
        let is_new = !seen.contains(&&hit.id);
        seen.push(&hit.id);
        is_new
    });
    assert_eq!(one.iter().collect::<Vec<_>>(), expected.collect::<Vec<_>>());
    // All that are wanted are found, though the best passages are of the same documents.
    let three = search(&index, &model, "bees", &IndexSearch { top_k: 3, per_document: Some(1), ..all() });
    assert_eq!(ids(&three), ids(&one)[..3]);
    let least = everything[2].score;
    let above = search(&index, &model, "bees", &IndexSearch { threshold: Some(least), ..all() });
    assert_eq!(above, everything.iter().filter(|hit| hit.score >= least).cloned().collect::<Vec<_>>());
    // Two documents have the same sentence: the second of them says nothing new.
    let diverse = search(
        &index,
        &model,
        "The bees find the honey.",
        &IndexSearch { top_k: 2, diversity: Some(0.5), ..all() },
    );
    assert_eq!(diverse[0].id, "honey");
    assert_ne!(diverse[1].id, "again");
    let plain = search(&index, &model, "The bees find the honey.", &IndexSearch { top_k: 2, ..all() });
    assert_eq!(ids(&plain), ["honey", "again"]);
    assert_eq!(plain[0].score, plain[1].score);
}

#[test]
fn what_is_stored_is_found_again_with_the_same_scores() {
    let model = model("bert-no-st");
    let folder = std::env::temp_dir().join(format!("heatseek-index-{}", std::process::id()));
    let binary = Storage::Binary { rescore: Rescore::Int8 };
    for (nth, (storage, metric, pooling)) in [
        (Storage::F32, Metric::Cosine, None),
        (Storage::F16, Metric::Dot, None),
        (Storage::Int8, Metric::Euclidean, None),
        (binary, Metric::Cosine, None),
        (Storage::F32, Metric::Cosine, Some(PoolerSpec::named("none"))),
    ]
    .into_iter()
    .enumerate()
    {
        let folder = folder.join(nth.to_string());
        let options = IndexOptions { storage, metric, pooling, ..IndexOptions::default() };
        let identity = Index::new(&model, options.clone()).unwrap().identity(&model);
        let (mut store, contents) = FolderStore::open(&folder, &identity, Check::Full).unwrap();
        let mut index = Index::restore(&model, options.clone(), contents.segments).unwrap();
        let mut commit = |index: &mut Index, works: bool| {
            let batch = index.batch().unwrap();
            if works {
                store.commit(&batch).unwrap();
            }
            index.settle(works);
        };
        add(&mut index, &model, documents());
        // What could not be stored is stored with the next.
        commit(&mut index, false);
        assert!(index.remove("sun"));
        commit(&mut index, true);
        assert!(index.batch().is_none());
        assert!(index.remove("honey"));
        commit(&mut index, false);
        add(&mut index, &model, vec![document("home", "The sky is a home.", json!([1.5]))]);
        commit(&mut index, true);
        let found = search(&index, &model, "bees", &all());
        drop(store);
        let stored = FolderStore::read(&folder, Some(&identity), Check::Full).unwrap();
        let again = Index::restore(&model, options.clone(), stored.segments).unwrap();
        assert_eq!(again.iter().collect::<Vec<_>>(), index.iter().collect::<Vec<_>>());
        assert_eq!(search(&again, &model, "bees", &all()), found, "{storage}");
        // Another pooling's vectors are no vectors of this one.
        let other = IndexOptions { pooling: Some(PoolerSpec::named("max")), ..options.clone() };
        let other = Index::new(&model, other).unwrap().identity(&model);
        let error = FolderStore::read(&folder, Some(&other), Check::Full).unwrap_err();
        assert!(error.to_string().contains("pooling"), "{error}");
        // As one file.
        let archive = index.export(&model).unwrap();
        let mut imported = Index::new(&model, options.clone()).unwrap();
        assert_eq!(imported.import(&model, &archive).unwrap(), index.documents());
        assert_eq!(search(&imported, &model, "bees", &all()), found, "{storage}");
        for cut in [0, 7, archive.len() / 2, archive.len() - 1] {
            assert!(Index::new(&model, options.clone()).unwrap().import(&model, &archive[..cut]).is_err());
        }
    }
    std::fs::remove_dir_all(folder).unwrap();
}

/// Cancels at the checkpoint after so many.
struct After(std::cell::Cell<usize>);

impl heatseek::Control for After {
    fn progress(&self, _: heatseek::Progress) {}
    fn checkpoint(&self) -> heatseek::LocalFuture<'_, Result<(), heatseek::Cancelled>> {
        let left = self.0.get();
        self.0.set(left.saturating_sub(1));
        Box::pin(async move { if left == 0 { Err(heatseek::Cancelled) } else { Ok(()) } })
    }
}

#[test]
fn an_add_that_is_cancelled_changes_nothing() {
    let model = model("bert-no-st");
    let mut index = made(&model, IndexOptions::default());
    let before: Vec<Document> = index.iter().cloned().collect();
    let hits = search(&index, &model, "bees", &all());
    // More than are embedded between two looks at the caller's wishes.
    let many = || (0..90).map(|i| document(&i.to_string(), &format!("{i} bees"), Value::Null));
    let replaced = || many().chain([document("home", "Nobody is here.", Value::Null)]).collect::<Vec<_>>();
    let mut stops = 0;
    loop {
        let control = After(std::cell::Cell::new(stops));
        match block_on(index.add(&model, replaced(), None, &control)) {
            Ok(added) => break assert_eq!(added, 91),
            Err(error) => assert_eq!(error.code(), "aborted"),
        }
        assert_eq!(index.iter().cloned().collect::<Vec<_>>(), before, "after {stops} looks");
        assert_eq!(search(&index, &model, "bees", &all()), hits);
        stops += 1;
    }
    assert!(stops > 2, "there were {stops} looks");
    assert_eq!(index.get("home").unwrap().text, "Nobody is here.");
}

/// The model whose embeddings are `scale` times those of `name`, by its last LayerNorm.
fn scaled(name: &str, scale: f32) -> Model {
    let dir = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden/models").join(name);
    let mut files = ModelFiles::from_dir(&dir).unwrap();
    let mut bytes = files.get("model.safetensors").unwrap().to_vec();
    let start = 8 + u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    let header: Value = serde_json::from_slice(&bytes[8..start]).unwrap();
    let named = |layer: usize, part: &str| {
        let end = format!("encoder.layer.{layer}.output.LayerNorm.{part}");
        header.as_object().unwrap().iter().find(|(name, _)| name.ends_with(&end)).map(|(_, tensor)| tensor)
    };
    let last = (0..).take_while(|layer| named(*layer, "weight").is_some()).last().unwrap();
    for part in ["weight", "bias"] {
        let tensor = named(last, part).unwrap();
        assert_eq!(tensor["dtype"], "F32");
        let [from, to] = [0, 1].map(|end| start + tensor["data_offsets"][end].as_u64().unwrap() as usize);
        for value in bytes[from..to].as_chunks_mut::<4>().0 {
            *value = (f32::from_le_bytes(*value) * scale).to_le_bytes();
        }
    }
    files.insert("model.safetensors", bytes);
    let options = LoadOptions { device: DeviceChoice::Cpu, ..LoadOptions::default() };
    block_on(Model::load(files, options, &NoControl)).unwrap()
}

#[test]
fn an_add_of_vectors_that_are_too_large_changes_nothing() {
    let name = "bert-no-st";
    let texts = ["The bees find the honey.", "xylophone", "How do bees find home?", "The light of the sky."];
    let embeddings = block_on(model(name).embed(&texts, &EmbedOptions::default(), &NoControl)).unwrap();
    let largest =
        (0..texts.len()).map(|text| embeddings.row(text).iter().fold(0.0f32, |most, v| most.max(v.abs())));
    let mut by_size: Vec<(f32, &str)> = largest.zip(texts).collect();
    by_size.sort_by(|a, b| a.0.total_cmp(&b.0));
    // Of two texts only the second is too large for 16 bits.
    let [(small, fits), .., (large, too_large)] = by_size[..] else { unreachable!("there are four") };
    let model = scaled(name, 65504.0 / (small * large).sqrt());
    for storage in [Storage::F16, Storage::Binary { rescore: Rescore::F16 }] {
        let options = IndexOptions { storage, metric: Metric::Dot, ..IndexOptions::default() };
        let mut index = Index::restore(&model, options, Vec::new()).unwrap();
        add(
            &mut index,
            &model,
            vec![document("there", fits, json!("before")), document("other", fits, Value::Null)],
        );
        drop(index.batch().unwrap());
        index.settle(true);
        let before: Vec<Document> = index.iter().cloned().collect();
        let hits = search(&index, &model, "bees", &all());
        let batch = vec![
            document("new", fits, Value::Null),
            document("there", fits, json!("now")),
            document("large", too_large, Value::Null),
        ];
        let error = block_on(index.add(&model, batch, None, &NoControl)).unwrap_err().to_string();
        let says = "a passage of document `large` is ";
        assert!(error.starts_with(says) && error.contains("16-bit floats end at 65504"), "{error}");
        assert_eq!(index.iter().cloned().collect::<Vec<_>>(), before);
        assert_eq!(search(&index, &model, "bees", &all()), hits);
        assert!(index.batch().is_none(), "there is nothing to store");
    }
}

/// An index of texts of one to three words in all orders, more than a tile of the GPU's.
fn of_many(model: &Model, options: IndexOptions) -> Index {
    let words = ["bees", "find", "the", "honey", "a", "dance", "in", "sun", "light", "sky", "flower", "home"];
    let mut index = Index::new(model, options).unwrap();
    let texts = (0..1100usize).map(|i| {
        let text = [i % 12, i / 12 % 12, i / 144 % 12].map(|at| words[at]).join(" ");
        document(&i.to_string(), &text, json!({ "year": 2000 + i % 7 }))
    });
    block_on(index.add(model, texts.collect(), None, &NoControl)).unwrap();
    index
}

#[test]
fn a_gpu_finds_what_the_cpu_finds_whatever_happens() {
    let on_gpu = match model_on("bert-no-st", DeviceChoice::Gpu) {
        Ok(model) => model,
        Err(error) => {
            assert!(std::env::var_os("CI").is_none(), "CI expects a Vulkan adapter: {error}");
            println!("NOT RUN: {error}");
            return;
        }
    };
    let settings = [
        IndexSearch::default(),
        IndexSearch {
            filter: Some(Filter::parse(&json!({"year": 2003})).unwrap()),
            ..IndexSearch::default()
        },
        IndexSearch {
            filter: Some(Filter::parse(&json!({"year": 1900})).unwrap()),
            ..IndexSearch::default()
        },
        IndexSearch { hybrid: Some(Hybrid::default()), diversity: Some(0.5), ..IndexSearch::default() },
        IndexSearch { top_k: 400, per_document: Some(1), ..IndexSearch::default() },
        // More than the kernel keeps.
        IndexSearch { top_k: 1050, ..IndexSearch::default() },
    ];
    let rescored = Storage::Binary { rescore: Rescore::Int8 };
    for storage in [Storage::F32, Storage::F16, Storage::Int8, rescored] {
        for metric in [Metric::Cosine, Metric::Euclidean] {
            let options = |scan| IndexOptions { storage, metric, scan, ..IndexOptions::default() };
            let mut index = of_many(&on_gpu, options(ScanOn::Gpu));
            // The same vectors, by way of a file.
            let archive = index.export(&on_gpu).unwrap();
            let mut expected = Index::new(&on_gpu, options(ScanOn::Cpu)).unwrap();
            expected.import(&on_gpu, &archive).unwrap();
            let compare = |index: &Index, expected: &Index| {
                for options in &settings {
                    let [found, wanted] = [index, expected]
                        .map(|index| search(index, &on_gpu, "a dance in the light", options));
                    let scores = |hits: &[Hit]| hits.iter().map(|hit| hit.score).collect::<Vec<_>>();
                    assert_eq!(scores(&found), scores(&wanted), "{storage} {metric:?} {options:?}");
                    assert_eq!(ids(&found), ids(&wanted), "{storage} {metric:?} {options:?}");
                }
                assert_eq!(expected.gpu_bytes(), 0);
                assert_eq!(index.gpu_bytes() > 0, metric == Metric::Cosine, "{storage} {metric:?}");
            };
            compare(&index, &expected);
            for index in [&mut index, &mut expected] {
                assert!(index.remove("3") && index.remove("1099"));
                add(index, &on_gpu, vec![document("new", "A dance in the light.", json!({"year": 2003}))]);
            }
            compare(&index, &expected);
        }
    }
    let index = of_many(&on_gpu, IndexOptions { scan: ScanOn::Gpu, ..IndexOptions::default() });
    let before = search(&index, &on_gpu, "bees", &all());
    assert!(index.gpu_bytes() > 0);
    on_gpu.lose_device();
    let places = |hits: &[Hit]| hits.iter().map(|hit| hit.id.clone()).collect::<Vec<_>>();
    for _ in 0..2 {
        assert_eq!(
            places(&search(&index, &on_gpu, "bees", &all())),
            places(&before),
            "after the device was lost"
        );
    }
    let plain = of_many(&on_gpu, IndexOptions::default());
    (0..3).for_each(|_| drop(search(&plain, &on_gpu, "bees", &all())));
    assert_eq!(plain.gpu_bytes(), 0, "so few, and on software, are the CPU's");
}
