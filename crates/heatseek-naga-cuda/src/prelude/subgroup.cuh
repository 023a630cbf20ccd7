// Subgroup operations, by a warp. `lanes` are those that take part: all that the block has.
#ifndef NAGA_CUDA_SUBGROUP
#define NAGA_CUDA_SUBGROUP

#define ALL_LANES 0xffffffffu

// The lanes of the warp of `thread`, in a block that does not fill its last warp.
DEVICE u32 lanes_of(u32 thread, u32 threads) {
    const u32 left = threads - thread / 32u * 32u;
    return left >= 32u ? ALL_LANES : (1u << left) - 1u;
}

// The value of lane `from`, which is taken modulo the warp.
DEVICE u32 shuffle(u32 lanes, u32 a, u32 from) { return __shfl_sync(lanes, a, i32(from & 31u)); }
DEVICE i32 shuffle(u32 lanes, i32 a, u32 from) { return i32(shuffle(lanes, u32(a), from)); }
DEVICE f32 shuffle(u32 lanes, f32 a, u32 from) { return bit_cast<f32>(shuffle(lanes, bit_cast<u32>(a), from)); }
DEVICE f16 shuffle(u32 lanes, f16 a, u32 from) { return f16{u16(shuffle(lanes, u32(a.bits), from))}; }
DEVICE bool shuffle(u32 lanes, bool a, u32 from) { return shuffle(lanes, u32(a), from) != 0u; }
template<class T> DEVICE vec2<T> shuffle(u32 lanes, vec2<T> a, u32 from) {
    return {shuffle(lanes, a.x, from), shuffle(lanes, a.y, from)};
}
template<class T> DEVICE vec3<T> shuffle(u32 lanes, vec3<T> a, u32 from) {
    return {shuffle(lanes, a.x, from), shuffle(lanes, a.y, from), shuffle(lanes, a.z, from)};
}
template<class T> DEVICE vec4<T> shuffle(u32 lanes, vec4<T> a, u32 from) {
    return {shuffle(lanes, a.x, from), shuffle(lanes, a.y, from), shuffle(lanes, a.z, from), shuffle(lanes, a.w, from)};
}

NAGA_CUDA_MAP_2(sum_of)
NAGA_CUDA_MAP_2(product_of)
struct Sum { template<class T> static DEVICE T of(T a, T b) { return sum_of(a, b); } };
struct Product { template<class T> static DEVICE T of(T a, T b) { return product_of(a, b); } };
struct Minimum { template<class T> static DEVICE T of(T a, T b) { return wgsl_min(a, b); } };
struct Maximum { template<class T> static DEVICE T of(T a, T b) { return wgsl_max(a, b); } };
struct And { template<class T> static DEVICE T of(T a, T b) { return a & b; } };
struct Or { template<class T> static DEVICE T of(T a, T b) { return a | b; } };
struct Xor { template<class T> static DEVICE T of(T a, T b) { return a ^ b; } };

// Of all lanes, for each of them.
template<class Op, class T> DEVICE T reduce(u32 lanes, T a) {
    if (lanes == ALL_LANES) {
        for (u32 step = 16u; step > 0u; step /= 2u) a = Op::of(a, shuffle(lanes, a, lane_index() ^ step));
        return a;
    }
    T total = shuffle(lanes, a, 0u);
    for (u32 lane = 1u; (lanes >> lane) & 1u; lane++) total = Op::of(total, shuffle(lanes, a, lane));
    return total;
}

// Of the lanes up to this one.
template<class Op, class T> DEVICE T inclusive_scan(u32 lanes, u32 lane, T a) {
    for (u32 step = 1u; step < 32u; step *= 2u) {
        const T below = shuffle(lanes, a, lane - step);
        if (lane >= step) a = Op::of(below, a);
    }
    return a;
}

// Of the lanes before this one: the first gets what changes nothing.
template<class Op> struct Neutral { static const int value = 0; };
template<> struct Neutral<Product> { static const int value = 1; };
DEVICE void set_all(u32& a, int value) { a = u32(value); }
DEVICE void set_all(i32& a, int value) { a = value; }
DEVICE void set_all(f32& a, int value) { a = f32(value); }
DEVICE void set_all(f16& a, int value) { a = to_f16(f32(value)); }
template<class T> DEVICE void set_all(vec2<T>& a, int value) { set_all(a.x, value); set_all(a.y, value); }
template<class T> DEVICE void set_all(vec3<T>& a, int value) {
    set_all(a.x, value);
    set_all(a.y, value);
    set_all(a.z, value);
}
template<class T> DEVICE void set_all(vec4<T>& a, int value) {
    set_all(a.x, value);
    set_all(a.y, value);
    set_all(a.z, value);
    set_all(a.w, value);
}
template<class Op, class T> DEVICE T exclusive_scan(u32 lanes, u32 lane, T a) {
    T before = shuffle(lanes, inclusive_scan<Op>(lanes, lane, a), lane - 1u);
    if (lane == 0u) set_all(before, Neutral<Op>::value);
    return before;
}

#endif
