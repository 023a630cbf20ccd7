//! Mutations of safetensors files that leave the length of the header right.

use libfuzzer_sys::fuzzer_mutate;
use serde_json::Value;

use crate::json::{Draw, change, write};

const WORDS: [&str; 16] = [
    "dtype",
    "shape",
    "data_offsets",
    "__metadata__",
    "F32",
    "F16",
    "BF16",
    "I8",
    "I32",
    "I64",
    "U8",
    "a_scale",
    "a_packed",
    "a_shape",
    "vectors-00000001.safetensors",
    "manifest-a.json",
];

/// Mutates a file's header, its data, or whatever byte of it.
pub fn mutate(data: &mut [u8], size: usize, max_size: usize, seed: u32) -> usize {
    let mut draw = Draw::new(seed);
    let file = data[..size].to_vec();
    let Some((header, rest)) = split(&file) else { return fuzzer_mutate(data, size, max_size) };
    let Ok(mut header) = serde_json::from_slice::<Value>(header) else {
        return fuzzer_mutate(data, size, max_size);
    };
    match draw.below(4) {
        0 => fuzzer_mutate(data, size, max_size),
        1 => {
            let start = size - rest.len();
            start + fuzzer_mutate(&mut data[start..], rest.len(), max_size - start)
        }
        _ => {
            for _ in 0..=draw.below(2) {
                change(&mut header, &mut draw, &WORDS);
            }
            write(data, max_size, &join(&header, rest)).unwrap_or(size)
        }
    }
}

/// The header and the data of a file whose header lies within it.
pub fn split(file: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = file.split_first_chunk::<8>()?;
    rest.split_at_checked(usize::try_from(u64::from_le_bytes(*length)).ok()?)
}

/// The file of this header and data.
pub fn join(header: &Value, data: &[u8]) -> Vec<u8> {
    let header = header.to_string();
    [&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), data].concat()
}
