//! Fetching from a hub that behaves, and from hubs that do not.

use std::cell::RefCell;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::PathBuf;
use std::thread;

use heatseek_hub::{
    Error, Fetcher, FileState, KnownFile, KnownModel, Origin, Outcome, Progress, Source, check,
};

const CONFIG: &[u8] = b"{\"model_type\": \"bert\"}\n";
const POOLING: &[u8] = b"{}\n";

static MODEL: KnownModel = KnownModel {
    name: "tiny",
    repo: "owner/tiny",
    license: "MIT",
    files: &[
        KnownFile {
            path: "config.json",
            size_bytes: 23,
            sha256: "665939e0da5aa211ec9832ffe5dcba176d1bbac8a95c899c270ec29082853c51",
        },
        KnownFile {
            path: "1_Pooling/config.json",
            size_bytes: 3,
            sha256: "ca3d163bab055381827226140568f3bef7eaac187cebd76878e0b63e9e442356",
        },
    ],
    origins: &[Origin::Hub { revision: "abc123" }],
};

/// Status line, body, and after how many bytes of it the connection breaks.
type Answer = (&'static str, &'static [u8], usize);
/// From the path of a request to its answer.
type Hub = fn(&str) -> Answer;

/// Answers every request with what `answer` gives for its path.
fn hub(answer: Hub) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let origin = format!("http://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut request = Vec::new();
            let mut byte = [0];
            while !request.ends_with(b"\r\n\r\n") && stream.read(&mut byte).unwrap() == 1 {
                request.push(byte[0]);
            }
            let request = String::from_utf8(request).unwrap();
            let path = request.split(' ').nth(1).unwrap_or_default();
            let (status, body, cut) = answer(path);
            let head =
                format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len());
            stream.write_all(head.as_bytes()).unwrap();
            stream.write_all(&body[..cut.min(body.len())]).unwrap();
        }
    });
    origin
}

fn good(path: &str) -> Answer {
    match path {
        "/owner/tiny/resolve/abc123/config.json" => ("200 OK", CONFIG, usize::MAX),
        "/owner/tiny/resolve/abc123/1_Pooling/config.json" => ("200 OK", POOLING, usize::MAX),
        _ => ("404 Not Found", b"", 0),
    }
}

fn scratch(name: &str) -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = std::fs::remove_dir_all(&folder);
    folder
}

/// Nothing but complete models may be left in the folder.
fn names_in(folder: &PathBuf) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

#[test]
fn a_model_is_fetched_once_and_kept() {
    let folder = scratch("kept");
    let fetcher = Fetcher::new(&folder).with_endpoint(hub(good));
    let steps = RefCell::new(0);
    let report = |progress: Progress<'_>| {
        if let Progress::Bytes { done, total, .. } = progress {
            assert!(done <= total);
            *steps.borrow_mut() += 1;
        }
    };
    assert_eq!(fetcher.fetch(&MODEL, &report).unwrap(), Outcome::Fetched { source: Source::Hub, files: 2 });
    assert!(*steps.borrow() > 0);
    assert_eq!(std::fs::read(folder.join("tiny/1_Pooling/config.json")).unwrap(), POOLING);
    assert_eq!(names_in(&folder), ["tiny"]);
    // Nothing listens there: the second time must not ask.
    let offline = Fetcher::new(&folder).with_endpoint("http://127.0.0.1:1");
    assert_eq!(offline.fetch(&MODEL, &|_| {}).unwrap(), Outcome::AlreadyThere);
}

#[test]
fn a_damaged_file_is_fetched_again_and_no_other() {
    let folder = scratch("damaged");
    let fetcher = Fetcher::new(&folder).with_endpoint(hub(good));
    fetcher.fetch(&MODEL, &|_| {}).unwrap();
    std::fs::write(folder.join("tiny/config.json"), "{\"model_type\": \"burt\"}\n").unwrap();
    assert!(matches!(check(&folder.join("tiny"), &MODEL.files[0]).unwrap(), FileState::Different { .. }));
    assert_eq!(fetcher.fetch(&MODEL, &|_| {}).unwrap(), Outcome::Fetched { source: Source::Hub, files: 1 });
    assert_eq!(std::fs::read(folder.join("tiny/config.json")).unwrap(), CONFIG);
}

#[test]
fn a_hub_that_fails_leaves_nothing_behind() {
    let missing =
        |path: &str| if path.contains("Pooling") { ("404 Not Found", &b""[..], 0) } else { good(path) };
    let cut_off = |path: &str| if path.contains("Pooling") { ("200 OK", POOLING, 1) } else { good(path) };
    let wrong = |path: &str| if path.contains("Pooling") { ("200 OK", &b"[]\n"[..], 9) } else { good(path) };
    let cases: [(&str, Hub, &str, &str); 3] = [
        ("missing", missing, "404", "network"),
        ("cut-off", cut_off, "after 1 of 3 bytes", "network"),
        ("wrong", wrong, "SHA-256", "model_invalid"),
    ];
    for (name, answer, says, code) in cases {
        let folder = scratch(name);
        let error = Fetcher::new(&folder).with_endpoint(hub(answer)).fetch(&MODEL, &|_| {}).unwrap_err();
        assert!(matches!(error, Error::AllSources { .. }), "{error}");
        assert!(error.to_string().contains(says), "{name}: {error}");
        assert_eq!(error.code(), code);
        assert!(names_in(&folder).is_empty(), "{name} left {:?}", names_in(&folder));
    }
}

#[test]
fn the_catalog_is_well_formed() {
    for model in heatseek_hub::catalog() {
        assert_eq!(heatseek_hub::find(model.repo).unwrap().name, model.name);
        assert!(!model.origins.is_empty(), "{} cannot be fetched", model.name);
        for origin in model.origins {
            match origin {
                Origin::Hub { revision } => assert_eq!(revision.len(), 40, "a commit, not a branch"),
                Origin::Wheel(wheel) => {
                    assert!(wheel.requirement.contains("=="), "a version, not the newest")
                }
            }
        }
        for file in model.files {
            assert!(file.sha256.len() == 64 && file.sha256.chars().all(|c| "0123456789abcdef".contains(c)));
            assert!(!file.path.starts_with('/') && !file.path.contains(".."));
        }
    }
    assert_eq!(heatseek_hub::find("nope").unwrap_err().code(), "invalid_input");
}
