//! host
use heatseek_naga_cuda::host::Library;
use heatseek_naga_cuda_conformance::kernels;

#[test]
fn all_compile() {
    let kernels = kernels().unwrap();
    let n: usize = std::env::var("N").map(|n| n.parse().unwrap()).unwrap_or(1000);
    let all: Vec<_> = kernels.iter().map(|(_, kernel)| kernel).take(n).collect();
    let start = std::time::Instant::now();
    Library::compile(&all, std::path::Path::new("/tmp/hostcache")).map(|_| ()).unwrap();
    println!("{:?}", start.elapsed());
}
