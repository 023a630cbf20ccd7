// Cooperative matrices of 16 by 16, spread over a warp as `mma.m16n8k16` wants them: a lane holds pairs of neighbours.
// With row = lane / 4 and pair = 2 (lane % 4), register i of
//   A: rows row + 8 (i % 2), columns pair + 8 (i / 2) and the next;
//   B: rows pair + 8 (i % 2) and the next, column row + 8 (i / 2);
//   C: row row + 8 (i / 2 % 2), column pair + 8 (i / 4) + i % 2.
// Addresses are multiples of 16 bytes, and so are strides.
#ifndef NAGA_CUDA_MATRIX
#define NAGA_CUDA_MATRIX

struct MatrixA { u32 r[4]; };
struct MatrixB { u32 r[4]; };
struct MatrixC { f32 r[8]; };

// Where an element is.
struct RowMajor { static DEVICE u32 at(u32 row, u32 column, u32 stride) { return row * stride + column; } };
struct ColumnMajor { static DEVICE u32 at(u32 row, u32 column, u32 stride) { return column * stride + row; } };

// Two f16, of which the second is `step` elements on. Those side by side are one load.
template<bool ADJACENT> DEVICE u32 load_pair(const f16* from, u32 step) {
    if constexpr (ADJACENT) return *(const u32*)from;
    else return u32(from[0].bits) | u32(from[step].bits) << 16;
}

template<class Order> DEVICE MatrixA load_a(const f16* from, u32 stride) {
    const u32 row = lane_index() / 4u, pair = lane_index() % 4u * 2u;
    constexpr bool adjacent = IsSame<Order, RowMajor>::value;
    MatrixA a;
    for (u32 i = 0u; i < 4u; i++) {
        const u32 at = Order::at(row + i % 2u * 8u, pair + i / 2u * 8u, stride);
        a.r[i] = load_pair<adjacent>(from + at, Order::at(0u, 1u, stride));
    }
    return a;
}

template<class Order> DEVICE MatrixB load_b(const f16* from, u32 stride) {
    const u32 column = lane_index() / 4u, pair = lane_index() % 4u * 2u;
    constexpr bool adjacent = IsSame<Order, ColumnMajor>::value;
    MatrixB b;
    for (u32 i = 0u; i < 4u; i++) {
        const u32 at = Order::at(pair + i % 2u * 8u, column + i / 2u * 8u, stride);
        b.r[i] = load_pair<adjacent>(from + at, Order::at(1u, 0u, stride));
    }
    return b;
}

// From shared memory. A lane gives the place of one row of one of the four 8 by 8 quarters; a row of memory is a row of
// the matrix or, transposed, a column.
template<class Order> DEVICE MatrixA load_a_shared(const f16* from, u32 stride) {
    const u32 within = lane_index() % 8u, quarter = lane_index() / 8u;
    const u32 row = quarter % 2u * 8u, column = quarter / 2u * 8u;
    constexpr bool transposed = IsSame<Order, ColumnMajor>::value;
    MatrixA a;
    load_matrices<transposed>(a.r, from + (transposed ? (column + within) * stride + row : (row + within) * stride + column));
    return a;
}

template<class Order> DEVICE MatrixB load_b_shared(const f16* from, u32 stride) {
    const u32 within = lane_index() % 8u, quarter = lane_index() / 8u;
    const u32 row = quarter % 2u * 8u, column = quarter / 2u * 8u;
    constexpr bool transposed = IsSame<Order, RowMajor>::value;
    MatrixB b;
    load_matrices<transposed>(b.r, from + (transposed ? (row + within) * stride + column : (column + within) * stride + row));
    return b;
}

// Where register i of a C is.
template<class Order> DEVICE u32 place_in_c(u32 i, u32 stride) {
    const u32 row = lane_index() / 4u, pair = lane_index() % 4u * 2u;
    return Order::at(row + i / 2u % 2u * 8u, pair + i / 4u * 8u + i % 2u, stride);
}

template<class Order> DEVICE MatrixC load_c(const f32* from, u32 stride) {
    MatrixC c;
    for (u32 i = 0u; i < 8u; i++) c.r[i] = from[place_in_c<Order>(i, stride)];
    return c;
}

template<class Order> DEVICE void store_c(MatrixC c, f32* to, u32 stride) {
    if constexpr (IsSame<Order, RowMajor>::value) {
        // A pair at once.
        for (u32 i = 0u; i < 8u; i += 2u) *(vec2<f32>*)(to + place_in_c<Order>(i, stride)) = {c.r[i], c.r[i + 1u]};
    } else {
        for (u32 i = 0u; i < 8u; i++) to[place_in_c<Order>(i, stride)] = c.r[i];
    }
}

// a b + c
DEVICE MatrixC multiply_add(MatrixA a, MatrixB b, MatrixC c) {
    multiply_matrices(c.r, a.r, b.r);
    multiply_matrices(c.r + 4, a.r, b.r + 2);
    return c;
}

#endif
