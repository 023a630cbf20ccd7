//! NVRTC takes what is written, for every kernel.

use heatseek_naga_cuda::nvrtc::Nvrtc;
use heatseek_naga_cuda_conformance::kernels;

#[test]
fn dump() {
    let kernels = kernels().unwrap();
    println!("{} kernels", kernels.len());
    std::fs::create_dir_all("/tmp/dump").unwrap();
    let nvrtc = Nvrtc::get().unwrap();
    let start = std::time::Instant::now();
    for (i, (label, kernel)) in kernels.iter().enumerate() {
        std::fs::write(format!("/tmp/dump/{i}.cu"), &kernel.source).unwrap();
        match nvrtc.compile(&kernel.source, label, "sm_80", &["--ptxas-options=-v"]) {
            Ok(cubin) => std::fs::write(format!("/tmp/dump/{i}.log"), cubin.log).unwrap(),
            Err(error) => println!("{i} {label}: {error}"),
        }
        if start.elapsed().as_secs() > 60 {
            println!("stop");
            break;
        }
    }
    println!("{:?}", start.elapsed());
}
