//! What a WebP file claims, before the decoder believes it.

/// Of a chunk: four letters and the length of what follows (RIFF, little-endian).
const HEADER_BYTES: usize = 8;

/// Whether the first EXIF chunk lies within the file, or there is none. The decoder takes as much memory for it as it claims,
/// up to 4 GiB, and gives us no way to set a limit.
pub(crate) fn exif_is_whole(bytes: &[u8]) -> bool {
    // Behind `RIFF`, the length of the file, and `WEBP`.
    let mut rest = bytes.get(12..).unwrap_or_default();
    while let Some((header, data)) = rest.split_at_checked(HEADER_BYTES) {
        let length = u32::from_le_bytes([header[4], header[5], header[6], header[7]]) as usize;
        if header.starts_with(b"EXIF") {
            return length <= data.len();
        }
        // Chunks begin at even places.
        rest = data.get(length.saturating_add(length % 2)..).unwrap_or_default();
    }
    true
}

#[cfg(test)]
mod tests {
    use super::exif_is_whole;

    fn file(chunks: &[(&[u8; 4], u32, &[u8])]) -> Vec<u8> {
        let chunk = |(name, length, data): &(&[u8; 4], u32, &[u8])| {
            [name.as_slice(), &length.to_le_bytes(), data].concat()
        };
        let chunks: Vec<u8> = chunks.iter().flat_map(chunk).collect();
        [b"RIFF".as_slice(), &(chunks.len() as u32 + 4).to_le_bytes(), b"WEBP", &chunks].concat()
    }

    #[test]
    fn what_exif_data_claims_is_there() {
        let picture = (b"VP8L", 3, &b"abc "[..]);
        assert!(exif_is_whole(&file(&[picture])));
        assert!(exif_is_whole(&file(&[picture, (b"EXIF", 2, b"II")])));
        assert!(!exif_is_whole(&file(&[picture, (b"EXIF", 3, b"II")])));
        assert!(!exif_is_whole(&file(&[(b"EXIF", u32::MAX, b"II"), picture])));
        assert!(exif_is_whole(&file(&[(b"EXIF", 2, b"II"), (b"EXIF", u32::MAX, b"II")])), "the first counts");
        assert!(exif_is_whole(&file(&[(b"VP8 ", u32::MAX, b"")])), "the decoder says that itself");
        assert!(exif_is_whole(b"RIFF") && exif_is_whole(&file(&[])[..12]));
    }
}
