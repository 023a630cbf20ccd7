//! Whether a JPEG is whole. The decoder fills what is missing with grey and says nothing.

/// Whether the picture's data ends with its end marker (`EOI`, ITU-T T.81 annex B) before the file does.
/// What lies behind it (a second picture, a video) does not matter.
pub(crate) fn is_whole(bytes: &[u8]) -> bool {
    // Behind the start marker; `at` is always where a marker should be.
    let mut at = 2;
    loop {
        match (bytes.get(at), bytes.get(at + 1)) {
            (Some(0xff), Some(0xd9)) => return true,
            // Fill bytes, and markers without a length: TEM and the restart markers.
            (Some(0xff), Some(0xff)) => at += 1,
            (Some(0xff), Some(0x01 | 0xd0..=0xd7)) => at += 2,
            (Some(0xff), Some(marker)) => {
                let (Some(high), Some(low)) = (bytes.get(at + 2), bytes.get(at + 3)) else { return false };
                at += 2 + usize::from(u16::from_be_bytes([*high, *low]));
                if *marker == 0xda {
                    at = end_of_scan(bytes, at);
                }
            }
            // Stray bytes between segments: decoders skip them.
            (Some(_), Some(_)) => at += 1,
            _ => return false,
        }
    }
}

/// The place of the first marker behind a scan's data: neither an escaped 0xff nor a restart.
fn end_of_scan(bytes: &[u8], start: usize) -> usize {
    let data = bytes.get(start..).unwrap_or_default();
    let is_end = |pair: &[u8]| pair[0] == 0xff && !matches!(pair[1], 0x00 | 0xd0..=0xd7 | 0xff);
    data.windows(2).position(is_end).map_or(bytes.len(), |place| start + place)
}

#[cfg(test)]
mod tests {
    use super::is_whole;

    const SCAN: &[u8] = &[0xff, 0xd8, 0xff, 0xda, 0, 3, 9, 1, 2, 0xff, 0, 0xff, 0xd0, 3];

    #[test]
    fn the_end_marker_of_the_picture_counts() {
        assert!(is_whole(&[SCAN, &[0xff, 0xd9]].concat()));
        assert!(is_whole(&[SCAN, &[0xff, 0xd9, 0xff, 0xda, 0, 9]].concat()), "something behind it");
        assert!(!is_whole(SCAN));
        assert!(!is_whole(&[0xff, 0xd8, 0xff, 0xe1, 0, 4, 0xff, 0xd9]), "the end marker of a thumbnail");
        assert!(!is_whole(&[0xff, 0xd8]) && !is_whole(&[]));
    }
}
