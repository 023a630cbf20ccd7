// Operators of vectors.
#ifndef NAGA_CUDA_OPERATORS
#define NAGA_CUDA_OPERATORS

// Of two vectors, and of a vector and a scalar; `R` is what a component of the result is.
#define NAGA_CUDA_OPERATOR(op, R)                                                                               \
    template<class T> DEVICE vec2<R> operator op(vec2<T> a, vec2<T> b) {                                        \
        return {R(a.x op b.x), R(a.y op b.y)};                                                                  \
    }                                                                                                           \
    template<class T> DEVICE vec3<R> operator op(vec3<T> a, vec3<T> b) {                                        \
        return {R(a.x op b.x), R(a.y op b.y), R(a.z op b.z)};                                                   \
    }                                                                                                           \
    template<class T> DEVICE vec4<R> operator op(vec4<T> a, vec4<T> b) {                                        \
        return {R(a.x op b.x), R(a.y op b.y), R(a.z op b.z), R(a.w op b.w)};                                    \
    }
#define NAGA_CUDA_SCALED(op)                                                                                    \
    template<class T> DEVICE vec2<T> operator op(vec2<T> a, T b) { return a op splat2(b); }                     \
    template<class T> DEVICE vec3<T> operator op(vec3<T> a, T b) { return a op splat3(b); }                     \
    template<class T> DEVICE vec4<T> operator op(vec4<T> a, T b) { return a op splat4(b); }                     \
    template<class T> DEVICE vec2<T> operator op(T a, vec2<T> b) { return splat2(a) op b; }                     \
    template<class T> DEVICE vec3<T> operator op(T a, vec3<T> b) { return splat3(a) op b; }                     \
    template<class T> DEVICE vec4<T> operator op(T a, vec4<T> b) { return splat4(a) op b; }
#define NAGA_CUDA_UNARY(op)                                                                                     \
    template<class T> DEVICE vec2<T> operator op(vec2<T> a) { return {T(op a.x), T(op a.y)}; }                  \
    template<class T> DEVICE vec3<T> operator op(vec3<T> a) { return {T(op a.x), T(op a.y), T(op a.z)}; }       \
    template<class T> DEVICE vec4<T> operator op(vec4<T> a) {                                                   \
        return {T(op a.x), T(op a.y), T(op a.z), T(op a.w)};                                                    \
    }

NAGA_CUDA_OPERATOR(+, T)
NAGA_CUDA_OPERATOR(-, T)
NAGA_CUDA_OPERATOR(*, T)
NAGA_CUDA_OPERATOR(&, T)
NAGA_CUDA_OPERATOR(|, T)
NAGA_CUDA_OPERATOR(^, T)
NAGA_CUDA_OPERATOR(==, bool)
NAGA_CUDA_OPERATOR(!=, bool)
NAGA_CUDA_OPERATOR(<, bool)
NAGA_CUDA_OPERATOR(<=, bool)
NAGA_CUDA_OPERATOR(>, bool)
NAGA_CUDA_OPERATOR(>=, bool)
NAGA_CUDA_SCALED(+)
NAGA_CUDA_SCALED(-)
NAGA_CUDA_SCALED(*)
NAGA_CUDA_UNARY(-)
NAGA_CUDA_UNARY(~)
NAGA_CUDA_UNARY(!)

NAGA_CUDA_MAP_2(wrap_add)
NAGA_CUDA_MAP_2(wrap_sub)
NAGA_CUDA_MAP_2(wrap_mul)
NAGA_CUDA_MAP_1(wrap_neg)
NAGA_CUDA_MAP_2(divide)
template<class T> DEVICE vec2<T> divide(vec2<T> a, T b) { return divide(a, splat2(b)); }
template<class T> DEVICE vec3<T> divide(vec3<T> a, T b) { return divide(a, splat3(b)); }
template<class T> DEVICE vec4<T> divide(vec4<T> a, T b) { return divide(a, splat4(b)); }
NAGA_CUDA_MAP_2(modulo)
NAGA_CUDA_MAP_2(shift_left)
NAGA_CUDA_MAP_2(shift_right)
NAGA_CUDA_MAP_2(both)
NAGA_CUDA_MAP_2(either)
template<class T> DEVICE vec2<T> wrap_mul(vec2<T> a, T b) { return wrap_mul(a, splat2(b)); }
template<class T> DEVICE vec3<T> wrap_mul(vec3<T> a, T b) { return wrap_mul(a, splat3(b)); }
template<class T> DEVICE vec4<T> wrap_mul(vec4<T> a, T b) { return wrap_mul(a, splat4(b)); }
template<class T> DEVICE vec2<T> wrap_mul(T a, vec2<T> b) { return wrap_mul(splat2(a), b); }
template<class T> DEVICE vec3<T> wrap_mul(T a, vec3<T> b) { return wrap_mul(splat3(a), b); }
template<class T> DEVICE vec4<T> wrap_mul(T a, vec4<T> b) { return wrap_mul(splat4(a), b); }

DEVICE bool all_of(vec2<bool> a) { return a.x & a.y; }
DEVICE bool all_of(vec3<bool> a) { return a.x & a.y & a.z; }
DEVICE bool all_of(vec4<bool> a) { return a.x & a.y & a.z & a.w; }
DEVICE bool any_of(vec2<bool> a) { return a.x | a.y; }
DEVICE bool any_of(vec3<bool> a) { return a.x | a.y | a.z; }
DEVICE bool any_of(vec4<bool> a) { return a.x | a.y | a.z | a.w; }

template<class T> DEVICE vec2<T> pick(vec2<bool> c, vec2<T> a, vec2<T> r) {
    return {pick(c.x, a.x, r.x), pick(c.y, a.y, r.y)};
}
template<class T> DEVICE vec3<T> pick(vec3<bool> c, vec3<T> a, vec3<T> r) {
    return {pick(c.x, a.x, r.x), pick(c.y, a.y, r.y), pick(c.z, a.z, r.z)};
}
template<class T> DEVICE vec4<T> pick(vec4<bool> c, vec4<T> a, vec4<T> r) {
    return {pick(c.x, a.x, r.x), pick(c.y, a.y, r.y), pick(c.z, a.z, r.z), pick(c.w, a.w, r.w)};
}

// Two f16 at once, which is one instruction.
#define NAGA_CUDA_HALF_PAIRS(op, name)                                                                          \
    DEVICE vec2<f16> operator op(vec2<f16> a, vec2<f16> b) {                                                    \
        return bit_cast<vec2<f16>>(half2_##name(bit_cast<u32>(a), bit_cast<u32>(b)));                           \
    }                                                                                                           \
    DEVICE vec4<f16> operator op(vec4<f16> a, vec4<f16> b) {                                                    \
        return make_vec4(vec2<f16>{a.x, a.y} op vec2<f16>{b.x, b.y}, vec2<f16>{a.z, a.w} op vec2<f16>{b.z, b.w}); \
    }
NAGA_CUDA_HALF_PAIRS(+, add)
NAGA_CUDA_HALF_PAIRS(-, sub)
NAGA_CUDA_HALF_PAIRS(*, mul)

#endif
