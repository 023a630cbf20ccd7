//! Scans of stored vectors: on every adapter of this machine, and as CUDA on its CPU, against the reference.

use std::path::Path;

use heatseek_gpu::{AdapterChoice, GpuDevice, GpuOptions, GpuScan, ScanHit, ScanVectors};
use heatseek_naga_cuda::host::{HostBuffer, Library};
use heatseek_naga_cuda::translate;
use heatseek_ops::{ExecutorError, in_steps, reference};
use heatseek_testkit::{random, run_all, values};
use heatseek_wgsl::{Params, SCAN_TILE, ScanQuery, ScanStorage, topk_scan};
use pollster::block_on;

#[derive(Clone, Copy, Debug)]
struct Case {
    storage: ScanStorage,
    rows: usize,
    width: usize,
    k: usize,
    /// Of how many rows one is allowed.
    sparse: u64,
}

/// Both sides of what a tile, a word of the mask and four words of a row have room for.
fn cases() -> Vec<Case> {
    let mut all = Vec::new();
    for storage in ScanStorage::ALL {
        let control = Case { storage, rows: 2500, width: 384, k: 10, sparse: 1 };
        all.push(control);
        all.extend([1, 33, 1024, 1025].map(|rows| Case { rows, ..control }));
        all.extend([12, 132].map(|width| Case { width, rows: 300, ..control }));
        all.extend([1, 1024].map(|k| Case { k, ..control }));
        all.extend([700, u64::MAX].map(|sparse| Case { sparse, ..control }));
    }
    all
}

/// What is stored.
enum Stored {
    F32(Vec<f32>),
    F16(Vec<u16>),
    Int8(Vec<i8>),
    Signs(Vec<u64>),
}

struct Made {
    stored: Stored,
    /// What that stands for, but for the factors.
    values: Vec<f64>,
    factors: Vec<[f32; 2]>,
    allowed: Vec<u32>,
    queries: Vec<Vec<f32>>,
}

impl Case {
    fn made(&self) -> Made {
        let Self { storage, rows, width, sparse, .. } = *self;
        let seed = (rows * 31 + width) as u64;
        let scale = 1.0 / (width as f32).sqrt();
        let mut floats = values(seed, rows * width, scale);
        // Every fifth row is the one before it, so that there are exact ties.
        for row in (4..rows).step_by(5) {
            floats.copy_within((row - 1) * width..row * width, row * width);
        }
        let (stored, values): (Stored, Vec<f64>) = match storage {
            ScanStorage::F32 => (Stored::F32(floats.clone()), floats.iter().map(|&v| v.into()).collect()),
            ScanStorage::F16 => {
                let halves: Vec<half::f16> = floats.iter().map(|&v| half::f16::from_f32(v)).collect();
                let values = halves.iter().map(|&v| v.into()).collect();
                (Stored::F16(halves.into_iter().map(half::f16::to_bits).collect()), values)
            }
            ScanStorage::Int8 => {
                let integers: Vec<i8> = floats.iter().map(|v| (v / scale * 127.0) as i8).collect();
                let values = integers.iter().map(|&v| v.into()).collect();
                (Stored::Int8(integers), values)
            }
            ScanStorage::Signs => {
                let word = |bits: &[f32]| {
                    bits.iter().enumerate().fold(0u64, |word, (i, &v)| word | u64::from(v > 0.0) << i)
                };
                let words = floats.chunks(width).flat_map(|row| row.chunks(64).map(word)).collect();
                (Stored::Signs(words), floats.iter().map(|&v| if v > 0.0 { 1.0 } else { -1.0 }).collect())
            }
        };
        let unit = match storage {
            ScanStorage::Int8 => scale / 127.0,
            ScanStorage::Signs => scale,
            _ => 1.0,
        };
        let mut factors: Vec<[f32; 2]> = random(seed + 1, rows)
            .iter()
            .map(|r| [unit * (0.5 + (r % 100) as f32 / 100.0), (r / 100 % 7) as f32 / 100.0])
            .collect();
        (4..rows).step_by(5).for_each(|row| factors[row] = factors[row - 1]);
        let mut allowed = vec![0u32; rows.div_ceil(32)];
        for (row, r) in random(seed + 2, rows).into_iter().enumerate() {
            allowed[row / 32] |= u32::from(r % sparse == 0) << (row % 32);
        }
        let queries = (0..3).map(|query| heatseek_testkit::values(seed + 3 + query, width, scale)).collect();
        Made { stored, values, factors, allowed, queries }
    }
}

impl Made {
    fn vectors(&self) -> ScanVectors<'_> {
        match &self.stored {
            Stored::F32(values) => ScanVectors::F32(values),
            Stored::F16(values) => ScanVectors::F16(values),
            Stored::Int8(values) => ScanVectors::Int8(values),
            Stored::Signs(words) => ScanVectors::Signs(words),
        }
    }

    /// What the kernel rounds the query to, twice: its factor is 2.
    fn rounded(&self, storage: ScanStorage, query: &[f32]) -> Vec<f64> {
        let most = match storage {
            ScanStorage::Int8 => (i32::MAX / 128 / query.len() as i32).min(127 * 256 + 127),
            ScanStorage::Signs => 15,
            _ => return query.iter().map(|&v| 2.0 * f64::from(v)).collect(),
        };
        let (integers, step) = in_steps(query, most);
        integers.into_iter().map(|integer| 2.0 * step * f64::from(integer)).collect()
    }

    /// That these are the best of the rows that are allowed, or of all.
    fn check(&self, case: &Case, query: &[f32], hits: &[ScanHit], filtered: bool) -> Result<(), String> {
        let allowed = |row: usize| !filtered || self.allowed[row / 32] >> (row % 32) & 1 == 1;
        let query = self.rounded(case.storage, query);
        let all = reference::topk_scan(&self.values, &query, &self.factors, &allowed, case.rows);
        let expected = &all[..case.k.min(all.len())];
        if hits.len() != expected.len() {
            return Err(format!("{} hits, expected {}", hits.len(), expected.len()));
        }
        for (rank, (hit, (_, best))) in hits.iter().zip(expected).enumerate() {
            let own = all.iter().find(|(place, _)| *place == hit.place).map(|(_, score)| *score);
            let close = |score: f64| (f64::from(hit.score) - score).abs() <= 1e-5;
            if !own.is_some_and(close) || !close(*best) {
                return Err(format!("rank {rank}: {hit:?}, that row has {own:?}, the best left has {best}"));
            }
        }
        // Of equal rows the first is found first, also where the last place is theirs.
        let is_there = |place: u32| hits.iter().any(|hit| hit.place == place);
        let has_twin = |place: u32| place % 5 == 4 && allowed(place as usize - 1);
        if let Some(hit) = hits.iter().find(|hit| has_twin(hit.place) && !is_there(hit.place - 1)) {
            return Err(format!("{hit:?} is found, and the equal row before it is not"));
        }
        let in_order = |pair: &[ScanHit]| {
            pair[0].score > pair[1].score || pair[0].score == pair[1].score && pair[0].place < pair[1].place
        };
        match hits.windows(2).position(|pair| !in_order(pair)) {
            Some(rank) => {
                Err(format!("ranks {rank} and the next are out of order: {:?}", &hits[rank..rank + 2]))
            }
            None => Ok(()),
        }
    }

    fn scan_queries(&self, storage: ScanStorage) -> Vec<ScanQuery> {
        self.queries.iter().map(|query| ScanQuery::new(query, storage, 2.0)).collect()
    }
}

/// Of the best of every tile, the best `k` of all.
fn best(mut hits: Vec<ScanHit>, k: usize) -> Vec<ScanHit> {
    hits.sort_by(|a, b| b.score.total_cmp(&a.score).then(a.place.cmp(&b.place)));
    hits.truncate(k);
    hits
}

fn devices() -> Vec<GpuDevice> {
    let found = block_on(GpuDevice::enumerate());
    assert!(!found.is_empty() || std::env::var_os("CI").is_none(), "CI expects a Vulkan adapter");
    let open = |index| {
        let options = GpuOptions { adapter: AdapterChoice::Index(index), ..GpuOptions::default() };
        block_on(GpuDevice::request(options)).expect("an enumerated adapter opens")
    };
    (0..found.len()).map(open).collect()
}

/// These vectors on the device, a tile alone and then the others.
fn copied(
    device: &GpuDevice,
    width: usize,
    vectors: ScanVectors<'_>,
    factors: &[[f32; 2]],
) -> Result<GpuScan, ExecutorError> {
    let mut scan = GpuScan::new(device, width, vectors.storage())?;
    let (first, others) = factors.split_at(factors.len().min(SCAN_TILE));
    let [of_first, of_others] = match vectors {
        ScanVectors::F32(values) => halves(values, first.len() * width, ScanVectors::F32),
        ScanVectors::F16(values) => halves(values, first.len() * width, ScanVectors::F16),
        ScanVectors::Int8(values) => halves(values, first.len() * width, ScanVectors::Int8),
        ScanVectors::Signs(words) => halves(words, first.len() * width.div_ceil(64), ScanVectors::Signs),
    };
    block_on(scan.push(of_first, first)?)?;
    if !others.is_empty() {
        block_on(scan.push(of_others, others)?)?;
    }
    Ok(scan)
}

fn halves<'a, T>(all: &'a [T], at: usize, of: fn(&'a [T]) -> ScanVectors<'a>) -> [ScanVectors<'a>; 2] {
    let (first, others) = if all.len() > at { all.split_at(at) } else { (all, &all[..0]) };
    [of(first), of(others)]
}

fn scanned(device: &GpuDevice, case: &Case) -> Result<(), String> {
    let made = case.made();
    let said = |error: ExecutorError| error.to_string();
    let scan = copied(device, case.width, made.vectors(), &made.factors).map_err(said)?;
    let queries = made.scan_queries(case.storage);
    for allowed in [None, Some(&made.allowed[..])] {
        let search = |queries: &[ScanQuery]| {
            let found = block_on(scan.candidates(queries, case.k, allowed)).map_err(said)?;
            Ok::<_, String>(found.into_iter().map(|hits| best(hits, case.k)).collect::<Vec<_>>())
        };
        let found = search(&queries)?;
        for (query, hits) in made.queries.iter().zip(&found) {
            made.check(case, query, hits, allowed.is_some())?;
        }
        // A query alone finds the same.
        let alone = search(&queries[1..2])?;
        if alone[0] != found[1] {
            return Err("another query beside it changed what is found".into());
        }
    }
    Ok(())
}

#[test]
fn every_adapter_finds_the_best() {
    for device in devices() {
        eprintln!("{device:?}");
        run_all(&cases(), |case| scanned(&device, case));
    }
}

/// The tile's rows and the order are looked at closely enough to see that.
#[test]
fn planted_faults_are_found() {
    let faults: [(&str, &str); 6] = [
        ("row < params.rows", "row + 1u < params.rows"),
        ("places[a] < places[b]", "places[a] > places[b]"),
        ("scores[a] > scores[b] ||", "scores[a] > scores[b] + 0.01 ||"),
        ("1u << (row & 31u)", "1u << (row & 15u)"),
        ("own.x * (", "own.y * ("),
        ("size <= 1024u", "size <= 512u"),
    ];
    let Some(device) = devices().into_iter().next() else { return };
    for (from, to) in faults {
        let transform = move |_: &heatseek_wgsl::Kernel, source: &str| {
            assert!(source.contains(from), "{from} is not in the kernel");
            source.replace(from, to)
        };
        let faulty = device.clone().with_source_transform(Box::new(transform));
        let plain: Vec<Case> = cases().into_iter().filter(|case| case.storage == ScanStorage::F32).collect();
        let found = plain.iter().any(|case| scanned(&faulty, case).is_err());
        assert!(found, "`{to}` in place of `{from}` was not found");
    }
}

#[test]
fn what_cannot_be_scanned_is_said() {
    let Some(device) = devices().into_iter().next() else { return };
    let factors = [[1.0, 0.0]; 2];
    let scan = |vectors| copied(&device, 4, vectors, &factors).map(|scan| scan.rows());
    assert_eq!(scan(ScanVectors::F32(&[0.0; 8])).unwrap(), 2);
    let error = scan(ScanVectors::F32(&[0.0; 7])).unwrap_err().to_string();
    assert!(error.contains("2 vectors of 16 bytes") && error.contains("28 bytes"), "{error}");
    let mut scan = copied(&device, 4, ScanVectors::F32(&[1.0; 8]), &factors).unwrap();
    let error =
        scan.push(ScanVectors::F32(&[1.0; 8]), &factors).err().expect("a tile is not full").to_string();
    assert!(error.contains("behind whole tiles") && error.contains("behind 2"), "{error}");
    let query = |width| ScanQuery::new(&vec![1.0; width], ScanStorage::F32, 1.0);
    let search = |query, k, allowed| block_on(scan.candidates(&[query], k, allowed));
    assert_eq!(search(query(4), 0, None).unwrap(), [[]]);
    assert_eq!(search(query(4), 5, Some(&[2])).unwrap(), [[ScanHit { place: 1, score: 4.0 }]]);
    assert!(block_on(scan.candidates(&[], 5, None)).unwrap().is_empty());
    for (error, says) in [
        (
            search(query(8), 1, None),
            "queries of 8 words as f32, and 1 words for what is allowed, got queries of [12]",
        ),
        (
            search(ScanQuery::new(&[1.0; 4], ScanStorage::Int8, 1.0), 1, None),
            "got queries of [12] words, and None",
        ),
        (search(query(4), SCAN_TILE + 1, None), "1025 results are more than the 1024"),
        (search(query(4), 1, Some(&[1, 1])), "and Some(2)"),
    ] {
        let error = error.unwrap_err().to_string();
        assert!(error.contains(says), "{error}");
    }
}

/// What `heatseek-naga-cuda` makes of it, compiled for the CPU.
#[test]
fn as_cuda_it_finds_the_same() {
    let storages = ScanStorage::ALL;
    let (width, k) = (384, 16);
    let selections = storages.map(|storage| topk_scan(storage, width, k, 3).unwrap());
    let kernels = selections.each_ref().map(|selection| {
        translate(selection.kernel.source, selection.kernel.entry_point, &selection.constants).unwrap()
    });
    let library = Library::compile(&kernels.each_ref(), Path::new(env!("CARGO_TARGET_TMPDIR")));
    let library = library.unwrap_or_else(|error| panic!("{error}"));
    for (number, storage) in storages.into_iter().enumerate() {
        let case = Case { storage, rows: 1500, width, k, sparse: 2 };
        let made = case.made();
        let bytes: &[u8] = match &made.stored {
            Stored::F32(values) => bytemuck::cast_slice(values),
            Stored::F16(values) => bytemuck::cast_slice(values),
            Stored::Int8(values) => bytemuck::cast_slice(values),
            Stored::Signs(words) => bytemuck::cast_slice(words),
        };
        let queries: Vec<u32> =
            made.scan_queries(storage).iter().flat_map(|query| query.words().to_vec()).collect();
        let params = Params { rows: case.rows as u32, sequences: 3, ..Params::default() };
        let tiles = case.rows.div_ceil(SCAN_TILE);
        let best = HostBuffer::of(&vec![0xff; 8 * 3 * tiles * k]);
        let of = |bytes: &[u8]| HostBuffer::of(bytes);
        let [vectors, factors, allowed] =
            [bytes, bytemuck::cast_slice(&made.factors), bytemuck::cast_slice(&made.allowed)].map(of);
        let [queries, params] = [bytemuck::cast_slice(&queries), bytemuck::bytes_of(&params)].map(of);
        let buffers = [(0, &vectors), (1, &factors), (2, &allowed), (3, &queries), (4, &best), (5, &params)];
        library.launch(number, selections[number].scan_grid(case.rows), &buffers).unwrap();
        let best: Vec<[u32; 2]> = bytemuck::pod_collect_to_vec(&best.read()[..]);
        for (query, best) in made.queries.iter().zip(best.chunks_exact(tiles * k)) {
            let hits: Vec<ScanHit> = best
                .iter()
                .filter(|[_, place]| *place != u32::MAX)
                .map(|&[bits, place]| ScanHit { place, score: f32::from_bits(bits) })
                .collect();
            made.check(&case, query, &self::best(hits, k), true)
                .unwrap_or_else(|why| panic!("{case:?}: {why}"));
        }
    }
}
