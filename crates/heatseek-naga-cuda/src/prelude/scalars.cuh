// The scalars of WGSL, with what C++ leaves open and WGSL defines.
#ifndef NAGA_CUDA_SCALARS
#define NAGA_CUDA_SCALARS

typedef unsigned char u8;
typedef unsigned short u16;
typedef int i32;
typedef unsigned u32;
typedef float f32;

template<class A, class B> struct IsSame { static const bool value = false; };
template<class A> struct IsSame<A, A> { static const bool value = true; };

// The bits of a value as another type of the same size.
template<class To, class From> DEVICE To bit_cast(From from) {
    static_assert(sizeof(To) == sizeof(From), "a bit cast keeps the size");
    To to;
    memcpy(&to, &from, sizeof(To));
    return to;
}

// Signed integers wrap around.
DEVICE i32 wrap_add(i32 a, i32 b) { return i32(u32(a) + u32(b)); }
DEVICE i32 wrap_sub(i32 a, i32 b) { return i32(u32(a) - u32(b)); }
DEVICE i32 wrap_mul(i32 a, i32 b) { return i32(u32(a) * u32(b)); }
DEVICE i32 wrap_neg(i32 a) { return i32(0u - u32(a)); }

// x / 0 is x and x % 0 is 0; so with the one quotient that does not fit, of the lowest number and -1.
DEVICE u32 divide(u32 a, u32 b) { return b == 0u ? a : a / b; }
DEVICE u32 modulo(u32 a, u32 b) { return b == 0u ? 0u : a % b; }
DEVICE i32 divide(i32 a, i32 b) {
    return b == 0 ? a : b == -1 ? wrap_neg(a) : a / b;
}
DEVICE f32 divide(f32 a, f32 b) { return fast_divide(a, b); }
DEVICE i32 modulo(i32 a, i32 b) { return b == 0 || b == -1 ? 0 : a % b; }
// Of the sign of a.
DEVICE f32 modulo(f32 a, f32 b) { return fmodf(a, b); }

// By as many bits as the lowest five of b say.
DEVICE u32 shift_left(u32 a, u32 b) { return a << (b & 31u); }
DEVICE i32 shift_left(i32 a, u32 b) { return i32(u32(a) << (b & 31u)); }
DEVICE u32 shift_right(u32 a, u32 b) { return a >> (b & 31u); }
DEVICE i32 shift_right(i32 a, u32 b) { return a >> (b & 31u); }

DEVICE bool both(bool a, bool b) { return a & b; }
DEVICE bool either(bool a, bool b) { return a | b; }
DEVICE bool all_of(bool a) { return a; }
DEVICE bool any_of(bool a) { return a; }

template<class T> DEVICE T pick(bool condition, T accept, T reject) { return condition ? accept : reject; }

#endif
