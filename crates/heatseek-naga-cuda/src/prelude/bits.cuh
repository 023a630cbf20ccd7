// Builtin functions of bits, and of numbers packed into 32 of them.
#ifndef NAGA_CUDA_BITS
#define NAGA_CUDA_BITS

#define NAGA_CUDA_BITS_1(name, expression)                                      \
    DEVICE u32 name(u32 a) { return u32(expression); }                          \
    DEVICE i32 name(i32 b) { const u32 a = u32(b); return i32(expression); }    \
    NAGA_CUDA_MAP_1(name)
NAGA_CUDA_BITS_1(wgsl_countOneBits, __popc(a))
NAGA_CUDA_BITS_1(wgsl_countLeadingZeros, __clz(i32(a)))
NAGA_CUDA_BITS_1(wgsl_countTrailingZeros, a == 0u ? 32 : __ffs(i32(a)) - 1)
NAGA_CUDA_BITS_1(wgsl_reverseBits, __brev(a))
// The place of the lowest one; -1 if there is none.
NAGA_CUDA_BITS_1(wgsl_firstTrailingBit, __ffs(i32(a)) - 1)
// The place of the highest bit that differs from the sign; -1 if there is none.
DEVICE u32 wgsl_firstLeadingBit(u32 a) { return u32(31 - __clz(i32(a))); }
DEVICE i32 wgsl_firstLeadingBit(i32 a) { return 31 - __clz(a < 0 ? ~a : a); }
NAGA_CUDA_MAP_1(wgsl_firstLeadingBit)

// `count` bits from `offset` on, as far as there are any.
DEVICE u32 mask_of(u32 count) { return count >= 32u ? 0xffffffffu : (1u << count) - 1u; }
DEVICE u32 wgsl_extractBits(u32 a, u32 offset, u32 count) {
    const u32 from = wgsl_min(offset, 32u), bits = wgsl_min(count, 32u - from);
    return bits == 0u ? 0u : (a >> from) & mask_of(bits);
}
DEVICE i32 wgsl_extractBits(i32 a, u32 offset, u32 count) {
    const u32 from = wgsl_min(offset, 32u), bits = wgsl_min(count, 32u - from);
    return bits == 0u ? 0 : i32(u32(a) << (32u - from - bits)) >> (32u - bits);
}
DEVICE u32 wgsl_insertBits(u32 a, u32 b, u32 offset, u32 count) {
    const u32 from = wgsl_min(offset, 32u), bits = wgsl_min(count, 32u - from);
    if (bits == 0u) return a;
    const u32 mask = mask_of(bits) << from;
    return (a & ~mask) | ((b << from) & mask);
}
DEVICE i32 wgsl_insertBits(i32 a, i32 b, u32 offset, u32 count) {
    return i32(wgsl_insertBits(u32(a), u32(b), offset, count));
}
template<class T> DEVICE vec2<T> wgsl_extractBits(vec2<T> a, u32 o, u32 c) {
    return {wgsl_extractBits(a.x, o, c), wgsl_extractBits(a.y, o, c)};
}
template<class T> DEVICE vec3<T> wgsl_extractBits(vec3<T> a, u32 o, u32 c) {
    return {wgsl_extractBits(a.x, o, c), wgsl_extractBits(a.y, o, c), wgsl_extractBits(a.z, o, c)};
}
template<class T> DEVICE vec4<T> wgsl_extractBits(vec4<T> a, u32 o, u32 c) {
    return {wgsl_extractBits(a.x, o, c), wgsl_extractBits(a.y, o, c), wgsl_extractBits(a.z, o, c),
            wgsl_extractBits(a.w, o, c)};
}

// Dot products of four bytes.
DEVICE i32 wgsl_dot4I8Packed(u32 a, u32 b) { return __dp4a(i32(a), i32(b), 0); }
DEVICE u32 wgsl_dot4U8Packed(u32 a, u32 b) { return __dp4a(a, b, 0u); }

// Bytes, the lowest first.
DEVICE u32 bytes_of(u32 x, u32 y, u32 z, u32 w) {
    return (x & 255u) | (y & 255u) << 8 | (z & 255u) << 16 | w << 24;
}
DEVICE u32 wgsl_pack4xI8(vec4<i32> a) { return bytes_of(u32(a.x), u32(a.y), u32(a.z), u32(a.w)); }
DEVICE u32 wgsl_pack4xU8(vec4<u32> a) { return bytes_of(a.x, a.y, a.z, a.w); }
DEVICE u32 wgsl_pack4xI8Clamp(vec4<i32> a) { return wgsl_pack4xI8(wgsl_min(wgsl_max(a, splat4(-128)), splat4(127))); }
DEVICE u32 wgsl_pack4xU8Clamp(vec4<u32> a) { return wgsl_pack4xU8(wgsl_min(a, splat4(255u))); }
DEVICE vec4<i32> wgsl_unpack4xI8(u32 a) {
    return {i32(a << 24) >> 24, i32(a << 16) >> 24, i32(a << 8) >> 24, i32(a) >> 24};
}
DEVICE vec4<u32> wgsl_unpack4xU8(u32 a) { return {a & 255u, (a >> 8) & 255u, (a >> 16) & 255u, a >> 24}; }

// Numbers within -1 and 1, or 0 and 1, as integers.
DEVICE i32 scaled(f32 a, f32 low, f32 scale) { return i32(floorf(0.5f + scale * fminf(fmaxf(a, low), 1.0f))); }
DEVICE u32 wgsl_pack4x8snorm(vec4<f32> a) {
    return wgsl_pack4xI8({scaled(a.x, -1, 127), scaled(a.y, -1, 127), scaled(a.z, -1, 127), scaled(a.w, -1, 127)});
}
DEVICE u32 wgsl_pack4x8unorm(vec4<f32> a) {
    return wgsl_pack4xI8({scaled(a.x, 0, 255), scaled(a.y, 0, 255), scaled(a.z, 0, 255), scaled(a.w, 0, 255)});
}
DEVICE u32 wgsl_pack2x16snorm(vec2<f32> a) {
    return (u32(scaled(a.x, -1, 32767)) & 0xffffu) | u32(scaled(a.y, -1, 32767)) << 16;
}
DEVICE u32 wgsl_pack2x16unorm(vec2<f32> a) {
    return u32(scaled(a.x, 0, 65535)) | u32(scaled(a.y, 0, 65535)) << 16;
}
DEVICE vec4<f32> wgsl_unpack4x8snorm(u32 a) {
    return wgsl_max(divide(convert<f32>(wgsl_unpack4xI8(a)), 127.0f), splat4(-1.0f));
}
DEVICE vec4<f32> wgsl_unpack4x8unorm(u32 a) { return divide(convert<f32>(wgsl_unpack4xU8(a)), 255.0f); }
DEVICE vec2<f32> wgsl_unpack2x16snorm(u32 a) {
    return wgsl_max(divide(vec2<f32>{f32(i32(a << 16) >> 16), f32(i32(a) >> 16)}, 32767.0f), splat2(-1.0f));
}
DEVICE vec2<f32> wgsl_unpack2x16unorm(u32 a) { return divide(vec2<f32>{f32(a & 0xffffu), f32(a >> 16)}, 65535.0f); }
DEVICE u32 wgsl_pack2x16float(vec2<f32> a) { return u32(float_to_half(a.x)) | u32(float_to_half(a.y)) << 16; }
DEVICE vec2<f32> wgsl_unpack2x16float(u32 a) { return {half_to_float(u16(a)), half_to_float(u16(a >> 16))}; }

#endif
