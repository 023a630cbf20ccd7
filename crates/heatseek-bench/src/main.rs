//! `heatseek`: embed texts, search folders and fetch models from the command line.

mod analyze;
mod args;
mod attention;
mod bench;
mod convert;
mod embed;
mod embed_images;
mod eval;
mod explain;
mod failure;
mod index;
mod info;
mod layout;
mod lines;
mod load;
mod models;
mod npy;
mod pack;
mod panels;
mod partial;
mod poolers;
mod pooling;
mod progress;
mod search;
mod sink;
mod sources;

use std::process::ExitCode;

use clap::Parser;

use args::{Cli, Command};

fn main() -> ExitCode {
    // clap answers a usage error with status 2, and `--help` and `--version` with 0.
    let cli = Cli::parse();
    let done = match cli.command {
        Command::Info(args) => info::run(&args),
        Command::Embed(args) if !args.image.is_empty() => embed_images::run(&args),
        Command::Embed(args) => embed::run(&args),
        Command::Attention(args) => attention::run(&args),
        Command::Explain(args) => explain::explain(&args),
        Command::Occlude(args) => explain::occlude(&args),
        Command::Analyze(args) => analyze::run(&args),
        Command::Search(args) => search::run(&args),
        Command::Index { command } => index::run(&command),
        Command::Eval(args) => eval::run(&args),
        Command::Bench(args) => bench::run(&args),
        Command::Convert(args) => convert::run(&args),
        Command::Poolers(args) => poolers::run(&args),
        Command::Models { command } => models::run(command),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}
