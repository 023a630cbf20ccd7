//! Renders every variant of the shaders, validates it with naga, and writes the table of kernels with
//! all that can be reflected from the modules. An invalid variant fails the build with its source.

mod reflect;
mod render;
mod variants;

use std::path::{Path, PathBuf};
use std::{env, fs};

fn main() {
    println!("cargo::rerun-if-changed=build");
    println!("cargo::rerun-if-changed=shaders");
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"));
    let environment = render::environment(Path::new("shaders"));
    let mut table = String::from("static KERNELS: &[Kernel] = &[\n");
    let target_arch = env::var("CARGO_CFG_TARGET_ARCH").expect("cargo sets CARGO_CFG_TARGET_ARCH");
    for variant in variants::all(&target_arch) {
        let source = render::render(&environment, &variant);
        let file = out.join(format!("{}.wgsl", variant.name));
        fs::write(&file, &source).expect("OUT_DIR is writable");
        table += &reflect::kernel(&variant.name, &source, &file);
    }
    table += "];\n";
    fs::write(out.join("kernels.rs"), table).expect("OUT_DIR is writable");
}
