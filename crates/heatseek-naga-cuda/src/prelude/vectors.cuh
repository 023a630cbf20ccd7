// Vectors, aligned as in WGSL: but a vec3 only as its scalar, for it is followed closely. What pads it is the struct's or
// the array's.
#ifndef NAGA_CUDA_VECTORS
#define NAGA_CUDA_VECTORS

template<class T> struct alignas(2 * sizeof(T)) vec2 { T x, y; };
template<class T> struct vec3 { T x, y, z; };
template<class T> struct alignas(4 * sizeof(T)) vec4 { T x, y, z, w; };

template<class T> DEVICE vec2<T> splat2(T a) { return {a, a}; }
template<class T> DEVICE vec3<T> splat3(T a) { return {a, a, a}; }
template<class T> DEVICE vec4<T> splat4(T a) { return {a, a, a, a}; }

// From scalars and shorter vectors.
template<class T> DEVICE vec2<T> make_vec2(T x, T y) { return {x, y}; }
template<class T> DEVICE vec3<T> make_vec3(T x, T y, T z) { return {x, y, z}; }
template<class T> DEVICE vec3<T> make_vec3(vec2<T> a, T z) { return {a.x, a.y, z}; }
template<class T> DEVICE vec3<T> make_vec3(T x, vec2<T> a) { return {x, a.x, a.y}; }
template<class T> DEVICE vec4<T> make_vec4(T x, T y, T z, T w) { return {x, y, z, w}; }
template<class T> DEVICE vec4<T> make_vec4(vec2<T> a, T z, T w) { return {a.x, a.y, z, w}; }
template<class T> DEVICE vec4<T> make_vec4(T x, vec2<T> a, T w) { return {x, a.x, a.y, w}; }
template<class T> DEVICE vec4<T> make_vec4(T x, T y, vec2<T> a) { return {x, y, a.x, a.y}; }
template<class T> DEVICE vec4<T> make_vec4(vec2<T> a, vec2<T> b) { return {a.x, a.y, b.x, b.y}; }
template<class T> DEVICE vec4<T> make_vec4(vec3<T> a, T w) { return {a.x, a.y, a.z, w}; }
template<class T> DEVICE vec4<T> make_vec4(T x, vec3<T> a) { return {x, a.x, a.y, a.z}; }

// A component by number. Chosen rather than addressed, so that the vector stays in registers. One that does not exist is
// the last.
template<class T> DEVICE T component(vec2<T> a, u32 i) { return i == 0u ? a.x : a.y; }
template<class T> DEVICE T component(vec3<T> a, u32 i) { return i == 0u ? a.x : i == 1u ? a.y : a.z; }
template<class T> DEVICE T component(vec4<T> a, u32 i) {
    return i == 0u ? a.x : i == 1u ? a.y : i == 2u ? a.z : a.w;
}

template<class T> DEVICE void set_component(vec2<T>& a, u32 i, T value) {
    a.x = i == 0u ? value : a.x;
    a.y = i == 1u ? value : a.y;
}
template<class T> DEVICE void set_component(vec3<T>& a, u32 i, T value) {
    a.x = i == 0u ? value : a.x;
    a.y = i == 1u ? value : a.y;
    a.z = i == 2u ? value : a.z;
}
template<class T> DEVICE void set_component(vec4<T>& a, u32 i, T value) {
    a.x = i == 0u ? value : a.x;
    a.y = i == 1u ? value : a.y;
    a.z = i == 2u ? value : a.z;
    a.w = i == 3u ? value : a.w;
}

// Components by constant number, in any order.
template<u32 I, class V> DEVICE auto component_at(V a) {
    if constexpr (I == 0) return a.x;
    else if constexpr (I == 1) return a.y;
    else if constexpr (I == 2) return a.z;
    else return a.w;
}
template<u32 I, u32 J, class V> DEVICE auto swizzle(V a) {
    return vec2<decltype(a.x)>{component_at<I>(a), component_at<J>(a)};
}
template<u32 I, u32 J, u32 K, class V> DEVICE auto swizzle(V a) {
    return vec3<decltype(a.x)>{component_at<I>(a), component_at<J>(a), component_at<K>(a)};
}
template<u32 I, u32 J, u32 K, u32 L, class V> DEVICE auto swizzle(V a) {
    return vec4<decltype(a.x)>{component_at<I>(a), component_at<J>(a), component_at<K>(a), component_at<L>(a)};
}

// Functions of scalars, component by component.
#define NAGA_CUDA_MAP_1(name)                                                                          \
    template<class T> DEVICE auto name(vec2<T> a) {                                                    \
        return vec2<decltype(name(a.x))>{name(a.x), name(a.y)};                                        \
    }                                                                                                  \
    template<class T> DEVICE auto name(vec3<T> a) {                                                    \
        return vec3<decltype(name(a.x))>{name(a.x), name(a.y), name(a.z)};                             \
    }                                                                                                  \
    template<class T> DEVICE auto name(vec4<T> a) {                                                    \
        return vec4<decltype(name(a.x))>{name(a.x), name(a.y), name(a.z), name(a.w)};                  \
    }
#define NAGA_CUDA_MAP_2(name)                                                                          \
    template<class T, class U> DEVICE vec2<T> name(vec2<T> a, vec2<U> b) {                             \
        return {name(a.x, b.x), name(a.y, b.y)};                                                       \
    }                                                                                                  \
    template<class T, class U> DEVICE vec3<T> name(vec3<T> a, vec3<U> b) {                             \
        return {name(a.x, b.x), name(a.y, b.y), name(a.z, b.z)};                                       \
    }                                                                                                  \
    template<class T, class U> DEVICE vec4<T> name(vec4<T> a, vec4<U> b) {                             \
        return {name(a.x, b.x), name(a.y, b.y), name(a.z, b.z), name(a.w, b.w)};                       \
    }
#define NAGA_CUDA_MAP_3(name)                                                                          \
    template<class T> DEVICE vec2<T> name(vec2<T> a, vec2<T> b, vec2<T> c) {                           \
        return {name(a.x, b.x, c.x), name(a.y, b.y, c.y)};                                             \
    }                                                                                                  \
    template<class T> DEVICE vec3<T> name(vec3<T> a, vec3<T> b, vec3<T> c) {                           \
        return {name(a.x, b.x, c.x), name(a.y, b.y, c.y), name(a.z, b.z, c.z)};                        \
    }                                                                                                  \
    template<class T> DEVICE vec4<T> name(vec4<T> a, vec4<T> b, vec4<T> c) {                           \
        return {name(a.x, b.x, c.x), name(a.y, b.y, c.y), name(a.z, b.z, c.z), name(a.w, b.w, c.w)};   \
    }

#endif
