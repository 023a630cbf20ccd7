//! Times the GEMMs of MiniLM and DINOv2 layers with every tile, in f32, f16 and int8 and on matrix units, so that the row
//! limits of `Target::new` can be set for an adapter: `cargo run -p heatseek-gpu --example tiles -- [ADAPTER] [ROWS]`.
//!
//! Prints one JSON object a line. heatseek-cuda's example `cuda_tiles` does the same through CUDA.

mod gemms;

use std::error::Error;

use heatseek_gpu::{AdapterChoice, GpuDevice, GpuExecutor, GpuOptions};
use heatseek_ops::{Dtype, PlanOptions};
use heatseek_wgsl::Target;
use pollster::block_on;

fn main() -> Result<(), Box<dyn Error>> {
    let adapter = std::env::args().nth(1).map_or(AdapterChoice::default(), AdapterChoice::Named);
    let most = std::env::args().nth(2).map_or(Ok(usize::MAX), |rows| rows.parse())?;
    let device = block_on(GpuDevice::request(GpuOptions { adapter, refuse_software: false }))?;
    let own = device.target(Dtype::F32);
    println!("{{\"adapter\": {:?}, \"target\": \"{own:?}\"}}", device.adapter().name);
    let mut kinds = vec![("f32", Dtype::F32, false)];
    kinds.extend(device.stores(Dtype::F16).then_some(("f16", Dtype::F16, false)));
    kinds.extend(device.stores(Dtype::Int8).then_some(("int8", Dtype::Int8, false)));
    kinds.extend(own.matrix_units.then_some(("matrix", Dtype::F16, true)));
    for (name, gemm) in gemms::shapes() {
        for rows in gemms::ROWS.into_iter().filter(|rows| *rows <= most) {
            let batch = gemms::batch(&gemm, rows)?;
            let mut exact = None;
            for &(kind, dtype, matrix_units) in &kinds {
                for tile in gemms::TILES {
                    let Some(target) = gemms::with_tile(Target { matrix_units, ..own }, tile) else {
                        continue;
                    };
                    let executor = GpuExecutor::new(device.clone().with_target(target));
                    let options = PlanOptions { expected_rows: rows, dtype, ..PlanOptions::default() };
                    gemms::report((name, gemm), (kind, tile.0), &batch, &mut exact, |program| {
                        Ok(Box::new(block_on(executor.plan(program, options))?))
                    })?;
                }
            }
        }
    }
    Ok(())
}
