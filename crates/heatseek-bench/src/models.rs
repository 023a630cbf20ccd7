//! `heatseek models`: fetch and list; `pack.rs` packs.

use std::io::{self, Write};
use std::path::Path;

use heatseek_hub::{Fetcher, KnownModel, Outcome, Progress, catalog, find};

use crate::args::ModelsCommand;
use crate::failure::Failure;
use crate::{pack, progress};

/// Runs `heatseek models …`.
pub fn run(command: ModelsCommand) -> Result<(), Failure> {
    match command {
        ModelsCommand::Fetch { names, dir } => fetch(&names, &dir),
        ModelsCommand::Pack(args) => pack::run(&args),
        ModelsCommand::List => list(),
    }
}

fn list() -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    for model in catalog() {
        let size_bytes: u64 = model.files.iter().map(|file| file.size_bytes).sum();
        write!(out, "{}  {:.1} MB  {}  {}", model.name, size_bytes as f64 / 1e6, model.license, model.repo)?;
        for origin in model.origins {
            write!(out, "  {origin}")?;
        }
        writeln!(out)?;
    }
    Ok(())
}

fn fetch(names: &[String], dir: &Path) -> Result<(), Failure> {
    // All names are looked up before anything is downloaded: a typo should not cost 90 MB.
    let models = names.iter().map(|name| find(name)).collect::<Result<Vec<_>, _>>()?;
    let fetcher = Fetcher::new(dir);
    for model in models {
        writeln!(io::stdout(), "{}", fetched(model, &fetcher)?)?;
    }
    Ok(())
}

/// Makes `model` complete on the disk; gives a sentence that says where it is.
pub fn fetched(model: &'static KnownModel, fetcher: &Fetcher) -> Result<String, Failure> {
    let bar = progress::bytes_bar();
    let outcome = fetcher.fetch(model, &|progress| match progress {
        Progress::Step(step) if progress::someone_is_watching() => {
            bar.println(format!("{}: {step}", model.name))
        }
        Progress::Step(step) => {
            let _ = writeln!(io::stderr(), "{}: {step}", model.name);
        }
        Progress::Bytes { file, done, total } => {
            bar.set_length(total);
            bar.set_position(done);
            bar.set_message(file.to_owned());
        }
    });
    bar.finish_and_clear();
    let place = fetcher.model_dir(model);
    let said = match outcome? {
        Outcome::AlreadyThere => format!("already in {}, every file verified", place.display()),
        Outcome::Fetched { source, files } => {
            format!("{files} files from {source}, verified, in {}", place.display())
        }
    };
    Ok(format!("{}: {said}", model.name))
}
