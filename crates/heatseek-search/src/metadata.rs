//! Reaching into metadata, and comparing what is there.

use std::cmp::Ordering;

use serde_json::{Number, Value};

/// Whether `visit` accepts a value at `path` within `value`: what is there, or, if that is an array, one of its
/// elements. On its way through an array, a path goes on in the element it gives the number of, and in every element that
/// is an object.
pub(crate) fn any_at<'a>(
    value: &'a Value,
    path: &[String],
    visit: &mut dyn FnMut(&'a Value) -> bool,
) -> bool {
    let Some((key, rest)) = path.split_first() else {
        return visit(value) || value.as_array().is_some_and(|elements| elements.iter().any(visit));
    };
    match value {
        Value::Object(fields) => fields.get(key).is_some_and(|field| any_at(field, rest, visit)),
        Value::Array(elements) => {
            let numbered = key.parse().ok().and_then(|at: usize| elements.get(at));
            numbered.is_some_and(|element| any_at(element, rest, visit))
                || elements.iter().any(|element| element.is_object() && any_at(element, path, visit))
        }
        _ => false,
    }
}

/// The parts of a dotted path.
pub(crate) fn parts(path: &str) -> Vec<String> {
    path.split('.').map(str::to_owned).collect()
}

/// A total order of all values: null, booleans, numbers, strings, arrays, objects; numbers by what they are worth,
/// exactly, strings by their characters' code points, arrays and objects by their elements.
pub(crate) fn compare(a: &Value, b: &Value) -> Ordering {
    match (a, b) {
        (Value::Bool(a), Value::Bool(b)) => a.cmp(b),
        (Value::Number(a), Value::Number(b)) => compare_numbers(a, b),
        (Value::String(a), Value::String(b)) => a.cmp(b),
        (Value::Array(a), Value::Array(b)) => {
            let differing = a.iter().zip(b).map(|(a, b)| compare(a, b)).find(|order| order.is_ne());
            differing.unwrap_or(a.len().cmp(&b.len()))
        }
        (Value::Object(a), Value::Object(b)) => {
            // serde_json keeps keys sorted, unless its feature `preserve_order` is on, which fails a test below.
            let of_fields = |((a_key, a), (b_key, b)): ((&String, &Value), (&String, &Value))| {
                a_key.cmp(b_key).then_with(|| compare(a, b))
            };
            let differing = a.iter().zip(b).map(of_fields).find(|order| order.is_ne());
            differing.unwrap_or(a.len().cmp(&b.len()))
        }
        _ => kind(a).cmp(&kind(b)),
    }
}

/// Sorts values by [`compare`]: one place for all who do, as sorting is much code.
pub(crate) fn sort(values: &mut [&Value]) {
    values.sort_unstable_by(|a, b| compare(a, b));
}

/// The place of a value's type in the order of all values.
pub(crate) fn kind(value: &Value) -> u8 {
    match value {
        Value::Null => 0,
        Value::Bool(_) => 1,
        Value::Number(_) => 2,
        Value::String(_) => 3,
        Value::Array(_) => 4,
        Value::Object(_) => 5,
    }
}

fn compare_numbers(a: &Number, b: &Number) -> Ordering {
    match (whole(a), whole(b)) {
        (Some(a), Some(b)) => a.cmp(&b),
        (Some(a), None) => compare_with_float(a, float(b)),
        (None, Some(b)) => compare_with_float(b, float(a)).reverse(),
        (None, None) => float(a).partial_cmp(&float(b)).unwrap_or(Ordering::Equal),
    }
}

fn whole(number: &Number) -> Option<i128> {
    number.as_i64().map(i128::from).or(number.as_u64().map(i128::from))
}

// JSON has no NaN.
fn float(number: &Number) -> f64 {
    number.as_f64().unwrap_or(0.0)
}

fn compare_with_float(whole: i128, float: f64) -> Ordering {
    // A float past i128 becomes the nearest one, which is past every integer of JSON's, too.
    let floor = float.floor();
    whole.cmp(&(floor as i128)).then(if float > floor { Ordering::Less } else { Ordering::Equal })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_order_is_total() {
        // Ascending, equal ones in one list.
        let ordered = [
            vec![json!(null)],
            vec![json!(false)],
            vec![json!(true)],
            vec![json!(-1e300)],
            vec![json!(i64::MIN)],
            vec![json!(-1.5)],
            vec![json!(-1), json!(-1.0)],
            vec![json!(0), json!(0.0), json!(-0.0)],
            vec![json!(0.5)],
            vec![json!(1), json!(1.0)],
            vec![json!((1u64 << 53) - 1)],
            vec![json!(1u64 << 53), json!((1u64 << 53) as f64)],
            vec![json!((1u64 << 53) + 1)],
            vec![json!(u64::MAX)],
            vec![json!(u64::MAX as f64)],
            vec![json!("")],
            vec![json!("2")],
            vec![json!("a")],
            vec![json!("ä")],
            vec![json!("\u{ffff}")],
            vec![json!("🐝")],
            vec![json!([])],
            vec![json!([1]), json!([1.0])],
            vec![json!([1, 2])],
            vec![json!([2])],
            vec![json!({})],
            vec![json!({ "a": 1, "b": 2 }), json!({ "b": 2, "a": 1.0 })],
            vec![json!({ "a": 2 })],
            vec![json!({ "b": 0 })],
        ];
        for (i, those) in ordered.iter().enumerate() {
            for (j, these) in ordered.iter().enumerate() {
                for (a, b) in those.iter().flat_map(|a| these.iter().map(move |b| (a, b))) {
                    assert_eq!(compare(a, b), i.cmp(&j), "{a} {b}");
                }
            }
        }
    }

    #[test]
    fn paths_go_through_objects_and_arrays() {
        let value = json!({ "a": { "b": [{ "c": 1 }, { "c": [2, 3] }, [{ "c": 4 }], 5] }, "d.e": 6 });
        let found = |path: &str| {
            let mut found = Vec::new();
            any_at(&value, &parts(path), &mut |v| {
                found.push(v.clone());
                false
            });
            Value::from(found)
        };
        assert_eq!(found("a.b.c"), json!([1, [2, 3], 2, 3]));
        assert_eq!(found("a.b.1.c"), json!([[2, 3], 2, 3]));
        assert_eq!(found("a.b.3"), json!([5]));
        assert_eq!(found("a.b.2.c"), json!([4]));
        for missing in ["", "x", "a.x", "a.b.9", "a.b.3.c", "d.e", "a..b", "a.b.-1"] {
            assert_eq!(found(missing), json!([]), "{missing}");
        }
    }
}
