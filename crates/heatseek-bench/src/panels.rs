//! Attention maps as one picture: a panel for each layer (downwards) and head (across).

use std::borrow::Cow;
use std::path::Path;

use heatseek::{AttentionMaps, MapLayout};
use image::{Rgb, RgbImage};

use crate::failure::Failure;

/// A panel is enlarged by a whole number to about this many pixels a side.
const PANEL: u32 = 112;
/// Between panels.
const GAP: u32 = 4;
/// The longest side of the picture.
const MAX_SIDE: u64 = 16_384;
const PAPER: Rgb<u8> = Rgb([255, 255, 255]);

/// From nothing to the most of a panel: black, violet, red, orange, pale yellow. Lightness grows evenly, so the
/// order survives in grey and for the colour-blind.
const COLOURS: [[f32; 3]; 5] =
    [[0.0, 0.0, 4.0], [81.0, 18.0, 124.0], [183.0, 55.0, 121.0], [252.0, 137.0, 97.0], [252.0, 253.0, 191.0]];

/// Draws `maps` to the PNG at `path`. Each panel has its own scale, from 0 to its largest value.
pub fn write(maps: &AttentionMaps, path: &Path) -> Result<(), Failure> {
    let [layers, heads, ..] = maps.shape;
    let [rows, columns] = extents(maps);
    let scale = (PANEL / rows.max(columns).max(1)).max(1);
    let side = |count: usize, cells: u32| count as u64 * u64::from(cells * scale + GAP) + u64::from(GAP);
    let (width, height) = (side(heads, columns), side(layers, rows));
    if width.max(height) > MAX_SIDE {
        return Err(Failure::invalid(format!(
            "a picture of {width} x {height} pixels is too large; choose fewer of the {layers} layers and \
             {heads} heads with --layers and --heads"
        )));
    }
    let mut picture = RgbImage::from_pixel(width as u32, height as u32, PAPER);
    for (layer, head) in (0..layers).flat_map(|layer| (0..heads).map(move |head| (layer, head))) {
        let values = panel(maps, layer, head);
        let most = values.iter().copied().fold(f32::MIN_POSITIVE, f32::max);
        let [x0, y0] = [(head, columns), (layer, rows)].map(|(i, n)| GAP + i as u32 * (n * scale + GAP));
        for (y, x) in (0..rows * scale).flat_map(|y| (0..columns * scale).map(move |x| (y, x))) {
            let value = values[((y / scale) * columns + x / scale) as usize];
            picture.put_pixel(x0 + x, y0 + y, colour(value / most));
        }
    }
    picture.save_with_format(path, image::ImageFormat::Png).map_err(|error| match error {
        image::ImageError::IoError(error) => Failure::file("write", path, &error),
        other => Failure::invalid(format!("could not write {}: {other}", path.display())),
    })
}

/// Rows and columns of a panel.
fn extents(maps: &AttentionMaps) -> [u32; 2] {
    match &maps.layout {
        MapLayout::Text { .. } => [maps.shape[2] as u32, maps.shape[3] as u32],
        MapLayout::Picture { grid, .. } => [grid.rows as u32, grid.columns as u32],
    }
}

/// Of a text the whole map, of a picture what the one token asked about or else the class token, its first, looked
/// at; where there is neither, what all patches looked at, on the average.
fn panel(maps: &AttentionMaps, layer: usize, head: usize) -> Cow<'_, [f32]> {
    let (map, tokens) = (maps.map(layer, head), maps.shape[3]);
    match &maps.layout {
        MapLayout::Text { .. } => Cow::Borrowed(map),
        MapLayout::Picture { prefix_tokens, .. } if prefix_tokens.is_empty() && maps.shape[2] > 1 => {
            let seen = |key: usize| map.iter().skip(key).step_by(tokens).sum::<f32>() / tokens as f32;
            Cow::Owned((0..tokens).map(seen).collect())
        }
        MapLayout::Picture { prefix_tokens, .. } => Cow::Borrowed(&map[prefix_tokens.len()..tokens]),
    }
}

/// The colour of `share`, from 0 to 1.
fn colour(share: f32) -> Rgb<u8> {
    let place = share.clamp(0.0, 1.0) * (COLOURS.len() - 1) as f32;
    let below = (place as usize).min(COLOURS.len() - 2);
    let (from, to) = (COLOURS[below], COLOURS[below + 1]);
    Rgb(std::array::from_fn(|i| (from[i] + (to[i] - from[i]) * (place - below as f32)).round() as u8))
}

#[cfg(test)]
mod tests {
    use super::*;
    use heatseek::PatchGrid;

    /// The map of one head over a grid of 1 x 2.
    fn maps(data: Vec<f32>, prefix_tokens: Vec<&'static str>) -> AttentionMaps {
        let tokens = prefix_tokens.len() + 2;
        let layout = MapLayout::Picture { prefix_tokens, grid: PatchGrid { rows: 1, columns: 2 } };
        AttentionMaps { data, shape: [1, 1, tokens, tokens], layers: vec![0], heads: vec![0], layout }
    }

    #[test]
    fn without_a_class_token_a_picture_shows_what_patches_looked_at_on_the_average() {
        assert_eq!(panel(&maps(vec![0.5, 0.5, 0.0, 1.0], vec![]), 0, 0)[..], [0.25, 0.75]);
    }

    #[test]
    fn a_picture_shows_what_the_one_token_asked_about_looked_at() {
        let row = AttentionMaps { shape: [1, 1, 1, 3], ..maps(vec![0.5, 0.2, 0.3], vec!["cls"]) };
        assert_eq!(panel(&row, 0, 0)[..], [0.2, 0.3]);
        let row = AttentionMaps { shape: [1, 1, 1, 2], ..maps(vec![0.2, 0.8], vec![]) };
        assert_eq!(panel(&row, 0, 0)[..], [0.2, 0.8]);
    }

    #[test]
    fn a_picture_shows_what_the_class_token_looked_at() {
        // The class token looks at the second patch only.
        let maps = maps(vec![0.0, 0.0, 1.0, 1.0, 0.0, 0.0, 1.0, 0.0, 0.0], vec!["cls"]);
        let path = std::env::temp_dir().join(format!("heatseek-panels-{}.png", std::process::id()));
        write(&maps, &path).unwrap();
        let picture = image::open(&path).unwrap().to_rgb8();
        std::fs::remove_file(&path).unwrap();
        assert_eq!(picture.dimensions(), (2 * 56 + 2 * GAP, 56 + 2 * GAP));
        assert_eq!(picture.get_pixel(0, 0), &PAPER);
        assert_eq!(picture.get_pixel(GAP, GAP), &colour(0.0));
        assert_eq!(picture.get_pixel(GAP + 56, GAP + 55), &colour(1.0));
    }
}
