//! Software Vulkan drivers, so that GPU tests run on machines without a GPU.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use crate::chromium;

/// Mesa's lavapipe, where its package put the driver's manifest.
pub fn lavapipe_icd() -> Option<PathBuf> {
    ["/usr/share/vulkan/icd.d", "/etc/vulkan/icd.d", "/usr/local/share/vulkan/icd.d"]
        .iter()
        .filter_map(|folder| std::fs::read_dir(Path::new(folder)).ok())
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .find(|path| {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            name.starts_with("lvp_icd") && name.ends_with(".json")
        })
}

/// The value for `VK_DRIVER_FILES`: every software driver there is. None on a machine without any,
/// where the system's own drivers are left in charge.
pub fn software_drivers() -> Option<OsString> {
    let swiftshader = chromium::find().as_deref().and_then(chromium::swiftshader_icd);
    let drivers: Vec<PathBuf> = lavapipe_icd().into_iter().chain(swiftshader).collect();
    (!drivers.is_empty()).then(|| std::env::join_paths(drivers).ok()).flatten()
}
