//! Parts of inputs hidden: what falls is what embedding the changed input says.

mod small;

use std::cell::RefCell;

use heatseek::{
    Cancelled, Control, EmbedOptions, Error, ImageOptions, LocalFuture, MapLayout, NoControl, Pixels,
    Progress, Stage, block_on,
};
use heatseek_conformance::Backend;
use heatseek_testkit::cosine;

use small::{golden, image_model, text_model};

#[test]
fn hiding_a_token_is_embedding_the_changed_text() {
    let model = text_model(&golden("models/bert-e5"), &Backend::Cpu);
    let embed = EmbedOptions::default();
    let run =
        |text: &str, embed: &EmbedOptions| block_on(model.occlusion(text, None, embed, &NoControl)).unwrap();
    let found = run("the bees find honey", &embed);
    assert!((found.score - 1.0).abs() < 1e-6);
    let MapLayout::Text { text, offsets, special, .. } = &found.layout else { panic!("not a text") };
    assert_eq!(text, "passage: the bees find honey");
    let own = block_on(model.embed(&["the bees find honey"], &embed, &NoControl)).unwrap().data;
    for (token, &(start, end)) in offsets.iter().enumerate() {
        if special[token] || end <= "passage: ".len() {
            assert_eq!(found.data[token], 0.0);
            continue;
        }
        let changed = format!("{}[MASK]{}", &text[..start], &text[end..]);
        let plain = EmbedOptions { prompt: Some(String::new()), ..embed.clone() };
        let vector = block_on(model.embed(&[changed], &plain, &NoControl)).unwrap().data;
        let fall = 1.0 - cosine(&own, &vector);
        assert!((f64::from(found.data[token]) - fall).abs() < 2e-6, "{token}: {} {fall}", found.data[token]);
        assert!(fall > 1e-4, "{token} must matter for the test to say something");
    }
    // Nothing is hidden from a text whose every word is hidden already.
    assert!(run("[MASK] [MASK]", &embed).data.iter().all(|fall| fall.abs() <= 2e-6));
    let prompted = EmbedOptions { prompt: Some("honey ".into()), ..embed };
    let zeros = run("bees", &prompted).data.iter().filter(|fall| **fall == 0.0).count();
    assert_eq!(zeros, 3, "the prompt's token and the special ones");
}

#[test]
fn without_a_mask_token_a_token_is_left_out() {
    for (name, text, without) in
        [("clip/clip", "bees honey", ["honey", "bees"]), ("clip/siglip", "bees honey", ["honey", "bees"])]
    {
        let model = text_model(&golden(name), &Backend::Cpu);
        let embed = EmbedOptions::default();
        let found = block_on(model.occlusion(text, None, &embed, &NoControl)).unwrap();
        let texts = [text, without[0], without[1]];
        let vectors = block_on(model.embed(&texts, &embed, &NoControl)).unwrap();
        let falls: Vec<f32> = found.data.iter().copied().filter(|fall| *fall != 0.0).collect();
        assert_eq!(falls.len(), 2, "{name}: {:?}", found.data);
        for (at, fall) in falls.iter().enumerate() {
            let expected = 1.0 - cosine(vectors.row(0), vectors.row(at + 1));
            assert!((f64::from(*fall) - expected).abs() < 2e-6, "{name}: {fall} {expected}");
        }
    }
}

#[test]
fn nothing_can_be_hidden_in_a_picture_of_the_mean_colour() {
    let model = image_model(&golden("vision/dinov2-registers"), &Backend::Cpu);
    let side = 3 * model.info().spec.patch_size;
    let grey = Pixels { width: side as u32, height: side as u32, data: vec![0.0; 3 * side * side] };
    let run = |pixels: &Pixels, window| {
        let options = ImageOptions::default();
        block_on(model.occlusion_of_pixels(pixels, None, window, &options, &NoControl))
    };
    let found = run(&grey, 1).unwrap();
    let prefix = model.info().spec.prefix_tokens.len();
    assert_eq!(found.data.len(), prefix + 9);
    assert!(found.data.iter().all(|fall| fall.abs() <= 2e-6), "{:?}", found.data);
    let mut data = grey.data.clone();
    data[..side].fill(1.0);
    let marked = Pixels { data, ..grey };
    // Only the upper row has anything to hide; a window of three reaches it from the middle row too.
    for (window, reach) in [(1, 3), (3, 6), (5, 9)] {
        let found = run(&marked, window).unwrap();
        assert!(found.data[..prefix].iter().all(|fall| *fall == 0.0));
        for (patch, fall) in found.data[prefix..].iter().enumerate() {
            assert_eq!(fall.abs() > 2e-6, patch < reach, "window {window}, patch {patch}: {fall}");
        }
    }
    assert_eq!(run(&marked, 0).unwrap_err().to_string(), "window: got 0, expected 1 or more patches");
}

/// Follows the work, and stops it at a checkpoint.
struct Watch {
    seen: RefCell<Vec<Progress>>,
    stop_at: usize,
}

impl Control for Watch {
    fn progress(&self, progress: Progress) {
        self.seen.borrow_mut().push(progress);
    }

    fn checkpoint(&self) -> LocalFuture<'_, Result<(), Cancelled>> {
        let stop = self.seen.borrow().last().is_some_and(|progress| progress.loaded >= self.stop_at);
        Box::pin(std::future::ready(if stop { Err(Cancelled) } else { Ok(()) }))
    }
}

#[test]
fn occlusion_can_be_followed_and_stopped() {
    let model = text_model(&golden("models/bert-cls-normalize"), &Backend::Cpu);
    // More rows than a batch takes.
    let text = "bees find the way home in the sun and the sky ".repeat(10);
    let run = |stop_at| {
        let watch = Watch { seen: RefCell::default(), stop_at };
        let found = block_on(model.occlusion(&text, None, &EmbedOptions::default(), &watch));
        (found, watch.seen.into_inner())
    };
    let (found, seen) = run(usize::MAX);
    let hidden = found.unwrap().data.iter().filter(|fall| **fall != 0.0).count();
    assert!(seen.iter().all(|p| p.stage == Stage::Occlude && p.total == hidden), "{seen:?}");
    assert!(seen.windows(2).all(|pair| pair[0].loaded < pair[1].loaded), "{seen:?}");
    assert_eq!((seen[0].loaded, seen.last().map(|p| p.loaded)), (0, Some(hidden)));
    let (stopped, seen) = run(0);
    assert!(matches!(stopped, Err(Error::Aborted)), "{seen:?}");
    assert_eq!(seen.len(), 1);
}
