// f16. Sums and products are rounded once, to f16; the rest is computed in f32 and rounded.
#ifndef NAGA_CUDA_HALF
#define NAGA_CUDA_HALF

struct f16 { u16 bits; };

DEVICE f32 to_f32(f16 a) { return half_to_float(a.bits); }
DEVICE f16 to_f16(f32 a) { return f16{float_to_half(a)}; }

DEVICE f16 operator+(f16 a, f16 b) { return f16{half_add(a.bits, b.bits)}; }
DEVICE f16 operator-(f16 a, f16 b) { return f16{half_sub(a.bits, b.bits)}; }
DEVICE f16 operator*(f16 a, f16 b) { return f16{half_mul(a.bits, b.bits)}; }
DEVICE f16 divide(f16 a, f16 b) { return to_f16(divide(to_f32(a), to_f32(b))); }
DEVICE f16 operator-(f16 a) { return f16{u16(a.bits ^ 0x8000)}; }
DEVICE f16 modulo(f16 a, f16 b) { return to_f16(fmodf(to_f32(a), to_f32(b))); }

DEVICE bool operator==(f16 a, f16 b) { return to_f32(a) == to_f32(b); }
DEVICE bool operator!=(f16 a, f16 b) { return to_f32(a) != to_f32(b); }
DEVICE bool operator<(f16 a, f16 b) { return to_f32(a) < to_f32(b); }
DEVICE bool operator<=(f16 a, f16 b) { return to_f32(a) <= to_f32(b); }
DEVICE bool operator>(f16 a, f16 b) { return to_f32(a) > to_f32(b); }
DEVICE bool operator>=(f16 a, f16 b) { return to_f32(a) >= to_f32(b); }

#endif
