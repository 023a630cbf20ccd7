//! `heatseek index`: what `heatseek search --index` keeps in a folder, looked at and carried elsewhere. No model is needed.

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use heatseek::store::{
    Check, FolderContents, FolderStore, Identity, Segment, VectorDtype, write_documents_jsonl,
    write_scales_npy, write_vectors_npy,
};
use serde::Serialize;

use crate::failure::{Failure, in_index};
use crate::partial::PartialFile;
use crate::pooling;

/// What `heatseek index` can do.
#[derive(Subcommand)]
pub enum IndexCommand {
    /// Read every file of an index and compare it with the SHA-256 that it was written with.
    Check(FolderArgs),
    /// Say what an index was made with and what it holds, as JSON.
    Info(FolderArgs),
    /// Write an index to one file, which browsers read as well, or for NumPy, after a full check.
    Export(ExportArgs),
    /// Make a folder the index that is in such a file, after a full check.
    Import(ImportArgs),
}

/// `heatseek index check` and `heatseek index info`.
#[derive(Args)]
pub struct FolderArgs {
    /// The index: a folder that `heatseek search --index` made.
    #[arg(value_name = "FOLDER")]
    pub index: PathBuf,
}

/// `heatseek index export`.
#[derive(Args)]
pub struct ExportArgs {
    #[command(flatten)]
    pub from: FolderArgs,
    /// Write all of it to this file.
    #[arg(long, value_name = "FILE.heatseek", required_unless_present = "npy")]
    pub out: Option<PathBuf>,
    /// Write its vectors to PREFIX.npy, of int8 their scales to PREFIX-scales.npy, and its documents to PREFIX.jsonl,
    /// with the row of each passage.
    #[arg(long, value_name = "PREFIX")]
    pub npy: Option<PathBuf>,
}

/// `heatseek index import`.
#[derive(Args)]
pub struct ImportArgs {
    /// What `heatseek index export --out` wrote, or a browser exported.
    #[arg(value_name = "FILE.heatseek")]
    pub file: PathBuf,
    /// The folder: a new one, or one without an index.
    #[arg(long, value_name = "FOLDER")]
    pub index: PathBuf,
}

/// What `heatseek index info` prints.
#[derive(Serialize)]
struct Report<'a> {
    identity: &'a Identity,
    /// Of commits.
    generation: u64,
    documents: usize,
    chunks: usize,
    /// Rows, which chunks of the same text share.
    vectors: usize,
    segments: usize,
    /// Of all files but the manifests.
    bytes: u64,
}

/// Runs `heatseek index …`.
pub fn run(command: &IndexCommand) -> Result<(), Failure> {
    match command {
        IndexCommand::Check(args) => check(&args.index),
        IndexCommand::Info(args) => info(&args.index),
        IndexCommand::Export(args) => export(args),
        IndexCommand::Import(args) => import(args),
    }
}

fn check(folder: &Path) -> Result<(), Failure> {
    say(&format!("{}: whole, every file has its SHA-256", folder.display()), &read(folder, Check::Full)?)
}

fn info(folder: &Path) -> Result<(), Failure> {
    let contents = read(folder, Check::Length)?;
    let mut out = io::stdout().lock();
    serde_json::to_writer_pretty(&mut out, &Report::of(&contents)).map_err(io::Error::from)?;
    Ok(writeln!(out)?)
}

fn export(args: &ExportArgs) -> Result<(), Failure> {
    let mut contents = read(&args.from.index, Check::Full)?;
    if let Some(prefix) = &args.npy {
        let Identity { dtype, width, .. } = contents.identity;
        if contents.segments.is_empty() {
            // The matrix of no rows has the type and width of one with some.
            contents.segments.push(Segment::new(dtype, width));
        }
        let write = |end: &str, write: fn(&[Segment], &mut io::BufWriter<File>) -> io::Result<()>| {
            let mut path = prefix.as_os_str().to_owned();
            path.push(end);
            let mut file = PartialFile::create(Path::new(&path))?;
            file.with(|out| write(&contents.segments, out))?;
            file.finish()
        };
        write(".npy", write_vectors_npy)?;
        if dtype == VectorDtype::I8 {
            write("-scales.npy", write_scales_npy)?;
        }
        write(".jsonl", write_documents_jsonl)?;
    }
    let Some(path) = &args.out else { return Ok(()) };
    let mut file = PartialFile::create(path)?;
    let parts = contents.export().map_err(in_index(args.from.index.display()))?;
    parts.iter().try_for_each(|part| file.write(part))?;
    file.finish()
}

fn import(args: &ImportArgs) -> Result<(), Failure> {
    let mut file = File::open(&args.file).map_err(|error| Failure::file("read", &args.file, &error))?;
    let way = format!("{} into {}", args.file.display(), args.index.display());
    FolderStore::import(&mut file, &args.index).map_err(in_index(way))?;
    say(&format!("{}: imported", args.index.display()), &read(&args.index, Check::Length)?)
}

/// The index in `folder`; a manifest that was not written to its end, and so does not count, is told.
fn read(folder: &Path, check: Check) -> Result<FolderContents, Failure> {
    let contents = FolderStore::read(folder, None, check).map_err(in_index(folder.display()))?;
    for skipped in &contents.skipped {
        let reason = format!("{}: {}, so the one before it counts", folder.display(), skipped.reason);
        pooling::warn(Some(&reason));
    }
    Ok(contents)
}

fn say(what: &str, contents: &FolderContents) -> Result<(), Failure> {
    let Report { documents, chunks, vectors, segments, bytes, .. } = Report::of(contents);
    let counts = format!("{documents} documents, {chunks} passages, {vectors} vectors");
    Ok(writeln!(io::stdout(), "{what}: {counts} in {segments} segments of {bytes} bytes")?)
}

impl<'a> Report<'a> {
    fn of(contents: &'a FolderContents) -> Self {
        let sum = |count: fn(&Segment) -> usize| contents.segments.iter().map(count).sum();
        Self {
            identity: &contents.identity,
            generation: contents.generation,
            documents: sum(|segment| segment.documents.len()),
            chunks: sum(|segment| segment.chunks.len()),
            vectors: sum(|segment| segment.vectors.rows()),
            segments: contents.segments.len(),
            bytes: contents.bytes,
        }
    }
}
