//! Kernels that run on the CPU, against what WGSL says.

use std::path::Path;

use heatseek_naga_cuda::host::{HostBuffer, HostError, Library};
use heatseek_naga_cuda::translate;

/// What `main` of `wgsl` puts into binding 1, `words` long, for what is in binding 0.
fn run(wgsl: &str, input: &[u32], words: usize) -> Vec<u32> {
    run_with(wgsl, input, words).unwrap()
}

fn run_with(wgsl: &str, input: &[u32], words: usize) -> Result<Vec<u32>, HostError> {
    let kernel = translate(wgsl, "main", &[]).unwrap_or_else(|error| panic!("{error}"));
    let library = Library::compile(&[&kernel], Path::new(env!("CARGO_TARGET_TMPDIR")))?;
    let bytes: Vec<u8> = input.iter().flat_map(|word| word.to_ne_bytes()).collect();
    let (input, output) = (HostBuffer::of(&bytes), HostBuffer::of(&vec![0xff; words * 4]));
    library.launch(0, [1, 1, 1], &[(0, &input), (1, &output)])?;
    let read = output.read();
    Ok(read.chunks_exact(4).map(|word| u32::from_ne_bytes(word.try_into().unwrap())).collect())
}

/// A kernel of `threads` threads over `x` and `y`, with `body` for thread `i`.
fn kernel(threads: u32, types: [&str; 2], body: &str) -> String {
    format!(
        "enable f16;
        @group(0) @binding(0) var<storage, read> x: array<{}>;
        @group(0) @binding(1) var<storage, read_write> y: array<{}>;
        {}",
        types[0],
        types[1],
        body.replace(
            "MAIN",
            &format!("@compute @workgroup_size({threads}) fn main(@builtin(local_invocation_index) i: u32)")
        )
    )
}

fn floats(values: &[f32]) -> Vec<u32> {
    values.iter().map(|value| value.to_bits()).collect()
}

fn numbers(words: &[u32]) -> Vec<f32> {
    words.iter().map(|&word| f32::from_bits(word)).collect()
}

#[test]
fn integers_divide_and_shift_as_wgsl_says() {
    let wgsl = kernel(
        1,
        ["i32", "i32"],
        "MAIN {
        y[0] = x[0] / x[1]; y[1] = x[0] % x[1];         // by zero
        y[2] = x[2] / x[3]; y[3] = x[2] % x[3];         // the lowest by -1
        y[4] = x[0] << u32(x[4]); y[5] = x[2] >> u32(x[4]); // by 33
        y[6] = -7 % (x[1] + 3); y[7] = x[2] - 1; y[8] = -x[2]; y[9] = abs(x[2]);
    }",
    );
    let x = [5, 0, i32::MIN, -1, 33].map(|value| value as u32);
    let y: Vec<i32> = run(&wgsl, &x, 10).iter().map(|&word| word as i32).collect();
    assert_eq!(y, [5, 0, i32::MIN, 0, 10, i32::MIN / 2, -1, i32::MAX, i32::MIN, i32::MIN]);
}

#[test]
fn floats_become_integers_within_their_range() {
    let wgsl = kernel(
        6,
        ["f32", "i32"],
        "MAIN { y[2u * i] = i32(x[i]); y[2u * i + 1u] = bitcast<i32>(u32(x[i])); }",
    );
    let y = run(&wgsl, &floats(&[1.9, -1.9, 3e9, -3e9, 1e20, f32::NEG_INFINITY]), 12);
    let pairs: Vec<(i32, u32)> = y.chunks(2).map(|pair| (pair[0] as i32, pair[1])).collect();
    let (highest_i32, highest_u32) = (2_147_483_520, 4_294_967_040);
    assert_eq!(
        pairs,
        [
            (1, 1),
            (-1, 0),
            (highest_i32, 3_000_000_000),
            (i32::MIN, 0),
            (highest_i32, highest_u32),
            (i32::MIN, 0)
        ]
    );
}

#[test]
fn of_a_number_and_none_the_number_is_the_smaller_and_the_larger() {
    let wgsl = kernel(
        1,
        ["f32", "f32"],
        "MAIN {
        y[0] = min(x[0], x[1]); y[1] = max(x[1], x[0]); y[2] = clamp(x[1], -2.0, 2.0); y[3] = saturate(x[1]);
    }",
    );
    assert_eq!(numbers(&run(&wgsl, &floats(&[3.0, f32::NAN]), 4)), [3.0, 3.0, -2.0, 0.0]);
}

#[test]
fn builtin_functions_are_close() {
    type Function = (&'static str, fn(f64) -> f64, [f32; 4]);
    let functions: &[Function] = &[
        ("exp(v)", f64::exp, [-20.0, -0.5, 0.5, 20.0]),
        ("exp2(v)", f64::exp2, [-20.0, -0.5, 0.5, 20.0]),
        ("log(v)", f64::ln, [1e-10, 0.5, 2.0, 1e10]),
        ("log2(v)", f64::log2, [1e-10, 0.5, 2.0, 1e10]),
        ("sqrt(v)", f64::sqrt, [1e-10, 0.5, 2.0, 1e10]),
        ("inverseSqrt(v)", |v| 1.0 / v.sqrt(), [1e-10, 0.5, 2.0, 1e10]),
        ("sin(v)", f64::sin, [-3.0, -0.5, 0.5, 3.0]),
        ("cos(v)", f64::cos, [-3.0, -0.5, 0.5, 3.0]),
        ("tan(v)", f64::tan, [-1.0, -0.5, 0.5, 1.0]),
        ("asin(v)", f64::asin, [-0.9, -0.5, 0.5, 0.9]),
        ("acos(v)", f64::acos, [-0.9, -0.5, 0.5, 0.9]),
        ("atan(v)", f64::atan, [-20.0, -0.5, 0.5, 20.0]),
        ("sinh(v)", f64::sinh, [-5.0, -0.5, 0.5, 5.0]),
        ("cosh(v)", f64::cosh, [-5.0, -0.5, 0.5, 5.0]),
        ("tanh(v)", f64::tanh, [-5.0, -0.5, 0.5, 20.0]),
        ("asinh(v)", f64::asinh, [-5.0, -0.5, 0.5, 5.0]),
        ("acosh(v)", f64::acosh, [1.1, 1.5, 2.5, 5.0]),
        ("atanh(v)", f64::atanh, [-0.9, -0.5, 0.5, 0.9]),
        ("pow(v, vec4(2.5))", |v| v.powf(2.5), [0.1, 0.5, 2.0, 100.0]),
        ("atan2(v, vec4(2.0))", |v| v.atan2(2.0), [-5.0, -0.5, 0.5, 5.0]),
        ("radians(v)", f64::to_radians, [-180.0, -0.5, 0.5, 180.0]),
        ("degrees(v)", f64::to_degrees, [-3.0, -0.5, 0.5, 3.0]),
        ("fract(v)", |v| v - v.floor(), [-1.25, -0.5, 0.75, 3.25]),
        ("round(v)", f64::round_ties_even, [-2.5, -0.5, 0.5, 1.5]),
        ("smoothstep(vec4(0.0), vec4(2.0), v)", |v| (v / 2.0).powi(2) * (3.0 - v), [0.1, 0.5, 1.0, 1.9]),
        ("mix(v, vec4(2.0), 0.25)", |v| v * 0.75 + 0.5, [-5.0, -0.5, 0.5, 5.0]),
        ("normalize(v)", |v| v / 55.0_f64.sqrt(), [1.0, -2.0, 5.0, 5.0]),
        ("vec4(length(v))", |_| 55.0_f64.sqrt(), [1.0, -2.0, 5.0, 5.0]),
        ("vec4(distance(v, vec4(1.0)))", |_| 41.0_f64.sqrt(), [1.0, -2.0, 5.0, 5.0]),
        (
            "vec4(cross(v.xyz, vec3(0.0, 0.0, 2.0)).xy, cross(v.xyz, vec3(1.0)).z, 1.0 / v.w)",
            |v| v,
            [-4.0, 2.0, 3.0, 1.0],
        ),
    ];
    let mut body = String::from("MAIN {");
    let (mut x, mut expected) = (Vec::new(), Vec::new());
    for (at, (name, function, values)) in functions.iter().enumerate() {
        body += &format!("{{ let v = x[{at}]; y[{at}] = {name}; }}\n");
        x.extend(values);
        // The last but one row is written so that its answers are (2 b, -2 a, a - b, 1 / w) of (a, b, ., w).
        expected.extend(match name.starts_with("vec4(cross") {
            true => vec![4.0, 8.0, -6.0, 1.0],
            false => values.iter().map(|&value| function(f64::from(value))).collect(),
        });
    }
    let wgsl = kernel(1, ["vec4<f32>", "vec4<f32>"], &(body + "}"));
    let y = numbers(&run(&wgsl, &floats(&x), x.len()));
    for (i, (&actual, expected)) in y.iter().zip(expected).enumerate() {
        let error = (f64::from(actual) - expected).abs();
        assert!(
            error <= 1e-6 * expected.abs().max(1e-3),
            "{}: {actual} is not {expected}",
            functions[i / 4].0
        );
    }
}

#[test]
fn halves_round_once() {
    let wgsl = kernel(1, ["vec4<f16>", "vec4<f16>"], "MAIN {
        y[0] = x[0] + x[1]; y[1] = x[0] * x[1]; y[2] = x[0] / x[1]; y[3] = fma(x[0], x[1], x[0]);
        y[4] = max(x[0], x[1].wzyx); y[5] = vec4<f16>(vec4<f32>(x[0]) * 3.0); y[6] = vec4(x[0].x - x[1].y) * 2.0h;
        y[7] = select(x[0], x[1], x[0] < x[1]);
    }");
    let (a, b) = ([1.0, -2.5, 1000.0, 6e-8], [0.000_976_562_5, 3.0, 65504.0, 0.5]);
    let pack = |v: [f32; 4]| {
        let bits = v.map(to_half);
        [u32::from(bits[0]) | u32::from(bits[1]) << 16, u32::from(bits[2]) | u32::from(bits[3]) << 16]
    };
    let y = run(&wgsl, &[pack(a), pack(b)].concat(), 16);
    let got: Vec<u16> = y.iter().flat_map(|&word| [word as u16, (word >> 16) as u16]).collect();
    let (a, b) = (a.map(|v| from_half(to_half(v))), b.map(|v| from_half(to_half(v))));
    let expected = [
        zip(a, b, |a, b| a + b),
        zip(a, b, |a, b| a * b),
        zip(a, b, |a, b| a / b),
        zip(a, b, |a, b| a * b + a),
        zip(a, [b[3], b[2], b[1], b[0]], f32::max),
        a.map(|a| a * 3.0),
        [(from_half(to_half(a[0] - b[1]))) * 2.0; 4],
        zip(a, b, |a, b| if a < b { b } else { a }),
    ];
    let expected: Vec<u16> = expected.into_iter().flatten().map(to_half).collect();
    assert_eq!(got, expected);
}

fn zip(a: [f32; 4], b: [f32; 4], f: impl Fn(f32, f32) -> f32) -> [f32; 4] {
    std::array::from_fn(|i| f(a[i], b[i]))
}

fn to_half(value: f32) -> u16 {
    half::f16::from_f32(value).to_bits()
}

fn from_half(bits: u16) -> f32 {
    half::f16::from_bits(bits).to_f32()
}

#[test]
fn subgroups_are_warps_of_32() {
    // 48 threads: the second warp is half there.
    let wgsl = "
@group(0) @binding(0) var<storage, read> x: array<u32>;
@group(0) @binding(1) var<storage, read_write> y: array<u32>;
@compute @workgroup_size(48)
fn main(@builtin(local_invocation_index) i: u32, @builtin(subgroup_invocation_id) lane: u32,
        @builtin(subgroup_size) size: u32, @builtin(subgroup_id) warp: u32) {
    let v = x[i];
    let at = i * 12u;
    y[at] = subgroupAdd(v);
    y[at + 1u] = subgroupMax(v);
    y[at + 2u] = u32(subgroupMin(-f32(v)) * -1.0);
    y[at + 3u] = subgroupBroadcast(v, 3u);
    y[at + 4u] = subgroupShuffleXor(v, 1u);
    y[at + 5u] = subgroupShuffleDown(v, 1u);
    y[at + 6u] = subgroupBallot((v & 1u) == 1u).x;
    y[at + 7u] = subgroupInclusiveAdd(v);
    y[at + 8u] = subgroupExclusiveAdd(v);
    y[at + 9u] = subgroupShuffle(vec2<u32>(v, 7u), lane ^ 2u).x;
    y[at + 10u] = u32(subgroupAll(v < 1000u)) + 2u * u32(subgroupAny(v == 5u));
    y[at + 11u] = size + lane + 100u * warp;
}";
    let x: Vec<u32> = (0..48).map(|i| i * 7 % 31 + 1).collect();
    let y = run(wgsl, &x, 48 * 12);
    for i in 0..48_usize {
        let warp = if i < 32 { &x[..32] } else { &x[32..] };
        let lane = i % 32;
        let sum = |lanes: &[u32]| lanes.iter().sum::<u32>();
        let votes = (0..warp.len()).map(|lane| (warp[lane] & 1) << lane).sum::<u32>();
        let expected = [
            sum(warp),
            *warp.iter().max().unwrap(),
            *warp.iter().max().unwrap(),
            warp[3],
            warp[lane ^ 1],
            // Of a lane that is not there, anything.
            *warp.get(lane + 1).unwrap_or(&y[i * 12 + 5]),
            votes,
            sum(&warp[..=lane]),
            sum(&warp[..lane]),
            warp[lane ^ 2],
            1 + 2 * u32::from(warp.contains(&5)),
            32 + lane as u32 + 100 * (i as u32 / 32),
        ];
        assert_eq!(y[i * 12..][..12], expected, "thread {i}");
    }
}

#[test]
fn atomics_tell_what_was_there() {
    let wgsl = "
@group(0) @binding(0) var<storage, read> x: array<u32>;
@group(0) @binding(1) var<storage, read_write> y: array<atomic<u32>>;
var<workgroup> lowest: atomic<i32>;
var<workgroup> once: atomic<u32>;
@compute @workgroup_size(64) fn main(@builtin(local_invocation_index) i: u32) {
    if (i < 8u) { atomicStore(&y[i], 0u); }
    workgroupBarrier();
    let place = atomicAdd(&y[0], 1u);
    atomicMax(&y[1], x[i]);
    atomicMin(&lowest, -i32(x[i]));
    let swapped = atomicCompareExchangeWeak(&once, 0u, i + 1u);
    if (swapped.exchanged) { atomicStore(&y[2], swapped.old_value + 10u); }
    if (place == 63u) { atomicStore(&y[3], atomicExchange(&y[4], 9u)); }
    workgroupBarrier();
    let low = workgroupUniformLoad(&lowest);
    if (i == 5u) { atomicStore(&y[5], u32(-low)); atomicStore(&y[6], atomicLoad(&once)); atomicSub(&y[0], 60u); }
}";
    let x: Vec<u32> = (0..64).map(|i| i * 11 % 64).collect();
    let y = run(wgsl, &x, 8);
    assert_eq!(y[..6], [4, 63, 10, 0, 9, 63]);
    assert!((1..=64).contains(&y[6]), "{}", y[6]);
}

#[test]
fn a_launch_says_what_it_lacks() {
    let wgsl = kernel(1, ["f32", "f32"], "MAIN { y[0] = x[0]; }");
    let kernel = translate(&wgsl, "main", &[]).unwrap();
    let library = Library::compile(&[&kernel], Path::new(env!("CARGO_TARGET_TMPDIR"))).unwrap();
    let buffer = HostBuffer::new(4);
    assert_eq!(
        library.launch(0, [1, 1, 1], &[(0, &buffer)]),
        Err(HostError::NotBound { kernel: "main_kernel".into(), binding: 1 })
    );
    assert_eq!(library.launch(3, [1, 1, 1], &[]), Err(HostError::NoKernel { kernel: 3, kernels: 1 }));
}

#[test]
fn lanes_that_wait_for_different_things_are_an_error() {
    let wgsl = "
@group(0) @binding(0) var<storage, read> x: array<u32>;
@group(0) @binding(1) var<storage, read_write> y: array<u32>;
@compute @workgroup_size(32) fn main(@builtin(local_invocation_index) i: u32) {
    if (x[i] == 1u) { y[i] = subgroupAdd(1u); } else { workgroupBarrier(); }
}";
    let x: Vec<u32> = (0..32).map(|i| i % 2).collect();
    let why = run_with(wgsl, &x, 32).unwrap_err().to_string();
    assert_eq!(why, "`main_kernel`: lanes of one warp wait for the block and for their warp at once");
}
