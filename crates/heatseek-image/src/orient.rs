//! Turning a picture the way its EXIF data says.

use image::metadata::Orientation;

/// Turns or mirrors `rgb [height, width, 3]`; gives the new width, height and bytes.
pub(crate) fn turned(rgb: Vec<u8>, width: u32, height: u32, orientation: Orientation) -> (u32, u32, Vec<u8>) {
    use Orientation::*;
    let (w, h) = (width as usize, height as usize);
    // Where the pixel at (x, y) of the turned picture comes from.
    let source: fn(usize, usize, usize, usize) -> (usize, usize) = match orientation {
        NoTransforms => return (width, height, rgb),
        FlipHorizontal => |x, y, w, _| (w - 1 - x, y),
        Rotate180 => |x, y, w, h| (w - 1 - x, h - 1 - y),
        FlipVertical => |x, y, _, h| (x, h - 1 - y),
        Rotate90FlipH => |x, y, _, _| (y, x),
        Rotate90 => |x, y, _, h| (y, h - 1 - x),
        Rotate270FlipH => |x, y, w, h| (w - 1 - y, h - 1 - x),
        Rotate270 => |x, y, w, _| (w - 1 - y, x),
    };
    let lies = matches!(orientation, Rotate90 | Rotate270 | Rotate90FlipH | Rotate270FlipH);
    let (new_width, new_height) = if lies { (height, width) } else { (width, height) };
    let mut out = Vec::with_capacity(rgb.len());
    for y in 0..new_height as usize {
        for x in 0..new_width as usize {
            let (from_x, from_y) = source(x, y, w, h);
            out.extend_from_slice(&rgb[(from_y * w + from_x) * 3..][..3]);
        }
    }
    (new_width, new_height, out)
}
