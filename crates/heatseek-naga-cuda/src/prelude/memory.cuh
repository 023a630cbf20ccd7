// Arrays, and memory that threads share.
#ifndef NAGA_CUDA_MEMORY
#define NAGA_CUDA_MEMORY

template<class T, u32 N> struct Array {
    T at[N];
    DEVICE T& operator[](u32 i) { return at[i]; }
    DEVICE const T& operator[](u32 i) const { return at[i]; }
};

// An element that lies `STRIDE` bytes from the next.
template<class T, u32 STRIDE> struct alignas(STRIDE) Padded {
    T value;
    Padded() = default;
    DEVICE Padded(T value) : value(value) {}
};

// A component by number where it lies, for what other threads see: a write leaves its neighbours alone.
template<class V> DEVICE auto& component_of(V& a, u32 i) { return (&a.x)[i]; }

// Relaxed, as in WGSL: never kept in a register.
template<class T> DEVICE T atomic_load(const T& place) { return *(const volatile T*)&place; }
template<class T> DEVICE void atomic_store(T& place, T value) { *(volatile T*)&place = value; }
DEVICE u32 atomic_subtract(u32* place, u32 value) { return atomicAdd(place, 0u - value); }
DEVICE i32 atomic_subtract(i32* place, i32 value) { return atomicAdd(place, wrap_neg(value)); }

// Zeros, written by all threads of a block, in the largest words that fill the variable. It is aligned for them.
template<u32 THREADS, class Word, class T> DEVICE void zero_words(T& variable, u32 thread) {
    for (u32 i = thread; i < sizeof(T) / sizeof(Word); i += THREADS) ((Word*)&variable)[i] = Word{};
}
template<u32 THREADS, class T> DEVICE void zero_shared(T& variable, u32 thread) {
    if constexpr (sizeof(T) % 16 == 0) zero_words<THREADS, vec4<u32>>(variable, thread);
    else if constexpr (sizeof(T) % 4 == 0) zero_words<THREADS, u32>(variable, thread);
    else zero_words<THREADS, u8>(variable, thread);
}

#endif
