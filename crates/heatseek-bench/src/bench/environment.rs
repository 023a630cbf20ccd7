//! Where it was measured.

use std::num::NonZero;
use std::path::Path;
use std::process::Command;
use std::thread;

use heatseek_gpu::AdapterReport;
use serde::Serialize;

/// The machine and what was built.
#[derive(Clone, Debug, Serialize)]
pub struct Environment {
    /// UTC.
    pub date: Option<String>,
    pub heatseek: &'static str,
    /// What it was built from, if that was a checkout.
    pub commit: Option<&'static str>,
    /// Unoptimised builds are slower.
    pub optimised: bool,
    pub os: String,
    pub arch: &'static str,
    pub cpu: Option<String>,
    pub cores: usize,
    /// Of the CPU, ours and peers'.
    pub threads: usize,
    /// Of the minute before it began: see [`Environment::is_busy`].
    pub load_average: Option<f64>,
    /// Names, drivers and APIs of the GPUs that wgpu sees.
    pub adapters: Vec<String>,
    /// NVIDIA's driver, if there is one.
    pub nvidia_driver: Option<String>,
}

impl Environment {
    pub fn here(threads: usize, adapters: &[AdapterReport]) -> Self {
        let describe = |a: &AdapterReport| format!("{}, {}, {}", a.name, a.backend, a.driver);
        Self {
            date: output("date", &["-u", "+%Y-%m-%dT%H:%M:%SZ"]),
            heatseek: env!("CARGO_PKG_VERSION"),
            commit: option_env!("HEATSEEK_COMMIT"),
            optimised: !cfg!(debug_assertions),
            os: output("uname", &["-sr"]).unwrap_or_else(|| std::env::consts::OS.to_owned()),
            arch: std::env::consts::ARCH,
            cpu: field("/proc/cpuinfo", "model name"),
            cores: cores(),
            threads,
            load_average: load_average(),
            adapters: adapters.iter().map(describe).collect(),
            nvidia_driver: field("/proc/driver/nvidia/version", "NVRM version"),
        }
    }
}

impl Environment {
    /// Whether half of the cores or more were taken. If others go on, peers whose threads wait for each other by
    /// spinning take several times as long as they would, which is no merit of ours.
    pub fn is_busy(&self) -> bool {
        self.load_average.is_some_and(|load| load > 0.5 * self.cores as f64)
    }
}

/// Threads that this process may use.
pub fn cores() -> usize {
    thread::available_parallelism().map_or(1, NonZero::get)
}

/// The value behind the first `name :` of a file.
fn field(path: &str, name: &str) -> Option<String> {
    let text = std::fs::read_to_string(Path::new(path)).ok()?;
    let line = text.lines().find(|line| line.starts_with(name))?;
    Some(line.split_once(':')?.1.split_whitespace().collect::<Vec<_>>().join(" "))
}

/// Bytes that this process held in memory at most until now, what it mapped of files among them. Only Linux says.
pub fn peak_resident_bytes() -> Option<u64> {
    let kibibytes = field("/proc/self/status", "VmHWM")?;
    Some(1024 * kibibytes.strip_suffix(" kB")?.parse::<u64>().ok()?)
}

fn load_average() -> Option<f64> {
    std::fs::read_to_string("/proc/loadavg").ok()?.split(' ').next()?.parse().ok()
}

fn output(program: &str, args: &[&str]) -> Option<String> {
    let output = Command::new(program).args(args).output().ok().filter(|output| output.status.success())?;
    Some(String::from_utf8(output.stdout).ok()?.trim().to_owned())
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn the_peak_of_memory_is_what_was_touched_and_stays() {
        const MORE: usize = 64 << 20;
        let before = peak_resident_bytes().unwrap();
        let held = std::hint::black_box(vec![1u8; before as usize + MORE]);
        let bytes = held.len() as u64;
        assert!(peak_resident_bytes().unwrap() >= bytes, "{before} before");
        drop(held);
        // Not to the byte: threads count pages on their own and add them up now and then.
        assert!(peak_resident_bytes().unwrap() >= bytes, "{before} before");
    }
}
