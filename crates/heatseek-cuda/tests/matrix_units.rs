//! What NVRTC makes of the largest tile of matrix units, without a GPU: it is as fast as it is only in registers.

use heatseek_naga_cuda::nvrtc::Nvrtc;
use heatseek_naga_cuda::{Options, translate_with};

/// The first GPUs with the instructions, and those that it was measured on.
const ARCHITECTURES: [&str; 2] = ["sm_80", "sm_90"];
/// Of every epilogue one, with what models store as f16.
const VARIANTS: [&str; 4] = ["", "_x16_add", "_x16_add_normalized", "_y16_norm_in_act"];
/// Bytes a thread may have on its stack: one number that is read once.
const FEW: u32 = 8;

/// The number before `what` in what ptxas says.
fn figure(log: &str, what: &str) -> u32 {
    let before = log.split(what).next().filter(|before| before.len() < log.len());
    let number = before.and_then(|before| before.trim_end().rsplit(' ').next()?.parse().ok());
    number.unwrap_or_else(|| panic!("no `{what}` in {log}"))
}

#[test]
fn the_largest_tile_stays_in_registers_and_fits_twice() {
    let nvrtc = match Nvrtc::get() {
        Ok(nvrtc) => nvrtc,
        Err(why) => {
            assert!(std::env::var_os("CI").is_none(), "{why}");
            return println!("NOT RUN: {why}");
        }
    };
    for variant in VARIANTS {
        let name = format!("gemm_f16_matrix_m128{variant}");
        let kernel = heatseek_wgsl::kernels().iter().find(|kernel| kernel.name == name).unwrap();
        let value = |name: &&'static str| match *name {
            "k" => (*name, 1536.0),
            "n" => (*name, 384.0),
            "eps" => (*name, 1e-12),
            "activation" => (*name, 1.0),
            other => panic!("{other}"),
        };
        let constants: Vec<_> = kernel.overrides.iter().map(value).collect();
        let options = Options { zero_workgroup_memory: false };
        let cuda = translate_with(kernel.source, kernel.entry_point, &constants, &options).unwrap();
        for architecture in ARCHITECTURES {
            let cubin = nvrtc.compile(&cuda.source, &name, architecture, &["--ptxas-options=-v"]).unwrap();
            let (stack, registers) =
                (figure(&cubin.log, " bytes stack frame"), figure(&cubin.log, " registers"));
            // 65536 registers and at least 100 KiB of shared memory a multiprocessor, 1 KiB a block for the driver.
            assert!(stack <= FEW && registers * cuda.block[0] * 2 <= 65536, "{name}: {}", cubin.log);
            assert!(2 * (cuda.shared_bytes + 1024) <= 100 * 1024, "{name}: {}", cuda.shared_bytes);
        }
    }
}
