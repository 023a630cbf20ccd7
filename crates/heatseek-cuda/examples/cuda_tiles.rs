//! Times the GEMMs of MiniLM layers with every tile through CUDA, in f32, in f16 and on matrix units:
//! `cargo run -p heatseek-cuda --example cuda_tiles -- [NAME] [ROWS]`, as heatseek-gpu's example `tiles` does on any adapter.

#[path = "../../heatseek-gpu/examples/tiles/gemms.rs"]
mod gemms;

use std::error::Error;

use heatseek_cuda::{CudaDevice, CudaExecutor, CudaOptions};
use heatseek_ops::{Dtype, PlanOptions};
use heatseek_wgsl::Target;

fn main() -> Result<(), Box<dyn Error>> {
    let name = std::env::args().nth(1);
    let most = std::env::args().nth(2).map_or(Ok(usize::MAX), |rows| rows.parse())?;
    let device = CudaDevice::request(&CudaOptions { name })?;
    let own = device.target(Dtype::F32);
    println!("{{\"adapter\": {:?}, \"target\": \"{own:?}\"}}", device.report().name);
    for (name, gemm) in gemms::shapes() {
        for rows in gemms::ROWS.into_iter().filter(|rows| *rows <= most) {
            let batch = gemms::batch(&gemm, rows)?;
            let mut exact = None;
            for (kind, dtype) in [("f32", Dtype::F32), ("matrix", Dtype::F16)] {
                for tile in gemms::TILES {
                    let matrix_units = own.matrix_units && dtype == Dtype::F16;
                    let Some(target) = gemms::with_tile(Target { matrix_units, ..own }, tile) else {
                        continue;
                    };
                    let executor = CudaExecutor::new(device.clone().with_target(target));
                    let options = PlanOptions { expected_rows: rows, dtype, ..PlanOptions::default() };
                    gemms::report((name, gemm), (kind, tile.0), &batch, &mut exact, |program| {
                        Ok(Box::new(executor.plan(program, options)?))
                    })?;
                }
            }
        }
    }
    Ok(())
}
