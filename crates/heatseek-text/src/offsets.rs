/// Byte offsets of `text` as UTF-16 code units, which is how JavaScript counts. One pass; `bytes` may come
/// in any order, and offsets inside a character or behind the end count as the next boundary.
pub fn utf16_offsets(text: &str, bytes: &[usize]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..bytes.len()).collect();
    order.sort_by_key(|&i| bytes[i]);
    let mut result = vec![0; bytes.len()];
    let (mut units, mut chars) = (0, text.char_indices().peekable());
    for i in order {
        while let Some((_, c)) = chars.next_if(|(at, _)| *at < bytes[i]) {
            units += c.len_utf16();
        }
        result[i] = units;
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_as_javascript_does() {
        let text = "aé日🐝z";
        // Byte starts of each character and the end, and the UTF-16 index of each.
        assert_eq!(utf16_offsets(text, &[0, 1, 3, 6, 10, 11]), [0, 1, 2, 3, 5, 6]);
        assert_eq!(utf16_offsets(text, &[11, 0, 6]), [6, 0, 3]);
        assert_eq!(utf16_offsets("", &[0, 9]), [0, 0]);
    }
}
