// The one uniform of every kernel: what changes from call to call. Twin of `Params` in src/params.rs.
struct Params {
    rows: u32,      // rows the op works on
    sequences: u32, // sequences of the batch
    tiles: u32,     // attention tiles of the batch
    longest: u32,   // rows of the longest sequence of the batch
    residual: f32,  // share of the residual connection in a step of a rollout
}
