//! `docs/poolers.md` is what the table of poolers says.

use std::path::Path;
use std::{env, fs};

#[test]
fn the_document_is_the_table() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/poolers.md");
    let table = heatseek_pool::table();
    if env::var_os("HEATSEEK_BLESS").is_some_and(|bless| bless == "1") {
        fs::write(&path, &table).unwrap();
    }
    let written = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        written == table,
        "docs/poolers.md is old: HEATSEEK_BLESS=1 cargo test -p heatseek-pool writes it"
    );
}
