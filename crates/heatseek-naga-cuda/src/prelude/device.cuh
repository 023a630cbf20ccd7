// What a GPU alone can do, as PTX where CUDA has no builtin: headers are not at hand where NVRTC compiles.
#ifndef NAGA_CUDA_DEVICE
#define NAGA_CUDA_DEVICE

#define DEVICE __device__ __forceinline__
// Memory that is only read is fetched whenever it suits, unless who compiles defines this as nothing: then behind the
// barriers that it stands behind, with fewer registers in use.
#ifndef READ_ONLY
#define READ_ONLY __restrict__
#endif

// How many blocks are to be on a multiprocessor at once, and so how many registers there are, is ptxas's choice, unless
// who compiles defines BLOCKS.
#ifdef BLOCKS
#define KERNEL(threads) extern "C" __global__ void __launch_bounds__(threads, BLOCKS)
#else
#define KERNEL(threads) extern "C" __global__ void __launch_bounds__(threads)
#endif
// So few registers that two blocks fit: one works while the other waits at a barrier.
#define KERNEL_OF_TWO(threads) extern "C" __global__ void __launch_bounds__(threads, 2)

// Within 2, 2 and 1 units in the last place; those that round correctly call subroutines. Quotients for divisors from
// 2^-126 to 2^126, as WGSL has it, and powers that are no normal numbers are 0.
DEVICE float fast_divide(float a, float b) {
    float c;
    asm("rcp.approx.ftz.f32 %0, %1;" : "=f"(c) : "f"(b));
    return a * c;
}
DEVICE float fast_exp2(float a) {
    float c;
    asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(c) : "f"(a));
    return c;
}
DEVICE float fast_sqrt(float a) {
    float c;
    asm("sqrt.approx.f32 %0, %1;" : "=f"(c) : "f"(a));
    return c;
}

// f16 as its 16 bits.
DEVICE float half_to_float(unsigned short a) {
    float f;
    asm("cvt.f32.f16 %0, %1;" : "=f"(f) : "h"(a));
    return f;
}
DEVICE unsigned short float_to_half(float a) {
    unsigned short h;
    asm("cvt.rn.f16.f32 %0, %1;" : "=h"(h) : "f"(a));
    return h;
}
#define NAGA_CUDA_HALF_2(name, instruction)                                             \
    DEVICE unsigned short half_##name(unsigned short a, unsigned short b) {             \
        unsigned short c;                                                               \
        asm(instruction ".f16 %0, %1, %2;" : "=h"(c) : "h"(a), "h"(b));                 \
        return c;                                                                       \
    }                                                                                   \
    DEVICE unsigned half2_##name(unsigned a, unsigned b) {                              \
        unsigned c;                                                                     \
        asm(instruction ".f16x2 %0, %1, %2;" : "=r"(c) : "r"(a), "r"(b));               \
        return c;                                                                       \
    }
NAGA_CUDA_HALF_2(add, "add.rn")
NAGA_CUDA_HALF_2(sub, "sub.rn")
NAGA_CUDA_HALF_2(mul, "mul.rn")
DEVICE unsigned short half_fma(unsigned short a, unsigned short b, unsigned short c) {
    unsigned short d;
    asm("fma.rn.f16 %0, %1, %2, %3;" : "=h"(d) : "h"(a), "h"(b), "h"(c));
    return d;
}
DEVICE unsigned half2_fma(unsigned a, unsigned b, unsigned c) {
    unsigned d;
    asm("fma.rn.f16x2 %0, %1, %2, %3;" : "=r"(d) : "r"(a), "r"(b), "r"(c));
    return d;
}

DEVICE unsigned lane_index() {
    unsigned lane;
    asm("mov.u32 %0, %%laneid;" : "=r"(lane));
    return lane;
}

// Four 8 by 8 matrices of 16-bit elements from shared memory: lane l gives the address of row l % 8 of matrix l / 8,
// and gets of each matrix the elements 2 (l % 4) and 2 (l % 4) + 1 of row l / 4; of its transpose, if so asked. The
// barrier of the warp becomes no instruction: it keeps loads of global memory that come before from being put behind.
template<bool TRANSPOSED>
DEVICE void load_matrices(unsigned r[4], const void* row) {
    const unsigned at = (unsigned)__cvta_generic_to_shared(row);
    if constexpr (TRANSPOSED) {
        asm volatile("bar.warp.sync 0xffffffff;\n"
                     "ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
                     : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3]) : "r"(at) : "memory");
    } else {
        asm volatile("bar.warp.sync 0xffffffff;\n"
                     "ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
                     : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3]) : "r"(at) : "memory");
    }
}

// c += a b, for a of 16 by 16, b of 16 by 8, in the layout of PTX ISA, "Matrix Fragments for mma.m16n8k16". Before
// sm_80 it is two of half the depth, whose fragments are halves of these.
DEVICE void multiply_matrices(float c[4], const unsigned a[4], const unsigned b[2]) {
#if __CUDA_ARCH__ >= 800
    asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 "
                 "{%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
                 : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
#else
    for (int half = 0; half < 2; half++) {
        asm volatile("mma.sync.aligned.m16n8k8.row.col.f32.f16.f16.f32 "
                     "{%0, %1, %2, %3}, {%4, %5}, {%6}, {%0, %1, %2, %3};"
                     : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
                     : "r"(a[2 * half]), "r"(a[2 * half + 1]), "r"(b[half]));
    }
#endif
}

#endif
