//! What is written for what, and what is refused.

use heatseek_naga_cuda::{Argument, CudaKernel, Options, TranslateError, translate, translate_with};

/// A kernel over one array of floats, with `body` in it.
fn kernel(body: &str) -> CudaKernel {
    let wgsl = format!(
        "@group(0) @binding(0) var<storage, read_write> y: array<f32>;
        @compute @workgroup_size(64)
        fn scale(@builtin(global_invocation_id) id: vec3<u32>) {{ {body} }}"
    );
    translate(&wgsl, "scale", &[]).unwrap()
}

/// The kernel's own part of the source.
fn body(kernel: &CudaKernel) -> &str {
    kernel.source.rsplit_once("// The kernel.\n").unwrap().1
}

fn refused(wgsl: &str) -> (String, u32) {
    match translate(wgsl, "main", &[]) {
        Err(TranslateError::Unsupported { construct, line }) => (construct, line),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_kernel_reads_as_the_shader_does() {
    let wgsl = "
struct Params { rows: u32, scale: f32 }
override width: u32;
@group(0) @binding(0) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read_write> y: array<vec4<f32>>;
@group(0) @binding(2) var<uniform> params: Params;
var<workgroup> tile: array<vec4<f32>, 64>;
@compute @workgroup_size(64)
fn scale(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let row = group.x * width + lane;
    if (row >= params.rows) { return; }
    tile[lane] = x[row];
    y[row] = tile[lane] * params.scale;
}";
    let kernel = translate(wgsl, "scale", &[("width", 12.0)]).unwrap();
    assert_eq!(kernel.name, "scale_kernel");
    assert_eq!(kernel.block, [64, 1, 1]);
    assert_eq!(kernel.shared_bytes, 1024);
    let buffer = |binding, writable| Argument::Buffer { binding, writable };
    assert_eq!(kernel.arguments, [buffer(0, false), buffer(1, true), buffer(2, false)]);
    let body = body(&kernel);
    for line in [
        "struct alignas(4) Params_t",
        "__shared__ __align__(16) Array<vec4<f32>, 64> tile_g3;",
        "KERNEL(64) scale_kernel(const vec4<f32>* READ_ONLY x_g0, vec4<f32>* __restrict__ y_g1, const Params_t",
        "const u32 lane_a1 = threadIdx.x;",
        " = ((group_a0.x * 12u) + lane_a1);",
        "zero_shared<64>(tile_g3, threadIdx.x);",
        "tile_g3[lane_a1] = e",
    ] {
        assert!(body.contains(line), "{line} is not in\n{body}");
    }
}

#[test]
fn shared_memory_is_left_alone_if_the_kernel_is_careful() {
    let wgsl = "
@group(0) @binding(0) var<storage, read_write> y: array<u32>;
var<workgroup> s: array<u32, 4>;
@compute @workgroup_size(4) fn main(@builtin(local_invocation_index) i: u32) { s[i] = i; y[i] = s[i]; }";
    let careful = Options { zero_workgroup_memory: false };
    assert!(!body(&translate_with(wgsl, "main", &[], &careful).unwrap()).contains("zero_shared"));
    assert!(body(&translate(wgsl, "main", &[]).unwrap()).contains("zero_shared"));
}

#[test]
fn lengths_follow_their_buffers_and_reach_functions() {
    let wgsl = "
@group(0) @binding(3) var<storage, read> x: array<vec2<f32>>;
@group(0) @binding(7) var<storage, read_write> y: array<u32>;
fn count() -> u32 { return arrayLength(&x); }
@compute @workgroup_size(1) fn main() { y[0] = count(); }";
    let kernel = translate(wgsl, "main", &[]).unwrap();
    assert_eq!(
        kernel.arguments,
        [
            Argument::Buffer { binding: 3, writable: false },
            Argument::Length { binding: 3 },
            Argument::Buffer { binding: 7, writable: true },
        ]
    );
    assert!(body(&kernel).contains("(x_g0_bytes / 8u)"), "{}", body(&kernel));
}

#[test]
fn what_c_plus_plus_leaves_open_is_a_function() {
    let kernel = kernel("let a = i32(id.x) - 3; y[id.x] = f32(a * a / (a << (id.x & 31u)) % 7);");
    let body = body(&kernel);
    for call in ["wrap_sub(convert<i32>(", "wrap_mul(", "divide(", "shift_left(", "modulo(", "convert<f32>("]
    {
        assert!(body.contains(call), "{call} is not in\n{body}");
    }
}

#[test]
fn only_what_the_entry_point_uses_is_written() {
    let wgsl = "
@group(1) @binding(0) var<storage, read> elsewhere: array<f32>;
@group(0) @binding(0) var<storage, read_write> y: array<f32>;
fn unused() -> f32 { return elsewhere[0]; }
@compute @workgroup_size(1) fn other() { y[0] = unused(); }
@compute @workgroup_size(1) fn main() { y[0] = 1.0; }";
    let kernel = translate(wgsl, "main", &[]).unwrap();
    assert_eq!(kernel.arguments, [Argument::Buffer { binding: 0, writable: true }]);
    assert!(!body(&kernel).contains("elsewhere"));
    assert!(translate(wgsl, "other", &[]).is_err());
}

#[test]
fn what_is_not_written_is_named_with_its_line() {
    let texture = "
@group(0) @binding(0) var t: texture_2d<f32>;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;
@compute @workgroup_size(1) fn main() {
    y[0] = 1.0;
    y[1] = textureLoad(t, vec2<u32>(), 0).x;
}";
    let (construct, line) = refused(texture);
    assert!(line == 2 || line == 6, "{construct} {line}");
    let matrix = "
@group(0) @binding(0) var<storage, read_write> y: array<vec2<f32>>;
@compute @workgroup_size(1) fn main() {
    let m = mat2x2<f32>(y[0], y[1]);
    y[2] = m * y[3];
}";
    let (construct, line) = refused(matrix);
    assert_eq!(line, 4, "{construct}");
    let function = "
@group(0) @binding(0) var<storage, read_write> y: array<f32>;
@compute @workgroup_size(1) fn main() {
    y[0] = ldexp(y[1], 3);
}";
    let (construct, line) = refused(function);
    assert_eq!((construct.as_str(), line), ("the function Ldexp `ldexp`", 4));
    let group = "
@group(2) @binding(0) var<storage, read_write> y: array<f32>;
@compute @workgroup_size(1) fn main() { y[0] = 1.0; }";
    let (construct, line) = refused(group);
    assert!(construct.contains("outside of bind group 0") && line == 2, "{construct} {line}");
}

#[test]
fn what_is_invalid_is_said() {
    let said = |wgsl: &str, entry: &str, constants: &[(&str, f64)]| match translate(wgsl, entry, constants) {
        Err(TranslateError::Invalid(why)) => why,
        other => panic!("{other:?}"),
    };
    let wgsl = "override n: u32; @group(0) @binding(0) var<storage, read_write> y: array<u32>;
        @compute @workgroup_size(1) fn main() { y[0] = n; }";
    assert!(said("fn main( {", "main", &[]).contains("error"));
    assert!(said(wgsl, "elsewhere", &[]).contains("`elsewhere`"));
    assert!(said(wgsl, "main", &[]).contains("'n'"));
    assert!(said(wgsl, "main", &[("n", 1.0), ("m", 2.0)]).contains("'m'"));
    assert!(said(wgsl, "main", &[("n", -1.0)]).contains("fit"));
}
