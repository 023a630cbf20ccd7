//! How far a converted model's vectors are from those it had.

use heatseek::{
    DeviceChoice, EmbedOptions, Error, ImageModel, ImageOptions, LoadOptions, Model, ModelFiles, NoControl,
    Picture, block_on,
};

use crate::failure::Failure;

/// What vectors of before and after are compared on: questions, prose, lists, code, other scripts.
const TEXTS: [&str; 8] = [
    "how do bees find their way home",
    "Bread rises because yeast makes gas, and the dough holds it.",
    "The committee met on Tuesday and put the vote off until the budget was known.",
    "error: cannot borrow `files` as mutable because it is also borrowed as immutable",
    "Paris, Lima, Nairobi, Osaka, Oslo",
    "She had never seen the sea, and now that it lay before her she did not know where to look first.",
    "Die Bienen tanzen, um einander den Weg zu den Blüten zu zeigen.",
    "Is it safe to take ibuprofen with coffee?",
];
/// How many pictures are drawn to be compared.
const PICTURES: u32 = 4;
/// Their sides, in pixels.
const SIDE: u32 = 224;

/// The vectors of a model as it was.
pub struct Original(Vec<Vec<f32>>);

/// The cosine of each built-in text's and picture's vector to the one that the original gave it.
pub struct Cosines(pub Vec<f64>);

impl Original {
    /// Of the model in `files`.
    pub fn of(files: &ModelFiles) -> Result<Self, Failure> {
        vectors(files).map(Self)
    }

    /// Of another form of the same model.
    pub fn compare(&self, files: &ModelFiles) -> Result<Cosines, Failure> {
        let after = vectors(files)?;
        Ok(Cosines(self.0.iter().zip(&after).map(|(a, b)| cosine(a, b)).collect()))
    }
}

impl Cosines {
    /// NaN if any is: a vector that is not finite is as far as can be.
    pub fn least(&self) -> f64 {
        match self.0.iter().any(|cosine| cosine.is_nan()) {
            true => f64::NAN,
            false => self.0.iter().copied().fold(f64::INFINITY, f64::min),
        }
    }

    pub fn mean(&self) -> f64 {
        self.0.iter().sum::<f64>() / self.0.len().max(1) as f64
    }
}

/// Of texts, of pictures, or of both, as the model reads them.
fn vectors(files: &ModelFiles) -> Result<Vec<Vec<f32>>, Failure> {
    let options = LoadOptions { device: DeviceChoice::Cpu, ..LoadOptions::default() };
    let mut all = Vec::new();
    let mut add = |data: &[f32], shape: &[usize]| {
        let width = shape.last().copied().unwrap_or(1).max(1);
        all.extend(data.chunks_exact(width).map(<[f32]>::to_vec));
    };
    if files.has_text() {
        let model = block_on(Model::load(files.clone(), options.clone(), &NoControl))?;
        let vectors = block_on(model.embed(&TEXTS, &EmbedOptions::default(), &NoControl))?;
        add(&vectors.data, &vectors.shape);
    }
    // Without a processor, the half of pictures cannot be used, and a folder of both does without.
    if files.is_vision() || (files.has_vision() && files.preprocessor().is_ok()) {
        let model = block_on(ImageModel::load(files.clone(), options, &NoControl))?;
        let vectors = block_on(model.embed(&pictures()?, &ImageOptions::default(), &NoControl))?;
        add(&vectors.data, &vectors.shape);
    }
    Ok(all)
}

/// Waves of several colours and lengths: smooth, but no two patches alike.
fn pictures() -> Result<Vec<Picture>, Failure> {
    let picture = |seed: u32| {
        let wave = |at: u32, length: u32| (f64::from(at) / f64::from(length + 3 * seed)).sin() * 60.0;
        let pixel = |i: u32| {
            let (x, y) = (i % SIDE, i / SIDE);
            [(7, 31), (19, 11), (43, 5)].map(|(across, down)| (128.0 + wave(x, across) + wave(y, down)) as u8)
        };
        Ok(Picture::from_rgb(SIDE, SIDE, (0..SIDE * SIDE).flat_map(pixel).collect()).map_err(Error::from)?)
    };
    (0..PICTURES).map(picture).collect()
}

fn cosine(a: &[f32], b: &[f32]) -> f64 {
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum::<f64>();
    dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_cosine_is_the_worst_also_if_it_is_none() {
        assert_eq!(Cosines(vec![0.9, 0.5, 0.7]).least(), 0.5);
        assert!(Cosines(vec![0.9, f64::NAN, 0.7]).least().is_nan());
        assert!((cosine(&[3.0, 4.0], &[4.0, 3.0]) - 0.96).abs() < 1e-12);
    }
}
