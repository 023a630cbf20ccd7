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
/// Programs that each planted error is looked for in, and errors: what a translation writes, and what it might instead.
const PROGRAMS_WITH_ERRORS: usize = 4;
const ERRORS: [(&str, &str); 5] = [
    ("wrap_sub(", "wrap_add("),
    ("divide(", "modulo("),
    (" < ", " <= "),
    // What begins as zeros in WGSL begins as what the block before has left.
    ("zero_shared<64>(", "(void)("),
    ("__syncthreads();", ""),
];
/// Blocks of a launch, of 64 threads.
const BLOCKS: u32 = 2;
const THREADS: usize = 64 * BLOCKS as usize;
/// Words that a thread reads and writes.
const INPUTS: usize = 8;
const OUTPUTS: usize = 24;
/// Bytes of `Record`, as WGSL lays it out.
const RECORD: usize = 80;
/// Bytes of a vector of four f16 for each thread.
const HALVES: usize = 8 * THREADS;

/// What a program reads.
struct Inputs {
    input: Vec<u8>,
    records: Vec<u8>,
    params: Vec<u8>,
    vectors: Vec<u8>,
}

impl Inputs {
    fn new(seed: u64) -> Self {
        let mut random = Random::new(seed ^ 0x5eed);
        let mut words = |count: usize| bytes(&(0..count).map(|_| random.word()).collect::<Vec<u32>>());
        let (input, records) = (words(THREADS * INPUTS), words(4 * RECORD / 4));
        let quarter = |random: &mut Random| (random.below(257) as f32 * 0.25 - 32.0).to_bits();
        let params = [random.word(), random.word(), quarter(&mut random), random.word()];
        // Threads read their own vector or the next one.
        let vectors: Vec<u32> = (0..4 * (THREADS + 1)).map(|_| quarter(&mut random)).collect();
        Self { input, records, params: bytes(&params), vectors: bytes(&vectors) }
    }
}

/// Vulkan, or nothing where that is no failure.
fn vulkan() -> Option<Vulkan> {
    match pollster::block_on(Vulkan::open()) {
        Ok(vulkan) => Some(vulkan),
        Err(why) => {
            assert!(std::env::var_os("CI").is_none(), "no Vulkan to compare with: {why}");
            eprintln!("not run: {why}");
            None
        }
    }
}

#[test]
fn what_random_kernels_compute_is_what_vulkan_computes() {
    let Some(vulkan) = vulkan() else { return };
    let programs: Vec<Program> = (0..PROGRAMS).map(program).collect();
    let kernels: Vec<CudaKernel> = programs.iter().map(translated).collect();
    let library = compiled(&kernels);
    for (number, program) in programs.iter().enumerate() {
        let inputs = Inputs::new(number as u64);
        let expected = on_vulkan(&vulkan, program, &inputs);
        if let Some(at) = first_difference(program, &on_cpu(&library, number, &inputs), &expected) {
            panic!(
                "program {number}, thread {}, output {} ({:?}): not {:#x} as on {}\n{}\n{}",
                at / OUTPUTS,
                at % OUTPUTS,
                program.outputs[at % OUTPUTS],
                expected[at],
                vulkan.name,
                program.wgsl,
                kernels[number].source.rsplit("// The kernel.").next().unwrap_or_default(),
            );
        }
    }
}

/// The comparison finds errors of the kinds that a translation may have.
#[test]
fn a_planted_error_is_found() {
    let Some(vulkan) = vulkan() else { return };
    let programs: Vec<Program> = (0..PROGRAMS).map(program).collect();
    let body = |kernel: &CudaKernel| kernel.source.rsplit("// The kernel.").next().unwrap().to_owned();
    let mut planted = Vec::new();
    for (error, (right, wrong)) in ERRORS.into_iter().enumerate() {
        let with = programs.iter().enumerate().map(|(number, program)| (number, translated(program)));
        let with = with.filter(|(_, kernel)| body(kernel).contains(right)).take(PROGRAMS_WITH_ERRORS);
        planted.extend(with.map(|(number, kernel)| {
            let own = body(&kernel);
            let source = kernel.source.replace(&own, &own.replace(right, wrong));
            (error, number, CudaKernel { source, ..kernel })
        }));
    }
    let kernels: Vec<CudaKernel> = planted.iter().map(|(.., kernel)| kernel.clone()).collect();
    let library = compiled(&kernels);
    let mut found = [false; ERRORS.len()];
    for (at, (error, number, _)) in planted.iter().enumerate() {
        let (program, inputs) = (&programs[*number], Inputs::new(*number as u64));
        let expected = on_vulkan(&vulkan, program, &inputs);
        found[*error] |= first_difference(program, &on_cpu(&library, at, &inputs), &expected).is_some();
    }
    let missed: Vec<_> = ERRORS.iter().zip(found).filter(|(_, found)| !found).collect();
    assert!(missed.is_empty(), "not found: {missed:?}");
}

/// The index of the first word that differs. A zero may have either sign.
fn first_difference(program: &Program, actual: &[u32], expected: &[u32]) -> Option<usize> {
    assert_eq!(actual.len(), expected.len());
    (0..actual.len()).find(|&at| match program.outputs[at % OUTPUTS] {
        Scalar::F32 => f32::from_bits(actual[at]) != f32::from_bits(expected[at]),
        _ => actual[at] != expected[at],
    })
}

fn on_vulkan(vulkan: &Vulkan, program: &Program, inputs: &Inputs) -> Vec<u32> {
    words(&vulkan.run(program, inputs, THREADS * OUTPUTS * 4))
}

fn on_cpu(library: &Library, number: usize, inputs: &Inputs) -> Vec<u32> {
    let output = HostBuffer::of(&vec![0xff; THREADS * OUTPUTS * 4]);
    let [input, records, params, vectors] =
        [&inputs.input, &inputs.records, &inputs.params, &inputs.vectors].map(|bytes| HostBuffer::of(bytes));
    let halves = HostBuffer::new(HALVES);
    let bound = [(0, &input), (1, &output), (2, &records), (3, &params), (4, &halves), (5, &vectors)];
    library.launch(number, [BLOCKS, 1, 1], &bound).unwrap();
    words(&output.read())
}

fn compiled(kernels: &[CudaKernel]) -> Library {
    let kernels: Vec<&CudaKernel> = kernels.iter().collect();
    Library::compile(&kernels, Path::new(env!("CARGO_TARGET_TMPDIR"))).unwrap()
}

fn translated(program: &Program) -> CudaKernel {
    translate(&program.wgsl, "main", &program.constants)
        .unwrap_or_else(|error| panic!("{error}\n{}", program.wgsl))
}

fn bytes(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_ne_bytes()).collect()
}

fn words(bytes: &[u8]) -> Vec<u32> {
    bytes.chunks_exact(4).map(|word| u32::from_ne_bytes([word[0], word[1], word[2], word[3]])).collect()
}
