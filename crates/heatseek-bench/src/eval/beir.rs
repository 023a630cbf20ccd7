//! The three files of a retrieval benchmark in BEIR's layout.

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use serde::Deserialize;

use crate::failure::Failure;

/// A text with its id.
#[derive(Deserialize)]
pub struct Entry {
    /// What judgements call it.
    #[serde(rename = "_id")]
    pub id: String,
    /// Of documents; may be empty.
    #[serde(default)]
    title: String,
    text: String,
}

impl Entry {
    /// What is embedded: title and text with a space between, as BEIR does it.
    pub fn whole(&self) -> String {
        format!("{} {}", self.title, self.text).trim().to_owned()
    }
}

/// Which documents answer a query, and how well: place of the document, grade above 0.
pub type Judgements = Vec<(usize, u32)>;

/// A corpus with queries and what is known of them.
pub struct Task {
    /// The documents.
    pub documents: Vec<Entry>,
    /// Those queries that have a relevant document.
    pub queries: Vec<Entry>,
    /// One for each of `queries`.
    pub judgements: Vec<Judgements>,
    /// Queries left out because no document is relevant to them.
    pub left_out: usize,
}

/// Reads the files.
pub fn read(corpus: &Path, queries: &Path, qrels: &Path) -> Result<Task, Failure> {
    let documents = entries(corpus)?;
    let all = entries(queries)?;
    let mut judged = judgements(qrels, &places(corpus, &documents)?, &places(queries, &all)?)?;
    let asked = all.len();
    let mut task = Task { documents, queries: Vec::new(), judgements: Vec::new(), left_out: 0 };
    for (place, query) in all.into_iter().enumerate() {
        if let Some(judgements) = judged.remove(&place) {
            task.queries.push(query);
            task.judgements.push(judgements);
        }
    }
    task.left_out = asked - task.queries.len();
    if task.queries.is_empty() {
        return Err(Failure::invalid(format!(
            "{}: no query has a relevant document (a score above 0), so there is nothing to measure",
            qrels.display()
        )));
    }
    Ok(task)
}

fn text(path: &Path) -> Result<String, Failure> {
    fs::read_to_string(path).map_err(|error| Failure::file("read", path, &error))
}

fn wrong(path: &Path, line: usize, what: impl std::fmt::Display) -> Failure {
    Failure::invalid(format!("{}:{}: {what}", path.display(), line + 1))
}

/// One JSON object a line; empty lines are passed over.
fn entries(path: &Path) -> Result<Vec<Entry>, Failure> {
    let mut all = Vec::new();
    for (line, text) in text(path)?.lines().enumerate().filter(|(_, text)| !text.trim().is_empty()) {
        let entry: Entry = serde_json::from_str(text).map_err(|error| {
            wrong(path, line, format!("{error}; expected {{\"_id\": \"…\", \"text\": \"…\"}}"))
        })?;
        all.push(entry);
    }
    if all.is_empty() {
        return Err(Failure::invalid(format!("{} is empty", path.display())));
    }
    Ok(all)
}

fn places<'a>(path: &Path, entries: &'a [Entry]) -> Result<HashMap<&'a str, usize>, Failure> {
    let mut places = HashMap::new();
    for (place, entry) in entries.iter().enumerate() {
        if places.insert(entry.id.as_str(), place).is_some() {
            return Err(Failure::invalid(format!(
                "{}: the _id `{}` is there twice; ids must differ",
                path.display(),
                entry.id
            )));
        }
    }
    Ok(places)
}

/// Judgements above 0 by place of the query. Documents and queries must be known.
fn judgements(
    path: &Path,
    documents: &HashMap<&str, usize>,
    queries: &HashMap<&str, usize>,
) -> Result<HashMap<usize, Judgements>, Failure> {
    let text = text(path)?;
    let mut lines = text.lines().enumerate();
    if lines.next().map(|(_, header)| header.trim_end()) != Some("query-id\tcorpus-id\tscore") {
        return Err(wrong(path, 0, "expected the header query-id, corpus-id, score with tabs between"));
    }
    let mut judged: HashMap<usize, Judgements> = HashMap::new();
    for (line, text) in lines.filter(|(_, text)| !text.trim().is_empty()) {
        let fields: Vec<&str> = text.trim_end().split('\t').collect();
        let &[query, document, score] = &fields[..] else {
            let got = fields.len();
            return Err(wrong(path, line, format!("{got} fields; expected 3 with tabs between")));
        };
        let score: i64 = score
            .parse()
            .map_err(|_| wrong(path, line, format!("the score is `{score}`; expected a whole number")))?;
        let known = |places: &HashMap<&str, usize>, id, what| {
            places.get(id).copied().ok_or_else(|| wrong(path, line, format!("there is no {what} `{id}`")))
        };
        let (query, document) = (known(queries, query, "query")?, known(documents, document, "document")?);
        let of_query = judged.entry(query).or_default();
        if of_query.iter().any(|(other, _)| *other == document) {
            return Err(wrong(path, line, "this query and document were judged before"));
        }
        if score > 0 {
            of_query.push((document, u32::try_from(score).unwrap_or(u32::MAX)));
        }
    }
    judged.retain(|_, of_query| !of_query.is_empty());
    Ok(judged)
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    const CORPUS: &str =
        "{\"_id\":\"a\",\"title\":\"T\",\"text\":\"x y\"}\n\n{\"_id\":\"b\",\"text\":\"z\"}\n";
    const QUERIES: &str =
        "{\"_id\":\"1\",\"text\":\"q\"}\n{\"_id\":\"2\",\"text\":\"r\"}\n{\"_id\":\"3\",\"text\":\"s\"}";
    const QRELS: &str = "query-id\tcorpus-id\tscore\n3\tb\t2\n3\ta\t0\n1\ta\t1\n2\ta\t0\n";

    fn files(name: &str, texts: [&str; 3]) -> [PathBuf; 3] {
        let folder = std::env::temp_dir().join(format!("heatseek-beir-{}-{name}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let paths = ["corpus.jsonl", "queries.jsonl", "qrels.tsv"].map(|file| folder.join(file));
        for (path, text) in paths.iter().zip(texts) {
            fs::write(path, text).unwrap();
        }
        paths
    }

    fn read_all(name: &str, texts: [&str; 3]) -> Result<Task, String> {
        let [corpus, queries, qrels] = files(name, texts);
        let read = read(&corpus, &queries, &qrels).map_err(|failure| match failure {
            Failure::Told { message, .. } => message,
            Failure::NobodyReads => String::new(),
        });
        fs::remove_dir_all(corpus.parent().unwrap()).unwrap();
        read
    }

    #[test]
    fn queries_without_answers_are_left_out() {
        let task = read_all("good", [CORPUS, QUERIES, QRELS]).unwrap();
        assert_eq!(task.documents.iter().map(Entry::whole).collect::<Vec<_>>(), ["T x y", "z"]);
        assert_eq!(task.queries.iter().map(|q| q.id.as_str()).collect::<Vec<_>>(), ["1", "3"]);
        assert_eq!((task.judgements, task.left_out), (vec![vec![(0, 1)], vec![(1, 2)]], 1));
    }

    #[test]
    fn faults_are_named_with_file_and_line() {
        let header = "query-id\tcorpus-id\tscore\n";
        let with = |line: &str| format!("{header}1\ta\t1\n{line}");
        for (name, [corpus, queries, qrels], expected) in [
            ("json", ["{\"_id\":\"a\",\"text\":\"x\"}\n{\"_id\":2}", QUERIES, QRELS], "corpus.jsonl:2: "),
            ("twice", [&CORPUS.replace("\"b\"", "\"a\""), QUERIES, QRELS], "`a` is there twice"),
            ("empty", [CORPUS, "\n", QRELS], "queries.jsonl is empty"),
            ("header", [CORPUS, QUERIES, "1\ta\t1\n"], "qrels.tsv:1: expected the header"),
            ("fields", [CORPUS, QUERIES, &with("1 b 1")], "qrels.tsv:3: 1 fields"),
            ("score", [CORPUS, QUERIES, &with("1\tb\tx")], "qrels.tsv:3: the score is `x`"),
            ("query", [CORPUS, QUERIES, &with("9\tb\t1")], "qrels.tsv:3: there is no query `9`"),
            ("document", [CORPUS, QUERIES, &with("1\tc\t1")], "qrels.tsv:3: there is no document `c`"),
            ("judged", [CORPUS, QUERIES, &with("1\ta\t0")], "qrels.tsv:3: this query and document"),
            ("nothing", [CORPUS, QUERIES, header], "no query has a relevant document"),
        ] {
            let message = read_all(name, [corpus, queries, qrels]).err().unwrap();
            assert!(message.contains(expected), "{message}");
        }
    }
}
