//! Filters against an evaluator written another way, on random filters and documents; and what is said of wrong ones.

use heatseek_search::Filter;
use heatseek_testkit::random;
use serde_json::{Map, Value, json};

/// Random choices, one after another.
struct Chance {
    seed: u64,
    left: Vec<u64>,
}

impl Chance {
    fn below(&mut self, n: u64) -> u64 {
        if self.left.is_empty() {
            self.left = random(self.seed, 64);
            self.seed += 1;
        }
        self.left.pop().unwrap() % n
    }

    fn pick<T: Clone>(&mut self, from: &[T]) -> T {
        from[self.below(from.len() as u64) as usize].clone()
    }

    /// Mostly short.
    fn list<T>(&mut self, least: u64, mut one: impl FnMut(&mut Self) -> T) -> Vec<T> {
        let more = self.pick(&[0, 0, 0, 1, 1, 2]);
        (0..least + more).map(|_| one(self)).collect()
    }

    fn scalar(&mut self) -> Value {
        self.pick(&[
            json!(null),
            json!(true),
            json!(false),
            json!(0),
            json!(1),
            json!(1.0),
            json!(1.5),
            json!(-2),
            json!(2),
            json!(""),
            json!("1"),
            json!("a"),
            json!("b"),
            json!("é"),
        ])
    }

    /// Few keys and values, so that filters hold about as often as not.
    fn value(&mut self, depth: u32) -> Value {
        match self.below(if depth == 0 { 6 } else { 10 }) {
            0..6 => self.scalar(),
            6 | 7 => Value::from(self.list(0, |chance| chance.value(depth - 1))),
            _ => Value::from(self.object(depth - 1)),
        }
    }

    fn object(&mut self, depth: u32) -> Map<String, Value> {
        let fields =
            self.list(1, |chance| (chance.pick(&["a", "b", "c", "0"]).to_owned(), chance.value(depth)));
        fields.into_iter().collect()
    }

    fn operators(&mut self, depth: u32) -> Value {
        let fields = self.list(1, |chance| {
            let ordered = |chance: &mut Chance| loop {
                let value = chance.scalar();
                if value.is_number() || value.is_string() {
                    return value;
                }
            };
            let operator =
                chance.pick(&["$eq", "$ne", "$gt", "$gte", "$lt", "$lte", "$in", "$nin", "$exists", "$not"]);
            let operand = match operator {
                "$eq" | "$ne" => chance.value(1),
                "$in" | "$nin" => Value::from(chance.list(0, |chance| chance.value(1))),
                "$exists" => json!(chance.below(2) == 0),
                "$not" if depth > 0 => chance.operators(depth - 1),
                "$not" => json!({ "$eq": chance.scalar() }),
                _ => ordered(chance),
            };
            (operator.to_owned(), operand)
        });
        Value::from(fields.into_iter().collect::<Map<_, _>>())
    }

    fn filter(&mut self, depth: u32) -> Value {
        let fields = self.list(1, |chance| match chance.below(if depth == 0 { 6 } else { 10 }) {
            0..6 => {
                let path = chance.list(1, |chance| chance.pick(&["a", "b", "c", "0", "1"]));
                let condition = if chance.below(3) == 0 { chance.value(1) } else { chance.operators(1) };
                (path.join("."), condition)
            }
            6 => ("$not".to_owned(), chance.filter(depth - 1)),
            _ => {
                let operator = chance.pick(&["$and", "$or", "$nor"]);
                (operator.to_owned(), Value::from(chance.list(1, |chance| chance.filter(depth - 1))))
            }
        });
        Value::from(fields.into_iter().collect::<Map<_, _>>())
    }
}

/// By the description of `Filter`, on the JSON itself and all values at once.
fn plain_holds(filter: &Value, document: &Value) -> bool {
    filter.as_object().unwrap().iter().all(|(key, value)| {
        let each = || value.as_array().unwrap().iter().map(|filter| plain_holds(filter, document));
        match key.as_str() {
            "$and" => each().filter(|holds| !holds).count() == 0,
            "$or" => each().filter(|holds| *holds).count() > 0,
            "$nor" => each().filter(|holds| *holds).count() == 0,
            "$not" => !plain_holds(value, document),
            path => {
                let (there, with_elements) = plain_reach(document, path);
                match value.as_object().filter(|o| o.keys().any(|key| key.starts_with('$'))) {
                    Some(_) => plain_condition(value, there, &with_elements),
                    None => plain_condition(&json!({ "$eq": value }), there, &with_elements),
                }
            }
        }
    })
}

/// Whether anything is at the path, and all that counts as being there.
fn plain_reach(document: &Value, path: &str) -> (bool, Vec<Value>) {
    let mut level = vec![document.clone()];
    for key in path.split('.') {
        let mut next = Vec::new();
        for value in &level {
            let at = key.parse::<usize>().ok();
            next.extend(value.as_object().and_then(|object| object.get(key)).cloned());
            if let Some(array) = value.as_array() {
                next.extend(at.and_then(|at| array.get(at)).cloned());
                next.extend(
                    array.iter().filter_map(|e| e.as_object()).filter_map(|object| object.get(key)).cloned(),
                );
            }
        }
        level = next;
    }
    let elements: Vec<Value> = level.iter().filter_map(Value::as_array).flatten().cloned().collect();
    (!level.is_empty(), [level, elements].concat())
}

fn plain_condition(operators: &Value, there: bool, values: &[Value]) -> bool {
    operators.as_object().unwrap().iter().all(|(operator, operand)| {
        let equal = |to: &Value| values.iter().any(|v| plain_equal(v, to)) || (to.is_null() && !there);
        let order = |holds: fn(std::cmp::Ordering) -> bool| {
            values.iter().any(|value| match (value, operand) {
                (Value::Number(a), Value::Number(b)) => holds(a.as_f64().partial_cmp(&b.as_f64()).unwrap()),
                (Value::String(a), Value::String(b)) => holds(a.chars().cmp(b.chars())),
                _ => false,
            })
        };
        match operator.as_str() {
            "$eq" => equal(operand),
            "$ne" => !equal(operand),
            "$in" => operand.as_array().unwrap().iter().any(equal),
            "$nin" => !operand.as_array().unwrap().iter().any(equal),
            "$gt" => order(|o| o.is_gt()),
            "$gte" => order(|o| o.is_ge()),
            "$lt" => order(|o| o.is_lt()),
            "$lte" => order(|o| o.is_le()),
            "$exists" => there == (operand == true),
            "$not" => !plain_condition(operand, there, values),
            _ => unreachable!("{operator}"),
        }
    })
}

fn plain_equal(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => a.as_f64() == b.as_f64(),
        (Value::Array(a), Value::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| plain_equal(a, b))
        }
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(key, a)| b.get(key).is_some_and(|b| plain_equal(a, b)))
        }
        _ => a == b,
    }
}

#[test]
fn random_filters_hold_where_a_plain_evaluator_says() {
    let mut held = 0;
    let (filters, documents) = (2000, 12);
    for seed in 0..filters {
        let mut chance = Chance { seed: seed << 32, left: Vec::new() };
        let filter = chance.filter(2);
        let parsed = Filter::parse(&filter).unwrap();
        for _ in 0..documents {
            let document = Value::from(chance.object(3));
            let expected = plain_holds(&filter, &document);
            assert_eq!(parsed.matches(&document), expected, "seed {seed}: {filter} on {document}");
            held += u64::from(expected);
        }
    }
    let all = filters * documents;
    assert!((all / 8..all * 7 / 8).contains(&held), "{held} of {all} hold");
}

#[test]
fn values_are_compared_by_their_worth() {
    let holds = |filter: Value, document: Value| Filter::parse(&filter).unwrap().matches(&document);
    let big = 9_007_199_254_740_993u64;
    assert!(!holds(json!({ "n": big }), json!({ "n": big - 1 })), "as floats they were equal");
    assert!(holds(json!({ "n": { "$lt": big } }), json!({ "n": big as f64 })));
    assert!(holds(
        json!({ "day": { "$gte": "2024-05-01", "$lt": "2024-06-01" } }),
        json!({ "day": "2024-05-31" })
    ));
    assert!(!holds(json!({ "n": { "$gt": 5 } }), json!({ "n": "6" })));
    assert!(holds(json!({ "n": { "$gt": 1, "$lt": 3 } }), json!({ "n": [0, 5] })));
    let many: Vec<u64> = (0..5000).map(|n| n * 3).collect();
    assert!(holds(json!({ "n": { "$in": many } }), json!({ "n": 2997.0 })));
    assert!(!holds(json!({ "n": { "$in": many } }), json!({ "n": 2998 })));
}

#[test]
fn what_is_wrong_is_said_with_its_place() {
    let deep = |levels: usize| (0..levels).fold(json!({ "a": 1 }), |filter, _| json!({ "$not": filter }));
    let nested = |levels: usize| (0..levels).fold(json!(1), |value, _| json!([value]));
    for (filter, said) in [
        (json!([]), "the filter: expected an object, got `[]`"),
        (
            json!({ "year": { "$gte": 2020, "$above": 1 } }),
            "year: there is no operator `$above`; expected $eq, $ne, $gt, $gte, $lt, $lte, $in, $nin, $exists or $not",
        ),
        (
            json!({ "$or": [{ "a": 1 }, { "$xor": [] }] }),
            "$or[1]: there is no operator `$xor`; expected a field or $and, $or, $nor or $not",
        ),
        (
            json!({ "$where": "x" }),
            "the filter: there is no operator `$where`; expected a field or $and, $or, $nor or $not",
        ),
        (json!({ "$and": [] }), "$and: expected an array of one filter or more, got `[]`"),
        (json!({ "$and": [{ "$or": [3] }] }), "$and[0].$or[0]: expected an object, got `3`"),
        (json!({ "a.b": { "$in": 5 } }), "a.b.$in: expected an array, got `5`"),
        (json!({ "a": { "$gt": null } }), "a.$gt: expected a number or a string, got `null`"),
        (json!({ "a": { "$exists": 1 } }), "a.$exists: expected true or false, got `1`"),
        (json!({ "a": { "$not": {} } }), "a.$not: expected an object of operators, got `{}`"),
        (
            json!({ "a": { "$not": "a long string of very many words, one after another" } }),
            "a.$not: expected an object of operators, got `\"a long string of very many words, one a…`",
        ),
        (
            json!({ "a": { "$gt": 1, "x": 2 } }),
            "a: `$gt` and `x` cannot stand side by side; is it operators or a value that was meant?",
        ),
    ] {
        assert_eq!(Filter::parse(&filter).unwrap_err().to_string(), said, "{filter}");
    }
    let path = |parts: usize| json!({ vec!["a"; parts].join("."): 1 });
    for (fits, does_not) in [
        (deep(31), deep(32)),
        (path(32), path(33)),
        (json!({ "a": nested(31) }), json!({ "a": nested(32) })),
        (json!({ "a": { "$in": [nested(29)] } }), json!({ "a": { "$in": [nested(30)] } })),
    ] {
        assert!(Filter::parse(&fits).is_ok(), "{fits}");
        let error = Filter::parse(&does_not).unwrap_err().to_string();
        assert!(error.ends_with("a filter is at most 32 levels deep"), "{error}");
    }
}
