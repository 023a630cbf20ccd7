//! A process is killed again and again while it writes.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use heatseek_search::store::{Check, FolderStore, Identity, StoreError, VectorDtype};

use crate::corpus::{Draw, Holdings, Operation, identity, operation};

const KILLS: u64 = 100;
const SEED: u64 = 2026;
/// The child's folder and its first operation.
const FOLDER: &str = "HEATSEEK_KILLED_IN";
const FIRST: &str = "HEATSEEK_KILLED_FROM";

fn made_with() -> Identity {
    identity(VectorDtype::I8, 48)
}

/// The process that is killed: adds, removes and compacts, and says what it has committed. It never ends by itself.
fn write_until_killed(folder: &str, first: u64) {
    let identity = made_with();
    let (mut index, _) = FolderStore::open(Path::new(folder), &identity, Check::Full).unwrap();
    for k in first.. {
        match operation(&identity, SEED, k) {
            Operation::Commit(batch) => index.commit(&batch).unwrap(),
            Operation::Compact(policy) => drop(index.compact(&policy).unwrap()),
        }
        let mut out = std::io::stdout();
        out.write_all(format!("committed {k}.\n").as_bytes()).and_then(|()| out.flush()).unwrap();
    }
}

fn start(folder: &Path, first: u64) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "kills::a_killed_writer_loses_nothing", "--nocapture"])
        .env(FOLDER, folder)
        .env(FIRST, first.to_string())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Lets a writer begin at `first` and kills it; the last operation that it said was committed.
fn kill_one(folder: &Path, first: u64, draw: &mut Draw) -> u64 {
    let mut child = start(folder, first);
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
    let committed =
        |line: String| -> Option<u64> { line.split_once("committed ")?.1.strip_suffix('.')?.parse().ok() };
    // Some are killed while they open the index, most after some commits, all somewhere within what comes next.
    let wanted = draw.below(9);
    let mut last = first - 1;
    if wanted == 0 {
        sleep(Duration::from_micros(draw.below(15_000)));
    } else {
        let seen = lines.by_ref().filter_map(committed).take(wanted as usize).last();
        let seen = seen.unwrap_or_else(|| {
            let mut said = String::new();
            let _ = std::io::Read::read_to_string(&mut child.stderr.take().unwrap(), &mut said);
            panic!("the writer stopped by itself: {said}")
        });
        last = seen;
        sleep(Duration::from_micros(draw.below(1_500)));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    lines.filter_map(committed).last().unwrap_or(last)
}

/// Files of segments in a folder.
fn files(folder: &Path) -> usize {
    let names = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name());
    names.filter(|name| name.to_string_lossy().contains("-0")).count()
}

#[test]
fn a_killed_writer_loses_nothing() {
    // This test, started by itself, is the writer.
    if let (Ok(folder), Ok(first)) = (std::env::var(FOLDER), std::env::var(FIRST)) {
        return write_until_killed(&folder, first.parse().unwrap());
    }
    // In memory where that can be: what a process had written outlives its death there as on a disk, and a sync takes
    // no time.
    let memory = Path::new("/dev/shm");
    let below = if memory.is_dir() { memory } else { Path::new(env!("CARGO_TARGET_TMPDIR")) };
    let folder = below.join(format!("heatseek-kills-{}", std::process::id()));
    let _ = fs::remove_dir_all(&folder);
    let identity = made_with();
    let mut draw = Draw::new(SEED);
    let (mut holdings, mut next) = (Holdings::default(), 1);
    let (mut within, mut cut_off, mut in_flight) = (0, 0, 0);
    for kill in 0..KILLS {
        let last = kill_one(&folder, next, &mut draw);
        (next..=last).for_each(|k| holdings.apply(&operation(&identity, SEED, k)));
        next = last + 1;
        let held = match FolderStore::read(&folder, Some(&identity), Check::Full) {
            Ok(contents) => {
                cut_off += contents.skipped.len();
                let whole = contents.skipped.iter().find(|skipped| skipped.generation.is_some());
                assert!(whole.is_none(), "kill {kill}: {whole:?}");
                within += usize::from(files(&folder) > contents.segments.len() * 2);
                Holdings::of(&contents.segments)
            }
            Err(StoreError::NotFound) if last == 0 => Holdings::default(),
            Err(error) => panic!("kill {kill}, after operation {last}: {error}"),
        };
        if held != holdings {
            // The one that was in flight had reached the disk, but nobody had been told.
            holdings.apply(&operation(&identity, SEED, next));
            assert!(
                held == holdings,
                "kill {kill}: what was committed by operation {last} is not what is there"
            );
            next += 1;
            in_flight += 1;
        }
    }
    let (index, contents) = FolderStore::open(&folder, &identity, Check::Full).unwrap();
    assert_eq!(contents.skipped, []);
    let segments = index.store().segments();
    assert!(files(&folder) <= 2 * segments, "{} files of {segments} segments", files(&folder));
    println!(
        "{} operations; {within} kills between a segment and its manifest, {cut_off} within a manifest, {in_flight} \
         before the word of it",
        next - 1
    );
    assert!(within > 0, "no kill was within a commit");
    assert!(next > KILLS, "the writers hardly wrote");
    drop(index);
    fs::remove_dir_all(&folder).unwrap();
}
