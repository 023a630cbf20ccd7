// CUDA's builtins, and what device.cuh says in PTX, on a CPU.
#pragma once
#include <cmath>
#if defined(__F16C__)
#include <immintrin.h>
#endif

// A kernel's memory is its own: `static` in simt.hpp. So threads only give way here.
static inline void __syncthreads() { simt::wait(simt::State::AtBarrier); }
static inline void __syncwarp() { simt::exchange(0u); }
static inline void __threadfence_block() {}
static inline unsigned lane_index() { return simt::current->number % simt::WARP; }

static inline unsigned __shfl_sync(unsigned, unsigned value, int from) {
    return simt::slot<unsigned>(simt::exchange(value), unsigned(from));
}
static inline unsigned __ballot_sync(unsigned lanes, bool predicate) {
    const simt::Exchange& shared = simt::exchange(predicate);
    unsigned votes = 0;
    for (unsigned lane = 0; lane < simt::WARP; lane++) {
        const bool takes_part = shared.arrived & lanes & 1u << lane;
        if (takes_part && simt::slot<bool>(shared, lane)) votes |= 1u << lane;
    }
    return votes;
}
static inline int __any_sync(unsigned lanes, bool predicate) { return __ballot_sync(lanes, predicate) != 0; }
static inline int __all_sync(unsigned lanes, bool predicate) { return __ballot_sync(lanes, !predicate) == 0; }

// One thread runs at a time, so these are atomic.
template<class T> static inline T atomicExch(T* place, T value) {
    const T old = *place;
    *place = value;
    return old;
}
static inline unsigned atomicAdd(unsigned* place, unsigned value) { return atomicExch(place, *place + value); }
static inline int atomicAdd(int* place, int value) {
    return atomicExch(place, int(unsigned(*place) + unsigned(value)));
}
template<class T> static inline T atomicAnd(T* place, T value) { return atomicExch(place, *place & value); }
template<class T> static inline T atomicOr(T* place, T value) { return atomicExch(place, *place | value); }
template<class T> static inline T atomicXor(T* place, T value) { return atomicExch(place, *place ^ value); }
template<class T> static inline T atomicMin(T* place, T value) {
    return atomicExch(place, *place < value ? *place : value);
}
template<class T> static inline T atomicMax(T* place, T value) {
    return atomicExch(place, *place > value ? *place : value);
}
template<class T> static inline T atomicCAS(T* place, T compare, T value) {
    return atomicExch(place, *place == compare ? value : *place);
}

static inline int __popc(unsigned a) { return __builtin_popcount(a); }
static inline int __clz(int a) { return a == 0 ? 32 : __builtin_clz(unsigned(a)); }
static inline int __ffs(int a) { return __builtin_ffs(a); }
static inline unsigned __brev(unsigned a) {
    unsigned b = 0;
    for (int i = 0; i < 32; i++) b |= (a >> i & 1u) << (31 - i);
    return b;
}
template<class Byte, class T> static inline T dot_of_bytes(T a, T b, T c) {
    for (int i = 0; i < 4; i++) c = T(unsigned(c) + unsigned(int(Byte(a >> 8 * i)) * int(Byte(b >> 8 * i))));
    return c;
}
static inline int __dp4a(int a, int b, int c) { return dot_of_bytes<signed char>(a, b, c); }
static inline unsigned __dp4a(unsigned a, unsigned b, unsigned c) { return dot_of_bytes<unsigned char>(a, b, c); }

// Of a number and one that is none: the number. The library's are calls.
static inline float host_min(float a, float b) { return a != a ? b : b != b ? a : a < b ? a : b; }
static inline float host_max(float a, float b) { return a != a ? b : b != b ? a : a > b ? a : b; }
#define fminf host_min
#define fmaxf host_max
static inline float rsqrtf(float a) { return 1.0f / sqrtf(a); }
static inline float fast_divide(float a, float b) { return a / b; }
static inline float fast_exp2(float a) { return exp2f(a); }
static inline float fast_sqrt(float a) { return sqrtf(a); }

#if defined(__F16C__)
static inline float half_to_float(unsigned short a) { return _cvtsh_ss(a); }
static inline unsigned short float_to_half(float a) { return _cvtss_sh(a, _MM_FROUND_TO_NEAREST_INT); }
#else
static inline float half_to_float(unsigned short a) {
    const unsigned sign = (a & 0x8000u) << 16, exponent = a >> 10 & 31u, fraction = a & 0x3ffu;
    float magnitude;
    if (exponent == 31u) magnitude = fraction ? NAN : INFINITY;
    else if (exponent == 0u) magnitude = ldexpf(float(fraction), -24);
    else magnitude = ldexpf(float(fraction | 0x400u), int(exponent) - 25);
    return sign ? -magnitude : magnitude;
}
static inline unsigned short float_to_half(float a) {
    const unsigned sign = std::signbit(a) ? 0x8000u : 0u;
    if (a != a) return (unsigned short)(sign | 0x7e00u);
    const float magnitude = fabsf(a);
    if (magnitude >= 65520.0f) return (unsigned short)(sign | 0x7c00u);
    int exponent;
    frexpf(magnitude, &exponent);
    // Units of the last place, of which there are 2^24 below the smallest normal number's.
    const int last = exponent < -13 ? -24 : exponent - 11;
    const unsigned units = unsigned(rintf(ldexpf(magnitude, -last)));
    // A carry out of the fraction raises the exponent, as it should.
    return (unsigned short)(sign | (unsigned(last + 24) << 10) + units);
}
#endif
#define NAGA_CUDA_HALF_2(name, op)                                                                    \
    static inline unsigned short half_##name(unsigned short a, unsigned short b) {                    \
        return float_to_half(half_to_float(a) op half_to_float(b));                                   \
    }                                                                                                 \
    static inline unsigned half2_##name(unsigned a, unsigned b) {                                     \
        const unsigned low = half_##name((unsigned short)a, (unsigned short)b);                       \
        return low | unsigned(half_##name((unsigned short)(a >> 16), (unsigned short)(b >> 16))) << 16; \
    }
NAGA_CUDA_HALF_2(add, +)
NAGA_CUDA_HALF_2(sub, -)
NAGA_CUDA_HALF_2(mul, *)
// In double, the product is exact and the sum nearly so.
static inline unsigned short half_fma(unsigned short a, unsigned short b, unsigned short c) {
    return float_to_half(float(double(half_to_float(a)) * half_to_float(b) + half_to_float(c)));
}
static inline unsigned half2_fma(unsigned a, unsigned b, unsigned c) {
    const unsigned low = half_fma((unsigned short)a, (unsigned short)b, (unsigned short)c);
    return low | unsigned(half_fma((unsigned short)(a >> 16), (unsigned short)(b >> 16), (unsigned short)(c >> 16))) << 16;
}

// The warp's matrices, as the PTX ISA has them: see device.cuh.
template<bool TRANSPOSED> static inline void load_matrices(unsigned r[4], const void* row) {
    const simt::Exchange& shared = simt::exchange(row);
    const unsigned lane = lane_index();
    for (unsigned i = 0; i < 4; i++) {
        unsigned short pair[2];
        for (unsigned j = 0; j < 2; j++) {
            const unsigned of_row = TRANSPOSED ? lane % 4 * 2 + j : lane / 4;
            const unsigned of_column = TRANSPOSED ? lane / 4 : lane % 4 * 2 + j;
            const auto* from = simt::slot<const unsigned short*>(shared, i * 8 + of_row);
            memcpy(&pair[j], from + of_column, 2);
        }
        r[i] = pair[0] | unsigned(pair[1]) << 16;
    }
}
static inline void multiply_matrices(float c[4], const unsigned a[4], const unsigned b[2]) {
    struct Fragments { unsigned a[4], b[2]; };
    Fragments own = {{a[0], a[1], a[2], a[3]}, {b[0], b[1]}};
    const simt::Exchange& shared = simt::exchange(own);
    const unsigned lane = lane_index();
    for (unsigned i = 0; i < 4; i++) {
        const unsigned column = lane % 4 * 2 + i % 2;
        float sum = c[i];
        for (unsigned k = 0; k < 16; k++) {
            const auto of_a = simt::slot<Fragments>(shared, lane / 4 * 4 + k % 8 / 2);
            const auto of_b = simt::slot<Fragments>(shared, column * 4 + k % 8 / 2);
            const unsigned pair_a = of_a.a[k / 8 * 2 + i / 2], pair_b = of_b.b[k / 8];
            sum += half_to_float((unsigned short)(pair_a >> k % 2 * 16))
                 * half_to_float((unsigned short)(pair_b >> k % 2 * 16));
        }
        c[i] = sum;
    }
}
