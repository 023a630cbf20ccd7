//! Mutations of JSON. A flipped byte seldom leaves a document that gets beyond the parser; a changed value does.

use libfuzzer_sys::fuzzer_mutate;
use serde_json::{Map, Value, json};

/// One document in so many is mutated byte by byte, for the parser's sake.
const RAW: u64 = 8;

/// Random numbers (SplitMix64) of libFuzzer's seed.
pub struct Draw(u64);

impl Draw {
    /// Numbers that this seed makes.
    pub fn new(seed: u32) -> Self {
        Self(u64::from(seed) ^ 0x5851_f42d_4c95_7f2d)
    }

    /// From 0 to below `end`, which is at least 1.
    pub fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % end
    }

    /// One of `all`, which is not empty.
    pub fn of<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        &all[self.below(all.len() as u64) as usize]
    }
}

/// Mutates the document in the first `size` bytes of `data`; gives its new size. `words` are keys and strings that
/// mean something to who reads it.
pub fn mutate(data: &mut [u8], size: usize, max_size: usize, seed: u32, words: &[&str]) -> usize {
    let mut draw = Draw::new(seed);
    let document = serde_json::from_slice::<Value>(&data[..size]);
    let (Ok(mut document), false) = (document, draw.below(RAW) == 0) else {
        return fuzzer_mutate(data, size, max_size);
    };
    for _ in 0..=draw.below(3) {
        change(&mut document, &mut draw, words);
    }
    write(data, max_size, document.to_string().as_bytes()).unwrap_or(size)
}

/// Puts `bytes` in place of what `data` held, if there is room for them.
pub fn write(data: &mut [u8], max_size: usize, bytes: &[u8]) -> Option<usize> {
    let fits = bytes.len() <= max_size;
    fits.then(|| {
        data[..bytes.len()].copy_from_slice(bytes);
        bytes.len()
    })
}

/// Changes one value of `document`.
pub fn change(document: &mut Value, draw: &mut Draw, words: &[&str]) {
    let mut places = vec![String::new()];
    collect(document, "", &mut places);
    let other = document.pointer(draw.of(&places)).cloned().unwrap_or_default();
    let Some(value) = document.pointer_mut(draw.of(&places)) else { return };
    match draw.below(6) {
        0 => *value = palette(draw, words),
        1 => *value = other,
        2 => *value = Value::Array(vec![value.take(); draw.below(3) as usize]),
        _ => within(value, other, draw, words),
    }
}

/// Changes `value` to another of its type.
fn within(value: &mut Value, other: Value, draw: &mut Draw, words: &[&str]) {
    match value {
        Value::Object(fields) => {
            let keys: Vec<String> = fields.keys().cloned().collect();
            match (draw.below(3), keys.is_empty()) {
                (0, false) => drop(fields.remove(draw.of(&keys))),
                (1, false) => {
                    // Under another name.
                    if let Some(field) = fields.remove(draw.of(&keys)) {
                        fields.insert(word(draw, words), field);
                    }
                }
                _ => drop(fields.insert(
                    word(draw, words),
                    if draw.below(2) == 0 { other } else { palette(draw, words) },
                )),
            }
        }
        Value::Array(values) => {
            let at = draw.below(values.len() as u64 + 1) as usize;
            match draw.below(3) {
                0 if at < values.len() => drop(values.remove(at)),
                1 if at < values.len() => values.insert(at, values[at].clone()),
                _ => values.insert(at, other),
            }
        }
        Value::String(text) => match draw.below(4) {
            0 => *text = word(draw, words),
            1 => text.push(*draw.of(&['a', '\0', 'é', '日', '\u{301}', '🐝', ' ', '/', '\u{fb01}'])),
            2 => drop(text.pop()),
            _ => *text = text.chars().skip(1).collect(),
        },
        Value::Number(number) => {
            let wide = number.as_f64().unwrap_or_default();
            let whole = number.as_i64().unwrap_or_default();
            *value = match draw.below(4) {
                0 => json!(whole.wrapping_add(1)),
                1 => json!(whole.wrapping_sub(1)),
                2 => json!(wide * 2.0),
                _ => palette(draw, words),
            };
        }
        _ => *value = palette(draw, words),
    }
}

/// The JSON pointers of all values below `value`.
fn collect(value: &Value, at: &str, places: &mut Vec<String>) {
    let mut add = |key: String, value: &Value| {
        let place = format!("{at}/{}", key.replace('~', "~0").replace('/', "~1"));
        places.push(place.clone());
        collect(value, &place, places);
    };
    match value {
        Value::Object(fields) => fields.iter().for_each(|(key, value)| add(key.clone(), value)),
        Value::Array(values) => values.iter().enumerate().for_each(|(at, value)| add(at.to_string(), value)),
        _ => {}
    }
}

fn word(draw: &mut Draw, words: &[&str]) -> String {
    match draw.below(8) {
        0 => String::new(),
        1 => "a".repeat(300),
        2 => "../x".into(),
        3 => "é日".into(),
        _ => draw.of(words).to_string(),
    }
}

/// Values at which something may go wrong.
fn palette(draw: &mut Draw, words: &[&str]) -> Value {
    match draw.below(16) {
        0 => Value::Null,
        1 => json!(true),
        2 => json!(false),
        3 => json!(0),
        4 => json!(-1),
        5 => json!(draw.of(&[1u64, 7, 255, 65_535, 100_000])),
        6 => json!(draw.of(&[
            i32::MAX as u64,
            u64::from(u32::MAX),
            1 << 32,
            1 << 53,
            i64::MAX as u64,
            u64::MAX
        ])),
        7 => json!(draw.of(&[0.5, -0.0, 1e-300, 1e300, -1e30, 0.1])),
        8 => json!([]),
        9 => Value::Object(Map::new()),
        10 => (0..100).fold(Value::Null, |inner, _| json!([inner])),
        _ => json!(word(draw, words)),
    }
}
