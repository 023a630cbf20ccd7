//! How often values occur in metadata.

use serde_json::Value;

use crate::metadata::{any_at, compare, parts, sort};
use crate::{Scored, TopK};

/// The values of a field, and how many of some hits have each.
#[derive(Clone, Debug, PartialEq)]
pub struct Facet {
    /// The field, as it was asked for.
    pub field: String,
    /// Each value and its count: the most frequent first, of the same count the smaller first (booleans before numbers
    /// before strings).
    pub counts: Vec<(Value, usize)>,
}

/// Counts the values of `fields`, dotted paths as in a [`Filter`](crate::Filter), over `metadata`, and gives at most
/// `most` of each, the most frequent. Booleans, numbers and strings count, by themselves or as elements of an array;
/// equal ones (`1` and `1.0`) are one value, and count once where one piece of metadata has them twice.
pub fn facets<'a>(metadata: impl IntoIterator<Item = &'a Value>, fields: &[&str], most: usize) -> Vec<Facet> {
    let paths: Vec<Vec<String>> = fields.iter().map(|field| parts(field)).collect();
    let mut found: Vec<Vec<&Value>> = vec![Vec::new(); fields.len()];
    for one in metadata {
        for (path, found) in paths.iter().zip(&mut found) {
            let first = found.len();
            any_at(one, path, &mut |value| {
                let counts = matches!(value, Value::Bool(_) | Value::Number(_) | Value::String(_));
                if counts && !found[first..].iter().any(|known| compare(known, value).is_eq()) {
                    found.push(value);
                }
                false
            });
        }
    }
    let named = fields.iter().map(|field| (*field).to_owned());
    named.zip(found).map(|(field, values)| Facet { field, counts: counted(values, most) }).collect()
}

fn counted(mut values: Vec<&Value>, most: usize) -> Vec<(Value, usize)> {
    sort(&mut values);
    let runs: Vec<&[&Value]> = values.chunk_by(|a, b| compare(a, b).is_eq()).collect();
    // By count, and then by place among the values, which are sorted. Counts past f32's whole numbers, 2²⁴, are of one
    // value in so many that their order is no matter.
    let mut top = TopK::new(most);
    for (id, run) in (0..).zip(&runs) {
        top.offer(Scored { id, score: run.len() as f32 });
    }
    let run_of = |hit: Scored| runs[hit.id as usize];
    top.into_sorted().into_iter().map(run_of).map(|run| (run[0].clone(), run.len())).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn values_are_counted_by_count_then_value() {
        let metadata = [
            json!({ "tags": ["b", "a", "b"], "year": 2020, "by": [{ "name": "Ann" }, { "name": "Bo" }] }),
            json!({ "tags": "b", "year": 2020.0, "by": { "name": "Bo" }, "done": true }),
            json!({ "tags": ["c", ["d"], null, {}], "year": "2020", "done": false }),
            json!({ "tags": [], "year": null }),
            json!("none"),
        ];
        let found = facets(&metadata, &["tags", "year", "by.name", "done", "missing", "tags"], 9);
        let counts = |at: usize| {
            let of: &Facet = &found[at];
            (of.field.as_str(), of.counts.iter().map(|(v, n)| json!([v, n])).collect::<Value>())
        };
        assert_eq!(counts(0), ("tags", json!([["b", 2], ["a", 1], ["c", 1]])));
        assert_eq!(counts(1), ("year", json!([[2020, 2], ["2020", 1]])));
        assert_eq!(counts(2), ("by.name", json!([["Bo", 2], ["Ann", 1]])));
        assert_eq!(counts(3), ("done", json!([[false, 1], [true, 1]])));
        assert_eq!(counts(4), ("missing", json!([])));
        assert_eq!(counts(5), counts(0));
        assert_eq!(facets([], &["x"], 9), [Facet { field: "x".into(), counts: vec![] }]);
        assert_eq!(facets(&metadata, &["tags"], 2)[0].counts, found[0].counts[..2]);
    }
}
