//! Every builtin function, type and operation that heatseek's kernels may come to use, once.

enable f16;

struct Mixed { a: vec3<f32>, b: f32, c: array<vec3<u32>, 2>, d: vec2<f16> }

@group(0) @binding(0) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read_write> y: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> halves: array<vec4<f16>>;
@group(0) @binding(3) var<storage, read_write> words: array<u32>;
@group(0) @binding(4) var<uniform> mixed: Mixed;
@group(0) @binding(5) var<storage, read_write> counters: array<atomic<i32>>;

var<workgroup> count: atomic<u32>;
var<workgroup> flags: array<bool, 7>;

@compute @workgroup_size(64)
fn main(@builtin(local_invocation_index) i: u32, @builtin(subgroup_invocation_id) lane: u32) {
    let v = x[i];
    var f = exp(v) + exp2(v) + log(abs(v)) + log2(abs(v)) + sqrt(v) + inverseSqrt(v) + sin(v) + cos(v) + tan(v);
    f += asin(v) + acos(v) + atan(v) + sinh(v) + cosh(v) + tanh(v) + asinh(v) + acosh(v) + atanh(v);
    f += floor(v) + ceil(v) + round(v) + trunc(v) + fract(v) + sign(v) + saturate(v) + radians(v) + degrees(v);
    f += pow(v, f) + atan2(v, f) + step(v, f) + min(v, f) + max(v, f) + clamp(v, v, f) + mix(v, f, 0.5) + fma(v, v, f);
    f += smoothstep(v, f, v) + quantizeToF16(v) + v % f + normalize(v) + dot(v, f) + length(v) + distance(v, f);
    f += vec4<f32>(cross(v.xyz, f.wzy), 1.0) / f + select(v, f, v < f) + mixed.a.xyzx * mixed.b;
    var h = halves[i];
    h = fma(h + h.wzyx, h * 2.0h, -h / h) + max(h, min(h, halves[i + 1u])) + exp(h) + vec4<f16>(f);
    h.x = f16(i) + dot(h, h) + mixed.d.y;
    f += vec4<f32>(h);
    var u = vec4<u32>(f) ^ bitcast<vec4<u32>>(f) ^ mixed.c[i % 2u].xyzx;
    var s = vec4<i32>(u) - vec4<i32>(f);
    s = s * s / (s << u) % (s >> (u & vec4<u32>(3u))) + abs(-s) + sign(s) + min(s, ~s) + clamp(s, s, max(s, s)) + dot(s, s);
    u += countOneBits(u) + countLeadingZeros(u) + countTrailingZeros(u) + reverseBits(u) + firstLeadingBit(u);
    u += firstTrailingBit(u) + extractBits(u, i, 3u) + vec4<u32>(firstLeadingBit(s)) + vec4<u32>(extractBits(s, i, 3u));
    u.x = insertBits(u.x, u.y, i, 5u) + dot4U8Packed(u.x, u.y) + u32(dot4I8Packed(u.z, u.w)) + pack4xI8(s) + pack4xU8(u);
    u.y += pack4xI8Clamp(s) + pack4xU8Clamp(u) + pack4x8snorm(f) + pack4x8unorm(f) + pack2x16snorm(f.xy);
    u.z += pack2x16unorm(f.xy) + pack2x16float(f.zw);
    f += unpack4x8snorm(u.x) + unpack4x8unorm(u.y) + vec4<f32>(unpack2x16snorm(u.z), unpack2x16unorm(u.w));
    f += vec4<f32>(unpack2x16float(u.x), vec2<f32>(vec2<f16>(unpack2x16float(u.y)))) + vec4<f32>(unpack4xI8(u.x));
    u += unpack4xU8(u.w);
    flags[i % 7u] = any(f > v) && all(u != vec4<u32>(i)) || !flags[0];
    counters[0] = atomicAdd(&counters[1], s.x) + atomicMin(&counters[2], s.y) + atomicExchange(&counters[3], 1);
    let swapped = atomicCompareExchangeWeak(&count, i, u.x);
    u.w += swapped.old_value + u32(swapped.exchanged) + atomicMax(&count, u.y) + atomicOr(&count, 1u) + atomicAnd(&count, u.z);
    u.w += atomicXor(&count, 3u) + atomicSub(&count, 2u);
    u += vec4<u32>(workgroupUniformLoad(&count));
    f += subgroupAdd(f) + subgroupMax(f) + subgroupMin(f) + subgroupMul(f) + subgroupBroadcast(f, 3u) + subgroupBroadcastFirst(f);
    f += subgroupShuffle(f, lane) + subgroupShuffleXor(f, 1u) + subgroupShuffleUp(f, 1u) + subgroupShuffleDown(f, 1u);
    f += subgroupInclusiveAdd(f) + subgroupExclusiveAdd(f) + subgroupInclusiveMul(f) + subgroupExclusiveMul(f);
    f += vec4<f32>(subgroupAdd(h)) + quadBroadcast(f, 1u) + quadSwapX(f) + quadSwapY(f) + quadSwapDiagonal(f);
    u += subgroupBallot(f.x > 0.0) + subgroupAnd(u) + subgroupOr(u) + subgroupXor(u);
    subgroupBarrier();
    storageBarrier();
    words[i] = u.x ^ u.y ^ u.z ^ u.w ^ arrayLength(&words) ^ u32(flags[1] && subgroupAll(flags[2]) || subgroupAny(flags[3]));
    words[i + 64u] = u32(s[i % 4u]);
    y[i] = f;
}
