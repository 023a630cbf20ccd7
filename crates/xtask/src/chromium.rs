//! A browser to test in.

use std::path::{Path, PathBuf};

use crate::run;

/// Chromium or Chrome: `$CHROMIUM`, else the PATH, else the usual places.
pub fn find() -> Option<PathBuf> {
    if let Some(named) = std::env::var_os("CHROMIUM").filter(|named| !named.is_empty()) {
        return Some(PathBuf::from(named));
    }
    let on_path = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];
    let elsewhere = [
        "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
        "/Applications/Chromium.app/Contents/MacOS/Chromium",
        r"C:\Program Files\Google\Chrome\Application\chrome.exe",
    ];
    on_path
        .into_iter()
        .find_map(run::which)
        .or_else(|| elsewhere.iter().map(PathBuf::from).find(|path| path.is_file()))
}

/// The software Vulkan driver that Chromium brings, if it lies beside the browser.
pub fn swiftshader_icd(chromium: &Path) -> Option<PathBuf> {
    // Debian's /usr/bin/chromium is a script; the browser's folder is /usr/lib/chromium.
    let real = chromium.canonicalize().ok();
    let beside = real.as_deref().and_then(Path::parent).map(Path::to_path_buf);
    let folders = beside.into_iter().chain(["/usr/lib/chromium".into(), "/opt/google/chrome".into()]);
    folders.map(|folder| folder.join("vk_swiftshader_icd.json")).find(|icd| icd.is_file())
}
