//! What bytes are, by how they begin. A file's name does not matter.

use std::fmt;

use crate::ImageError;

/// A kind of picture file that can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Format {
    /// Portable Network Graphics.
    Png,
    /// JPEG, baseline or progressive.
    Jpeg,
    /// WebP, lossy or lossless.
    WebP,
    /// Graphics Interchange Format.
    Gif,
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Png => "PNG",
            Self::Jpeg => "JPEG",
            Self::WebP => "WebP",
            Self::Gif => "GIF",
        })
    }
}

/// Beginnings of files that people mistake for pictures we read, and their names.
const OTHERS: &[(&[u8], &str)] = &[
    (b"BM", "a BMP picture"),
    (b"II*\0", "a TIFF picture"),
    (b"MM\0*", "a TIFF picture"),
    (b"\0\0\x01\0", "an ICO picture"),
    (b"\xff\x0a", "a JPEG XL picture"),
    (b"\0\0\0\x0cJXL ", "a JPEG XL picture"),
    (b"\0\0\0\x0cjP  ", "a JPEG 2000 picture"),
    (b"8BPS", "a Photoshop file"),
    (b"%PDF", "a PDF"),
    (b"PK\x03\x04", "a ZIP archive"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"version https://git-lfs", "a Git LFS pointer (the file itself was not fetched)"),
];

/// Beginnings of text files, in lower case, behind white space.
const TEXTS: &[(&str, &str)] = &[
    ("<!doctype html", "HTML (a page, perhaps of an error)"),
    ("<html", "HTML (a page, perhaps of an error)"),
    ("<svg", "SVG"),
    ("<?xml", "XML or SVG"),
    ("{", "JSON"),
    ("[", "JSON"),
    ("data:image/", "a data URL (decode its base64 first)"),
];

/// The format of `bytes`.
///
/// # Errors
/// [`ImageError::NotAPicture`], naming what they look like.
pub(crate) fn format_of(bytes: &[u8]) -> Result<Format, ImageError> {
    match bytes {
        [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1a, b'\n', ..] => Ok(Format::Png),
        [0xff, 0xd8, 0xff, ..] => Ok(Format::Jpeg),
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => Ok(Format::WebP),
        [b'G', b'I', b'F', b'8', b'7' | b'9', b'a', ..] => Ok(Format::Gif),
        _ => Err(ImageError::NotAPicture { found: other(bytes), size_bytes: bytes.len() }),
    }
}

fn other(bytes: &[u8]) -> String {
    if bytes.is_empty() {
        return "an empty file".to_owned();
    }
    if let [_, _, _, _, b'f', b't', b'y', b'p', brand @ ..] = bytes {
        return match brand.get(..4) {
            Some(b"avif" | b"avis") => "an AVIF picture",
            Some(b"heic" | b"heix" | b"mif1" | b"hevc") => "a HEIC picture",
            _ => "a video or another ISO media file",
        }
        .to_owned();
    }
    if let Some((_, name)) = OTHERS.iter().find(|(start, _)| bytes.starts_with(start)) {
        return (*name).to_owned();
    }
    let start = &bytes[..bytes.len().min(64)];
    match text(start) {
        Some(text) => {
            let begins = text.trim_start_matches('\u{feff}').trim_start().to_ascii_lowercase();
            let known = TEXTS.iter().find(|(start, _)| begins.starts_with(start));
            known.map_or("text", |(_, name)| name).to_owned()
        }
        None => format!("an unknown file that begins {:02x?}", &start[..start.len().min(8)]),
    }
}

/// `bytes` as text without control characters, where they are that; they may end within a character.
fn text(bytes: &[u8]) -> Option<&str> {
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) if error.error_len().is_none() => {
            std::str::from_utf8(&bytes[..error.valid_up_to()]).ok()?
        }
        Err(_) => return None,
    };
    let is_plain = |c: char| !c.is_control() || c.is_ascii_whitespace();
    (!text.is_empty() && text.chars().all(is_plain)).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_picture_is_named() {
        let cases: &[(&[u8], &str)] = &[
            (b"", "an empty file"),
            (b"\n <!DOCTYPE html><title>404", "HTML"),
            (b"<svg xmlns=", "SVG"),
            (b"{\"error\": 1}", "JSON"),
            (b"%PDF-1.7", "PDF"),
            (b"\0\0\0\x1cftypavif\0\0", "AVIF"),
            (b"\0\0\0\x1cftypheic\0\0", "HEIC"),
            (b"BM\x36\0", "BMP"),
            (b"version https://git-lfs.github.com/spec/v1", "Git LFS"),
            ("grüße".as_bytes(), "text"),
            (b"\x01\x02\x03", "[01, 02, 03]"),
        ];
        for (bytes, expected) in cases {
            let error = format_of(bytes).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
            assert!(error.ends_with("PNG, JPEG, WebP and GIF can be read"), "{error}");
        }
    }
}
