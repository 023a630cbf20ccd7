//! Who resizes: in browsers another module, which is loaded where there are pictures.

use std::cell::Cell;

use crate::{Filter, ImageError, Picture};

/// What resizes a picture to a width and a height, both at least 1, with a filter: [`resize`](crate::resize) or the same
/// elsewhere.
pub type Resizer = fn(&Picture, u32, u32, Filter) -> Result<Picture, ImageError>;

thread_local! {
    static RESIZER: Cell<Option<Resizer>> = const { Cell::new(None) };
}

/// Has `resizer` resize the pictures of this thread in browsers, where [`Preprocessor`](crate::Preprocessor) brings no code
/// for it: what resizes is 12 kB that pages of texts need not download.
pub fn install_resizer(resizer: Resizer) {
    RESIZER.set(Some(resizer));
}

/// By the resizer that was installed.
#[cfg(any(test, target_arch = "wasm32"))]
pub(crate) fn resize(
    picture: &Picture,
    width: u32,
    height: u32,
    filter: Filter,
) -> Result<Picture, ImageError> {
    match RESIZER.get() {
        Some(resizer) => resizer(picture, width, height, filter),
        None => Err(ImageError::Internal { width, height, why: "what resizes was not loaded".into() }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_resizer_there_is_an_error_and_with_one_its_picture() {
        let grey = Picture::from_rgb(4, 2, vec![128; 24]).unwrap();
        let error = resize(&grey, 2, 1, Filter::Bilinear).unwrap_err();
        assert!(error.to_string().contains("was not loaded"), "{error}");
        install_resizer(crate::resize);
        assert_eq!(resize(&grey, 2, 1, Filter::Bilinear), crate::resize(&grey, 2, 1, Filter::Bilinear));
    }
}
