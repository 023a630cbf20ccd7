//! `docs/poolers.md` is what the table of poolers says.

mod cases;

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

/// A row says device where any of its golden cases has a form for devices.
#[test]
fn device_or_host_is_so() {
    let all: Vec<_> = cases::all().iter().map(cases::Case::pooler).collect();
    for line in heatseek_pool::table().lines().filter(|line| line.starts_with("| `")) {
        let name = line.split('`').nth(1).unwrap();
        let mut of_name = all.iter().filter(|pooler| pooler.row().name == name);
        let device = of_name.any(|pooler| pooler.device_form().is_some());
        assert_eq!(
            line.replace("\\|", "").split('|').nth(7).unwrap().trim().starts_with("device"),
            device,
            "{name}"
        );
    }
}
