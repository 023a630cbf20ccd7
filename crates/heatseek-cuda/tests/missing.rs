//! What is said where CUDA is not. A process of its own: where NVRTC is, is found out once.

use heatseek_cuda::{CudaDevice, CudaOptions};
use heatseek_ops::ExecutorError;

#[test]
fn what_is_missing_is_said_with_what_to_install() {
    // SAFETY: no other thread of this test reads or writes the environment.
    unsafe { std::env::set_var("HEATSEEK_NVRTC", "/no/such/folder") };
    let error = CudaDevice::request(&CudaOptions::default()).unwrap_err();
    let ExecutorError::Unsupported { device, why, .. } = &error else { panic!("{error}") };
    match CudaDevice::enumerate() {
        Err(ExecutorError::Unsupported { .. }) => {
            assert_eq!(device, "this machine");
            assert!(why.contains("NVIDIA driver") || why.contains("cuInit"), "{why}");
        }
        Err(error) => panic!("{error}"),
        Ok(gpus) if gpus.is_empty() => assert!(why.contains("no CUDA GPU"), "{why}"),
        Ok(gpus) => {
            assert_eq!(*device, gpus[0].name);
            assert!(
                why.contains("/no/such/folder") && why.contains("pip install nvidia-cuda-nvrtc"),
                "{why}"
            );
            let unknown = CudaDevice::request(&CudaOptions { name: Some("no such GPU".into()) }).unwrap_err();
            assert!(unknown.to_string().contains(&gpus[0].name), "{unknown}");
        }
    }
}
