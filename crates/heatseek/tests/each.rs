//! Many poolings out of one forward, against each of them alone.

use std::path::Path;

use heatseek::{DeviceChoice, EmbedOptions, Kind, LoadOptions, Model, ModelFiles, NoControl, PoolerSpec};
use heatseek::{block_on, rows};

const TEXTS: [&str; 5] = [
    "bees",
    "The bees dance to tell each other where the flowers are, and how far it is to fly there.",
    "",
    "Bread rises because yeast makes gas; salt slows it down. Steam in the oven keeps the crust soft for long.",
    "a b c",
];

#[test]
fn each_is_what_it_is_alone() {
    let models = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden/models");
    for name in ["bert-no-st", "bert-mean-dense"] {
        let files = ModelFiles::from_dir(&models.join(name)).unwrap();
        let options = LoadOptions { device: DeviceChoice::Cpu, ..LoadOptions::default() };
        let model = block_on(Model::load(files, options, &NoControl)).unwrap();
        let options = EmbedOptions {
            prompt: Some("a prompt: ".into()),
            include_prompt: Some(false),
            ..EmbedOptions::default()
        };
        let (mut poolings, mut alone) = (Vec::new(), Vec::new());
        for row in rows().filter(|row| row.kind != Kind::Learned) {
            let pooling = PoolerSpec::named(row.name);
            let options = EmbedOptions { pooling: Some(pooling.clone()), ..options.clone() };
            // Dense layers do not take vectors of every width.
            if let Ok(embeddings) = block_on(model.embed(&TEXTS, &options, &NoControl)) {
                poolings.push(pooling);
                alone.push(embeddings);
            }
        }
        assert!(poolings.len() > 15 && poolings.contains(&PoolerSpec::named("landmark")), "{poolings:?}");
        let mut together = vec![Vec::new(); poolings.len()];
        let mut seen = vec![0; poolings.len()];
        block_on(model.embed_each(&TEXTS, &poolings, &options, &NoControl, &mut |text, place, pool| {
            assert_eq!(text, seen[place], "texts come in their order");
            seen[place] += 1;
            together[place].extend(pool()?.vectors);
            Ok(())
        }))
        .unwrap();
        assert_eq!(seen, vec![TEXTS.len(); poolings.len()]);
        for ((pooling, alone), together) in poolings.iter().zip(&alone).zip(&together) {
            assert_eq!(alone.data.len(), together.len(), "{name}, {pooling}");
            for (a, b) in alone.data.iter().zip(together) {
                assert!((a - b).abs() <= 2e-5 * (1.0 + a.abs()), "{name}, {pooling}: {b}, alone {a}");
            }
        }
    }
}
