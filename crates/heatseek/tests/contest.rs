//! `auto` between a GPU and the CPU, by a clock of ours: what is measured, who wins, and what is kept.

use std::cell::{Cell, RefCell};
use std::path::Path;
use std::rc::Rc;

use heatseek::{DeviceChoice, DtypeChoice, Error, LoadOptions, Model, ModelFiles, NoControl, block_on};

/// Loads with `auto` where software adapters count; the clock says one after the other of `times`. With how often it was asked.
fn load(name: &str, times: &[f64], tuned: &str, dtype: DtypeChoice) -> Result<(Model, usize), Error> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden/models").join(name);
    let asked = Rc::new(Cell::new(0));
    let left = RefCell::new(times.to_vec());
    let count = asked.clone();
    let clock = move || {
        count.set(count.get() + 1);
        left.borrow_mut().remove(0)
    };
    let options = LoadOptions {
        device: DeviceChoice::Auto,
        dtype,
        tuned: Some(tuned.into()),
        software: true,
        clock: Some(Rc::new(clock)),
        ..LoadOptions::default()
    };
    let model = block_on(Model::load(ModelFiles::from_dir(&folder).unwrap(), options, &NoControl))?;
    Ok((model, asked.get()))
}

fn device(model: &Model) -> (&'static str, Option<String>) {
    let device = model.info().device;
    assert_eq!(device.fallback, None);
    (device.kind, device.reason)
}

const MODEL: &str = "bert-no-st";
const OTHER: &str = "bert-mean-dense";
/// The CPU takes 10 ms, the GPU 4 for as much.
const FASTER: &[f64] = &[0.0, 10.0, 100.0, 104.0];
/// The CPU takes 10 ms, the GPU 50 for as much and for 19 times as much 100.
const LATER: &[f64] = &[0.0, 10.0, 100.0, 150.0, 200.0, 300.0];
/// The same, but 191 in the end.
const SLOWER: &[f64] = &[0.0, 10.0, 100.0, 150.0, 200.0, 391.0];

#[test]
fn the_faster_device_is_taken_and_known_the_next_time() {
    if block_on(heatseek_gpu::GpuDevice::request(heatseek_gpu::GpuOptions::default())).is_err() {
        assert!(std::env::var_os("CI").is_none(), "CI has a GPU");
        return eprintln!("no GPU: not tested");
    }
    let f32 = DtypeChoice::F32;
    let mut last = String::new();
    for (times, kind, sizes) in [(FASTER, "gpu", 1), (LATER, "gpu", 2), (SLOWER, "cpu", 2)] {
        let (model, asked) = load(MODEL, times, "", f32).unwrap();
        assert_eq!(asked, 2 + 2 * sizes, "{kind}");
        let (chosen, reason) = device(&model);
        assert_eq!(chosen, kind);
        let reason = reason.unwrap();
        let cpu = if sizes == 2 { "and the CPU 190.0" } else { "and the CPU 10.0" };
        assert!(reason.starts_with("measured: 27 rows took ") && reason.ends_with(cpu), "{reason}");

        let table = model.tuner().table(None).unwrap();
        // The self-check still asks when the CPU runs, and nobody does where the GPU is known to lose.
        let (again, asked) = load(MODEL, &times[..2], &table, f32).unwrap();
        assert_eq!((device(&again), asked), ((kind, Some(reason)), if kind == "gpu" { 2 } else { 0 }));
        last = table;
    }
    // A model of another size is another matter, and so is the same in int8, where the CPU's int8 counts.
    let (other, asked) = load(OTHER, FASTER, &last, f32).unwrap();
    assert_eq!((device(&other).0, asked), ("gpu", 4));
    let both = other.tuner().table(Some(&last)).unwrap();
    let (known, asked) = load(MODEL, FASTER, &both, f32).unwrap();
    assert_eq!((device(&known).0, asked), ("cpu", 0), "known as before");
    match load(MODEL, &[&[0.0], FASTER].concat(), &both, DtypeChoice::Int8) {
        Ok((int8, asked)) => assert_eq!((device(&int8).0, asked), ("gpu", 5)),
        // Some drivers have no int8.
        Err(error) => assert_eq!(error.code(), "unsupported"),
    }
    // Who asks for f16 has chosen a GPU.
    if let Ok((half, asked)) = load(MODEL, &SLOWER[..2], "", DtypeChoice::F16) {
        assert_eq!((device(&half), asked), (("gpu", None), 2));
    }
}
