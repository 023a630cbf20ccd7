//! Random kernels, run twice: as CUDA C++ on the CPU, and as WGSL on Vulkan. All results are exactly the same: integers
//! wrap around, and floats are multiples of a quarter that no operation rounds.

mod expressions;
mod random;
mod statements;
mod types;
mod vulkan;

use std::path::Path;

use heatseek_naga_cuda::host::{HostBuffer, Library};
use heatseek_naga_cuda::{CudaKernel, translate};

use crate::random::Random;
use crate::statements::{Program, program};
use crate::types::Scalar;
use crate::vulkan::Vulkan;

/// More find nothing more in a second than these do.
const PROGRAMS: u64 = 60;
/// Blocks of a launch, of 64 threads.
const BLOCKS: u32 = 2;
const THREADS: usize = 64 * BLOCKS as usize;
/// Words that a thread reads and writes.
const INPUTS: usize = 8;
const OUTPUTS: usize = 24;
/// Bytes of `Record`, as WGSL lays it out.
const RECORD: usize = 80;

#[test]
fn what_random_kernels_compute_is_what_vulkan_computes() {
    let vulkan = match pollster::block_on(Vulkan::open()) {
        Ok(vulkan) => vulkan,
        Err(why) => {
            assert!(std::env::var_os("CI").is_none(), "no Vulkan to compare with: {why}");
            eprintln!("not run: {why}");
            return;
        }
    };
    let programs: Vec<Program> = (0..PROGRAMS).map(program).collect();
    let kernels: Vec<CudaKernel> = programs.iter().map(translated).collect();
    let library =
        Library::compile(&kernels.iter().collect::<Vec<_>>(), Path::new(env!("CARGO_TARGET_TMPDIR")));
    let library = library.unwrap();
    for (number, program) in programs.iter().enumerate() {
        let mut random = Random::new(number as u64 ^ 0x5eed);
        let input: Vec<u32> = (0..THREADS * INPUTS).map(|_| random.word()).collect();
        let records: Vec<u32> = (0..4 * RECORD / 4).map(|_| random.word()).collect();
        let (input, records) = (bytes(&input), bytes(&records));
        let expected = words(&vulkan.run(&program.wgsl, &input, &records, THREADS * OUTPUTS * 4));

        let output = HostBuffer::of(&vec![0xff; THREADS * OUTPUTS * 4]);
        let buffers = [HostBuffer::of(&input), HostBuffer::of(&records)];
        let bound = [(0, &buffers[0]), (1, &output), (2, &buffers[1])];
        library.launch(number, [BLOCKS, 1, 1], &bound).unwrap();
        let actual = words(&output.read());
        for (at, (&actual, &expected)) in actual.iter().zip(&expected).enumerate() {
            let scalar = program.outputs[at % OUTPUTS];
            // A zero may have either sign.
            let equal = match scalar {
                Scalar::F32 => f32::from_bits(actual) == f32::from_bits(expected),
                _ => actual == expected,
            };
            assert!(
                equal,
                "program {number}, thread {}, output {} ({scalar:?}): {actual:#x} on the CPU, {expected:#x} on {}\n\
                 {}\n{}",
                at / OUTPUTS,
                at % OUTPUTS,
                vulkan.name,
                program.wgsl,
                kernels[number].source.rsplit("// The kernel.").next().unwrap_or_default(),
            );
        }
    }
}

fn translated(program: &Program) -> CudaKernel {
    translate(&program.wgsl, "main", &[]).unwrap_or_else(|error| panic!("{error}\n{}", program.wgsl))
}

fn bytes(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_ne_bytes()).collect()
}

fn words(bytes: &[u8]) -> Vec<u32> {
    bytes.chunks_exact(4).map(|word| u32::from_ne_bytes([word[0], word[1], word[2], word[3]])).collect()
}
