//! Filters over metadata.

use serde_json::{Map, Value};
use thiserror::Error;

use crate::metadata::{any_at, compare, kind, parts, sort};

/// How deep a filter, a value in it and a path may be nested: more than people write, and far from the end of a stack.
const MAX_DEPTH: usize = 32;

/// What a filter of JSON may say of a field.
const FIELD_OPERATORS: &str = "$eq, $ne, $gt, $gte, $lt, $lte, $in, $nin, $exists or $not";
/// What it may say of filters.
const FILTER_OPERATORS: &str = "a field or $and, $or, $nor or $not";

/// Why a filter cannot be read. `place` is where in it: `$or[1].year`, or `the filter` itself.
#[derive(Clone, Debug, PartialEq, Error)]
#[non_exhaustive]
pub enum FilterError {
    /// There is no such operator at this place.
    #[error("{place}: there is no operator `{operator}`; expected {expected}")]
    Operator {
        /// Where.
        place: String,
        /// What came.
        operator: String,
        /// What may come.
        expected: &'static str,
    },
    /// An operator has an operand of another kind than it takes.
    #[error("{place}: expected {expected}, got `{got}`")]
    Operand {
        /// Where.
        place: String,
        /// What may come.
        expected: &'static str,
        /// What came, as JSON, shortened.
        got: String,
    },
    /// Operators stand beside fields of a value to be equal to.
    #[error(
        "{place}: `{operator}` and `{field}` cannot stand side by side; is it operators or a value that was meant?"
    )]
    Mixed {
        /// Where.
        place: String,
        /// The operator.
        operator: String,
        /// What is none.
        field: String,
    },
    /// It is nested too deeply.
    #[error("{place}: a filter is at most {MAX_DEPTH} levels deep")]
    Depth {
        /// Where.
        place: String,
    },
}

/// A condition on metadata, as MongoDB and vector databases write it.
///
/// ```
/// use heatseek_search::Filter;
/// use serde_json::json;
///
/// let filter = Filter::parse(&json!({ "year": { "$gte": 2020 }, "$or": [{ "tags": "bees" }, { "author.name": "Ann" }] }))?;
/// assert!(filter.matches(&json!({ "year": 2021, "tags": ["honey", "bees"] })));
/// assert!(!filter.matches(&json!({ "year": 2019, "tags": "bees" })));
/// # Ok::<(), heatseek_search::FilterError>(())
/// ```
///
/// - `{ field: condition, … }`: all hold; `{}` always does. `$and: [filters]`, `$or: [filters]`, `$nor: [filters]`,
///   `$not: filter` may stand among the fields.
/// - A field is a dotted path into objects. Through an array it goes on in every element that is an object, or in the
///   one it gives the number of: `authors.name`, `authors.0.name`. A key with a dot in it cannot be named.
/// - A condition is a value to be equal to, or an object of operators that all hold: `$eq`, `$ne`, `$gt`, `$gte`, `$lt`,
///   `$lte` (a number or a string), `$in`, `$nin` (an array of values), `$exists` (a boolean), `$not` (an object of
///   operators).
/// - An operator holds for an array also where it holds for one of its elements: each for itself, so that
///   `{ "$gt": 1, "$lt": 3 }` holds for `[0, 5]`.
/// - Values are equal to those of the same type and worth: `1` to `1.0`, not to `"1"` or `true`. Strings are less or
///   greater by their code points, as ISO dates are. Another type is neither less nor greater.
/// - `null` is equal to `null` and to what is not there. `$ne`, `$nin` and `$not` hold where `$eq`, `$in` and the
///   operators do not, so also where nothing is there.
#[derive(Clone, Debug, PartialEq)]
pub struct Filter(Node);

#[derive(Clone, Debug, PartialEq)]
enum Node {
    All(Vec<Node>),
    Any(Vec<Node>),
    Not(Box<Node>),
    Field { path: Vec<String>, test: Test },
}

#[derive(Clone, Debug, PartialEq)]
enum Test {
    /// One of these values, which are sorted.
    In(Vec<Value>),
    Greater(Value),
    GreaterOrEqual(Value),
    Less(Value),
    LessOrEqual(Value),
    Exists,
}

impl Filter {
    /// Reads a filter.
    ///
    /// # Errors
    /// [`FilterError`], which says where: for operators that do not exist, operands they do not take, and more than 32
    /// levels.
    pub fn parse(filter: &Value) -> Result<Self, FilterError> {
        Ok(Self(parse_filter(filter, &Place::Filter)?))
    }

    /// Whether `metadata` meets the condition. Values in it may be of any depth.
    pub fn matches(&self, metadata: &Value) -> bool {
        self.0.matches(metadata)
    }
}

impl Node {
    fn matches(&self, metadata: &Value) -> bool {
        match self {
            Node::All(nodes) => nodes.iter().all(|node| node.matches(metadata)),
            Node::Any(nodes) => nodes.iter().any(|node| node.matches(metadata)),
            Node::Not(node) => !node.matches(metadata),
            Node::Field { path, test } => {
                any_at(metadata, path, &mut |value| test.holds(value))
                    || (test.holds_for_nothing() && !any_at(metadata, path, &mut |_| true))
            }
        }
    }
}

impl Test {
    fn holds(&self, value: &Value) -> bool {
        let same_kind = |than: &Value| kind(value) == kind(than);
        match self {
            Test::In(values) => values.binary_search_by(|known| compare(known, value)).is_ok(),
            Test::Greater(than) => same_kind(than) && compare(value, than).is_gt(),
            Test::GreaterOrEqual(than) => same_kind(than) && compare(value, than).is_ge(),
            Test::Less(than) => same_kind(than) && compare(value, than).is_lt(),
            Test::LessOrEqual(than) => same_kind(than) && compare(value, than).is_le(),
            Test::Exists => true,
        }
    }

    fn holds_for_nothing(&self) -> bool {
        // Null comes first in the order of all values.
        matches!(self, Test::In(values) if values.first().is_some_and(Value::is_null))
    }
}

/// Where in a filter something is, from the inside out.
enum Place<'a> {
    Filter,
    Key(&'a Place<'a>, &'a str),
    Element(&'a Place<'a>, usize),
}

impl Place<'_> {
    fn depth(&self) -> usize {
        match self {
            Place::Filter => 0,
            Place::Key(outer, _) | Place::Element(outer, _) => outer.depth() + 1,
        }
    }

    fn name(&self) -> String {
        match self {
            Place::Filter => "the filter".to_owned(),
            Place::Key(Place::Filter, key) => (*key).to_owned(),
            Place::Key(outer, key) => outer.name() + "." + key,
            Place::Element(outer, at) => format!("{}[{at}]", outer.name()),
        }
    }

    fn not(&self, expected: &'static str, got: &Value) -> FilterError {
        let got = got.to_string();
        let end = got.char_indices().nth(40).map_or(got.len(), |(at, _)| at);
        let got = if end < got.len() { format!("{}…", &got[..end]) } else { got };
        FilterError::Operand { place: self.name(), expected, got }
    }

    fn check_depth(&self) -> Result<(), FilterError> {
        if self.depth() > MAX_DEPTH { Err(FilterError::Depth { place: self.name() }) } else { Ok(()) }
    }
}

fn parse_filter(filter: &Value, place: &Place<'_>) -> Result<Node, FilterError> {
    place.check_depth()?;
    let fields = filter.as_object().ok_or_else(|| place.not("an object", filter))?;
    let mut nodes = Vec::with_capacity(fields.len());
    for (key, value) in fields {
        let inner = Place::Key(place, key);
        nodes.push(match key.as_str() {
            "$and" => Node::All(parse_filters(value, &inner)?),
            "$or" => Node::Any(parse_filters(value, &inner)?),
            "$nor" => not(Node::Any(parse_filters(value, &inner)?)),
            "$not" => not(parse_filter(value, &inner)?),
            operator if operator.starts_with('$') => {
                let (place, operator) = (place.name(), operator.to_owned());
                return Err(FilterError::Operator { place, operator, expected: FILTER_OPERATORS });
            }
            field => {
                let path = parts(field);
                if path.len() > MAX_DEPTH {
                    return Err(FilterError::Depth { place: inner.name() });
                }
                parse_condition(&path, value, &inner)?
            }
        });
    }
    Ok(Node::All(nodes))
}

fn parse_filters(value: &Value, place: &Place<'_>) -> Result<Vec<Node>, FilterError> {
    let filters = value.as_array().filter(|filters| !filters.is_empty());
    let filters = filters.ok_or_else(|| place.not("an array of one filter or more", value))?;
    filters.iter().enumerate().map(|(at, filter)| parse_filter(filter, &Place::Element(place, at))).collect()
}

/// What is said of a field: operators, or a value it is equal to.
fn parse_condition(path: &[String], condition: &Value, place: &Place<'_>) -> Result<Node, FilterError> {
    let operators = condition.as_object().filter(|fields| fields.keys().any(|key| key.starts_with('$')));
    match operators {
        Some(operators) => parse_operators(path, operators, place),
        None => {
            check_value(condition, place)?;
            Ok(field(path, Test::In(vec![condition.clone()])))
        }
    }
}

fn parse_operators(
    path: &[String],
    operators: &Map<String, Value>,
    place: &Place<'_>,
) -> Result<Node, FilterError> {
    place.check_depth()?;
    let mut nodes = Vec::with_capacity(operators.len());
    for (operator, operand) in operators {
        let inner = Place::Key(place, operator);
        let values = || {
            let values = operand.as_array().ok_or_else(|| inner.not("an array", operand))?;
            let mut sorted = Vec::with_capacity(values.len());
            for (at, value) in values.iter().enumerate() {
                check_value(value, &Place::Element(&inner, at))?;
                sorted.push(value);
            }
            sort(&mut sorted);
            Ok(sorted.into_iter().cloned().collect())
        };
        let value = || {
            check_value(operand, &inner)?;
            Ok(vec![operand.clone()])
        };
        let bound = || match operand {
            Value::Number(_) | Value::String(_) => Ok(operand.clone()),
            _ => Err(inner.not("a number or a string", operand)),
        };
        nodes.push(match operator.as_str() {
            "$eq" => field(path, Test::In(value()?)),
            "$ne" => not(field(path, Test::In(value()?))),
            "$in" => field(path, Test::In(values()?)),
            "$nin" => not(field(path, Test::In(values()?))),
            "$gt" => field(path, Test::Greater(bound()?)),
            "$gte" => field(path, Test::GreaterOrEqual(bound()?)),
            "$lt" => field(path, Test::Less(bound()?)),
            "$lte" => field(path, Test::LessOrEqual(bound()?)),
            "$exists" => match operand {
                Value::Bool(true) => field(path, Test::Exists),
                Value::Bool(false) => not(field(path, Test::Exists)),
                _ => return Err(inner.not("true or false", operand)),
            },
            "$not" => {
                let inverted = operand.as_object().filter(|operators| !operators.is_empty());
                let inverted = inverted.ok_or_else(|| inner.not("an object of operators", operand))?;
                not(parse_operators(path, inverted, &inner)?)
            }
            key => {
                let (place, key) = (place.name(), key.to_owned());
                let known = operators.keys().find(|known| known.starts_with('$'));
                return Err(match known.filter(|_| !key.starts_with('$')) {
                    Some(known) => FilterError::Mixed { place, operator: known.clone(), field: key },
                    None => FilterError::Operator { place, operator: key, expected: FIELD_OPERATORS },
                });
            }
        });
    }
    Ok(Node::All(nodes))
}

/// Fails if a value to be equal to is deeper than may be compared.
fn check_value(value: &Value, place: &Place<'_>) -> Result<(), FilterError> {
    place.check_depth()?;
    match value {
        Value::Array(elements) => {
            elements.iter().enumerate().try_for_each(|(at, e)| check_value(e, &Place::Element(place, at)))
        }
        Value::Object(fields) => {
            fields.iter().try_for_each(|(key, e)| check_value(e, &Place::Key(place, key)))
        }
        _ => Ok(()),
    }
}

fn field(path: &[String], test: Test) -> Node {
    Node::Field { path: path.to_vec(), test }
}

fn not(node: Node) -> Node {
    Node::Not(Box::new(node))
}
