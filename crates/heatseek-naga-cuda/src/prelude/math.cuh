// Builtin functions of numbers. Of CUDA's functions the accurate ones, but where WGSL asks no more of a
// fast one.
#ifndef NAGA_CUDA_MATH
#define NAGA_CUDA_MATH

// Of integers, first: what maps a function over vectors finds only what stands before it.
DEVICE i32 wgsl_abs(i32 a) { return a < 0 ? wrap_neg(a) : a; }
DEVICE u32 wgsl_abs(u32 a) { return a; }
DEVICE i32 wgsl_sign(i32 a) { return (a > 0) - (a < 0); }
DEVICE i32 wgsl_min(i32 a, i32 b) { return a < b ? a : b; }
DEVICE u32 wgsl_min(u32 a, u32 b) { return a < b ? a : b; }
DEVICE i32 wgsl_max(i32 a, i32 b) { return a > b ? a : b; }
DEVICE u32 wgsl_max(u32 a, u32 b) { return a > b ? a : b; }
DEVICE i32 wgsl_clamp(i32 a, i32 low, i32 high) { return wgsl_min(wgsl_max(a, low), high); }
DEVICE u32 wgsl_clamp(u32 a, u32 low, u32 high) { return wgsl_min(wgsl_max(a, low), high); }

// A function of f32 `a` that f16 has too, rounded.
#define NAGA_CUDA_FLOAT_1(name, expression)                                     \
    DEVICE f32 name(f32 a) { return expression; }                               \
    DEVICE f16 name(f16 h) { f32 a = to_f32(h); return to_f16(expression); }    \
    NAGA_CUDA_MAP_1(name)
#define NAGA_CUDA_FLOAT_2(name, expression)                                     \
    DEVICE f32 name(f32 a, f32 b) { return expression; }                        \
    DEVICE f16 name(f16 g, f16 h) {                                             \
        f32 a = to_f32(g), b = to_f32(h);                                       \
        return to_f16(expression);                                              \
    }                                                                           \
    NAGA_CUDA_MAP_2(name)
#define NAGA_CUDA_FLOAT_3(name, expression)                                     \
    DEVICE f32 name(f32 a, f32 b, f32 c) { return expression; }                 \
    DEVICE f16 name(f16 g, f16 h, f16 i) {                                      \
        f32 a = to_f32(g), b = to_f32(h), c = to_f32(i);                        \
        return to_f16(expression);                                              \
    }                                                                           \
    NAGA_CUDA_MAP_3(name)

// WGSL allows 3 + 2 |a| units in the last place: the product's rounding is within that.
NAGA_CUDA_FLOAT_1(wgsl_exp, fast_exp2(a * 1.4426950408889634f))
NAGA_CUDA_FLOAT_1(wgsl_exp2, fast_exp2(a))
NAGA_CUDA_FLOAT_1(wgsl_log, logf(a))
NAGA_CUDA_FLOAT_1(wgsl_log2, log2f(a))
NAGA_CUDA_FLOAT_1(wgsl_sqrt, fast_sqrt(a))
NAGA_CUDA_FLOAT_1(wgsl_inverseSqrt, rsqrtf(a))
NAGA_CUDA_FLOAT_1(wgsl_sin, sinf(a))
NAGA_CUDA_FLOAT_1(wgsl_cos, cosf(a))
NAGA_CUDA_FLOAT_1(wgsl_tan, tanf(a))
NAGA_CUDA_FLOAT_1(wgsl_asin, asinf(a))
NAGA_CUDA_FLOAT_1(wgsl_acos, acosf(a))
NAGA_CUDA_FLOAT_1(wgsl_atan, atanf(a))
NAGA_CUDA_FLOAT_1(wgsl_sinh, sinhf(a))
NAGA_CUDA_FLOAT_1(wgsl_cosh, coshf(a))
NAGA_CUDA_FLOAT_1(wgsl_tanh, tanhf(a))
NAGA_CUDA_FLOAT_1(wgsl_asinh, asinhf(a))
NAGA_CUDA_FLOAT_1(wgsl_acosh, acoshf(a))
NAGA_CUDA_FLOAT_1(wgsl_atanh, atanhf(a))
NAGA_CUDA_FLOAT_1(wgsl_floor, floorf(a))
NAGA_CUDA_FLOAT_1(wgsl_ceil, ceilf(a))
NAGA_CUDA_FLOAT_1(wgsl_trunc, truncf(a))
// Halves go to the even neighbour.
NAGA_CUDA_FLOAT_1(wgsl_round, rintf(a))
NAGA_CUDA_FLOAT_1(wgsl_fract, a - floorf(a))
NAGA_CUDA_FLOAT_1(wgsl_abs, fabsf(a))
NAGA_CUDA_FLOAT_1(wgsl_sign, a > 0.0f ? 1.0f : a < 0.0f ? -1.0f : 0.0f)
NAGA_CUDA_FLOAT_1(wgsl_saturate, fminf(fmaxf(a, 0.0f), 1.0f))
NAGA_CUDA_FLOAT_1(wgsl_radians, a * 0.017453292519943295f)
NAGA_CUDA_FLOAT_1(wgsl_degrees, a * 57.29577951308232f)
NAGA_CUDA_FLOAT_2(wgsl_pow, powf(a, b))
NAGA_CUDA_FLOAT_2(wgsl_atan2, atan2f(a, b))
NAGA_CUDA_FLOAT_2(wgsl_step, a <= b ? 1.0f : 0.0f)
// Of a number and one that is none: the number.
NAGA_CUDA_FLOAT_2(wgsl_min, fminf(a, b))
NAGA_CUDA_FLOAT_2(wgsl_max, fmaxf(a, b))
NAGA_CUDA_FLOAT_3(wgsl_clamp, fminf(fmaxf(a, b), c))

// Between a and b: at 0 the one, at 1 the other.
DEVICE f32 wgsl_mix(f32 a, f32 b, f32 t) { return a * (1.0f - t) + b * t; }
DEVICE f16 wgsl_mix(f16 a, f16 b, f16 t) { return to_f16(wgsl_mix(to_f32(a), to_f32(b), to_f32(t))); }
NAGA_CUDA_MAP_3(wgsl_mix)
template<class T> DEVICE vec2<T> wgsl_mix(vec2<T> a, vec2<T> b, T t) { return wgsl_mix(a, b, splat2(t)); }
template<class T> DEVICE vec3<T> wgsl_mix(vec3<T> a, vec3<T> b, T t) { return wgsl_mix(a, b, splat3(t)); }
template<class T> DEVICE vec4<T> wgsl_mix(vec4<T> a, vec4<T> b, T t) { return wgsl_mix(a, b, splat4(t)); }

// From 0 at a to 1 at b, at c.
DEVICE f32 wgsl_smoothstep(f32 a, f32 b, f32 c) {
    const f32 t = wgsl_saturate(divide(c - a, b - a));
    return t * t * (3.0f - 2.0f * t);
}
DEVICE f16 wgsl_smoothstep(f16 a, f16 b, f16 c) {
    return to_f16(wgsl_smoothstep(to_f32(a), to_f32(b), to_f32(c)));
}
NAGA_CUDA_MAP_3(wgsl_smoothstep)

DEVICE f32 wgsl_fma(f32 a, f32 b, f32 c) { return fmaf(a, b, c); }
DEVICE f16 wgsl_fma(f16 a, f16 b, f16 c) { return f16{half_fma(a.bits, b.bits, c.bits)}; }
NAGA_CUDA_MAP_3(wgsl_fma)
DEVICE vec2<f16> wgsl_fma(vec2<f16> a, vec2<f16> b, vec2<f16> c) {
    return bit_cast<vec2<f16>>(half2_fma(bit_cast<u32>(a), bit_cast<u32>(b), bit_cast<u32>(c)));
}
DEVICE vec4<f16> wgsl_fma(vec4<f16> a, vec4<f16> b, vec4<f16> c) {
    return make_vec4(wgsl_fma(vec2<f16>{a.x, a.y}, vec2<f16>{b.x, b.y}, vec2<f16>{c.x, c.y}),
                     wgsl_fma(vec2<f16>{a.z, a.w}, vec2<f16>{b.z, b.w}, vec2<f16>{c.z, c.w}));
}

DEVICE f32 wgsl_quantizeToF16(f32 a) { return to_f32(to_f16(a)); }
NAGA_CUDA_MAP_1(wgsl_quantizeToF16)

// Geometry. Integers wrap around.
DEVICE i32 sum_of(i32 a, i32 b) { return wrap_add(a, b); }
DEVICE i32 product_of(i32 a, i32 b) { return wrap_mul(a, b); }
#define NAGA_CUDA_PLAIN(T)                                  \
    DEVICE T sum_of(T a, T b) { return a + b; }             \
    DEVICE T product_of(T a, T b) { return a * b; }
NAGA_CUDA_PLAIN(u32)
NAGA_CUDA_PLAIN(f32)
NAGA_CUDA_PLAIN(f16)
template<class T> DEVICE T wgsl_dot(vec2<T> a, vec2<T> b) {
    return sum_of(product_of(a.x, b.x), product_of(a.y, b.y));
}
template<class T> DEVICE T wgsl_dot(vec3<T> a, vec3<T> b) {
    return sum_of(sum_of(product_of(a.x, b.x), product_of(a.y, b.y)), product_of(a.z, b.z));
}
template<class T> DEVICE T wgsl_dot(vec4<T> a, vec4<T> b) {
    return sum_of(wgsl_dot(vec3<T>{a.x, a.y, a.z}, vec3<T>{b.x, b.y, b.z}), product_of(a.w, b.w));
}
template<class T> DEVICE vec3<T> wgsl_cross(vec3<T> a, vec3<T> b) {
    return {a.y * b.z - a.z * b.y, a.z * b.x - a.x * b.z, a.x * b.y - a.y * b.x};
}
template<class V> DEVICE auto wgsl_length(V a) { return wgsl_sqrt(wgsl_dot(a, a)); }
DEVICE f32 wgsl_length(f32 a) { return fabsf(a); }
DEVICE f16 wgsl_length(f16 a) { return wgsl_abs(a); }
template<class V> DEVICE auto wgsl_distance(V a, V b) { return wgsl_length(a - b); }
template<class V> DEVICE V wgsl_normalize(V a) { return divide(a, wgsl_length(a)); }

#endif
