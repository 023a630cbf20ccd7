//! An exported index, its manifest's sum made right: refused, or its segments open, take another commit and are
//! compacted.
#![no_main]

use heatseek_fuzz::{index, safetensors};
use heatseek_search::store::{ARCHIVE_PREFIX_BYTES, archive_entries};
use libfuzzer_sys::{fuzz_mutator, fuzz_target};

fuzz_target!(|data: &[u8]| {
    let prefix = &data[..data.len().min(ARCHIVE_PREFIX_BYTES)];
    let Ok(entries) = archive_entries(prefix, data.len() as u64) else { return };
    let mut disk = index::Disk::default();
    for (name, range) in entries {
        let bytes = &data[range.start as usize..range.end as usize];
        let bytes = if name.starts_with("manifest") { index::signed(bytes) } else { bytes.to_vec() };
        disk.0.insert(name, bytes);
    }
    let _ = index::open_and_use(disk);
});

fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    safetensors::mutate(data, size, max_size, seed)
});
