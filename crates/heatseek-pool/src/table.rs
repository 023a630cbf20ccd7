//! The table of poolers for people to read.

use crate::{Kind, Pooler, PoolerSpec, Sizes, rows};

/// `docs/poolers.md`: Markdown, a row for each pooler.
pub fn table() -> String {
    let mut text = String::from(
        "# Poolers\n\n\
         *Device* means fused into the model's run on reference, CPU, WebGPU/Vulkan and wasm. *Host* means the same \
         arithmetic in f64 on every backend, from states read back; so do options of a device pooler that no op \
         knows.\n\n\
         A pooler of the last hidden state takes another one by option `of_layer`, 0 the embeddings: `pma:of_layer=8`; \
         it then runs on the host.\n\n\
         | name | papers (row) | equation | options | tensors | weights | runs on | what to expect |\n\
         | --- | --- | --- | --- | --- | --- | --- | --- |\n",
    );
    for row in rows() {
        let also = row.aliases.iter().map(|alias| format!("; `{alias}`")).collect::<String>();
        let papers: Vec<_> = row.papers.iter().map(|(number, title)| format!("{title} ({number})")).collect();
        let kind = match row.kind {
            Kind::TrainingFree => "none",
            Kind::Either => "optional",
            Kind::Learned => "needed",
        };
        let cells = [
            format!("`{}`{also}", row.name),
            papers.join(", "),
            row.equation.to_owned(),
            row.options.to_owned(),
            row.tensors.to_owned(),
            kind.to_owned(),
            runs_on(row.name).to_owned(),
            row.expect.to_owned(),
        ];
        let cells = cells.map(|cell| cell.replace('|', "\\|"));
        text += &format!("| {} |\n", cells.join(" | "));
    }
    text
}

/// Where it runs as it is without options and weights.
fn runs_on(name: &str) -> &'static str {
    // Divisible by the heads and groups of every default.
    let sizes = Sizes { hidden_size: 48, num_hidden_layers: 6, num_attention_heads: 4 };
    match Pooler::new(&PoolerSpec::named(name), None, sizes) {
        Ok(pooler) if pooler.device_form().is_some() => "device",
        // Its scorer is part of its weights.
        Err(_) if name == "score_pool" => "device: linear or tanh, of one branch",
        _ => "host",
    }
}
