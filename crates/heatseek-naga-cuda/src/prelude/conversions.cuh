// Conversions by value.
#ifndef NAGA_CUDA_CONVERSIONS
#define NAGA_CUDA_CONVERSIONS

// To integers: towards zero, and what is out of range becomes the nearest f32 within it, as in naga's other back-ends. A
// number that is none becomes the lowest.
DEVICE i32 to_i32(f32 a) { return i32(fminf(fmaxf(a, -2147483648.0f), 2147483520.0f)); }
DEVICE u32 to_u32(f32 a) { return u32(fminf(fmaxf(a, 0.0f), 4294967040.0f)); }

template<class To, class From> DEVICE To convert(From a) {
    if constexpr (IsSame<To, From>::value) return a;
    else if constexpr (IsSame<From, f16>::value) {
        // Infinity becomes the last f16 before it.
        if constexpr (IsSame<To, i32>::value) return to_i32(fminf(fmaxf(to_f32(a), -65504.0f), 65504.0f));
        else if constexpr (IsSame<To, u32>::value) return to_u32(fminf(to_f32(a), 65504.0f));
        else return convert<To>(to_f32(a));
    }
    else if constexpr (IsSame<To, bool>::value) return a != From(0);
    else if constexpr (IsSame<To, f16>::value) return to_f16(f32(a));
    else if constexpr (IsSame<From, f32>::value && IsSame<To, i32>::value) return to_i32(a);
    else if constexpr (IsSame<From, f32>::value && IsSame<To, u32>::value) return to_u32(a);
    else return To(a);
}
template<class To, class From> DEVICE vec2<To> convert(vec2<From> a) {
    return {convert<To>(a.x), convert<To>(a.y)};
}
template<class To, class From> DEVICE vec3<To> convert(vec3<From> a) {
    return {convert<To>(a.x), convert<To>(a.y), convert<To>(a.z)};
}
template<class To, class From> DEVICE vec4<To> convert(vec4<From> a) {
    return {convert<To>(a.x), convert<To>(a.y), convert<To>(a.z), convert<To>(a.w)};
}

#endif
