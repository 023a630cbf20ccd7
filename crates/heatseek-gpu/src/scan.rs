//! Stored vectors on the device, scanned for those that score best with a query.

use std::future::Future;

use bytemuck::Zeroable;
use heatseek_ops::{Dtype, ExecutorError};
use heatseek_wgsl::{Params, SCAN_TILE, ScanQuery, ScanStorage, Selection, topk_scan};

use crate::buffer::DeviceBuffer;
use crate::device::GpuDevice;
use crate::faults::Scopes;
use crate::readback::{Readbacks, map};

/// Bytes of vectors that are copied to the device at a time.
const CHUNK_BYTES: usize = 16 << 20;
/// Vectors `[rows, width]`, row-major, as they are stored.
#[derive(Clone, Copy, Debug)]
pub enum ScanVectors<'a> {
    /// Floats.
    F32(&'a [f32]),
    /// The bits of 16-bit floats.
    F16(&'a [u16]),
    /// Integers of 8 bits.
    Int8(&'a [i8]),
    /// Bits, of each row in whole words, the first element in the lowest bit.
    Signs(&'a [u64]),
}

impl ScanVectors<'_> {
    /// What they are stored as.
    pub fn storage(&self) -> ScanStorage {
        match self {
            Self::F32(_) => ScanStorage::F32,
            Self::F16(_) => ScanStorage::F16,
            Self::Int8(_) => ScanStorage::Int8,
            Self::Signs(_) => ScanStorage::Signs,
        }
    }

    fn bytes(&self) -> &[u8] {
        match self {
            Self::F32(values) => bytemuck::cast_slice(values),
            Self::F16(values) => bytemuck::cast_slice(values),
            Self::Int8(values) => bytemuck::cast_slice(values),
            Self::Signs(words) => bytemuck::cast_slice(words),
        }
    }

    fn row_bytes(&self, width: usize) -> usize {
        match self {
            Self::Signs(_) => width.div_ceil(64) * 8,
            others => width * others.storage().bits() / 8,
        }
    }
}

/// A row and how it scores.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ScanHit {
    /// Which row.
    pub place: u32,
    /// Higher is better.
    pub score: f32,
}

/// Stored vectors on a device.
#[derive(Debug)]
pub struct GpuScan {
    device: GpuDevice,
    storage: ScanStorage,
    width: usize,
    rows: usize,
    parts: Vec<Part>,
    readbacks: Readbacks,
}

/// As many rows as a buffer has room for.
#[derive(Debug)]
struct Part {
    first: usize,
    rows: usize,
    vectors: DeviceBuffer,
    factors: DeviceBuffer,
    allowed: DeviceBuffer,
}

impl GpuScan {
    /// Room for vectors of `width` elements stored as `storage`, of which there are none yet.
    ///
    /// # Errors
    /// [`ExecutorError::Unsupported`] if the device lacks what the kernel needs.
    pub fn new(device: &GpuDevice, width: usize, storage: ScanStorage) -> Result<Self, ExecutorError> {
        device.faults().check()?;
        if storage == ScanStorage::Int8 {
            device.check_stores(Dtype::Int8)?;
        }
        let (device, readbacks) = (device.clone(), Readbacks::default());
        Ok(Self { device, storage, width, rows: 0, parts: Vec::new(), readbacks })
    }

    /// Copies more `vectors` to the device, behind those that are there, which must be a multiple of [`SCAN_TILE`]. A row
    /// scores `factor · product + offset` with a query, of its `factors [rows]`: a factor and an offset each. They are read
    /// before this returns; what it returns says whether they arrived, and without that nothing may be searched.
    ///
    /// # Errors
    /// [`ExecutorError::Invalid`] if they are not as many, or stored otherwise; at last what the device says of memory.
    pub fn push(
        &mut self,
        vectors: ScanVectors<'_>,
        factors: &[[f32; 2]],
    ) -> Result<impl Future<Output = Result<(), ExecutorError>> + 'static, ExecutorError> {
        let (bytes, row_bytes) = (vectors.bytes(), vectors.row_bytes(self.width));
        let (held, more) = (self.rows, factors.len());
        let is_storage = vectors.storage() == self.storage && held.is_multiple_of(SCAN_TILE);
        if !is_storage
            || row_bytes == 0
            || bytes.len() != more * row_bytes
            || held + more >= u32::MAX as usize
        {
            let name = self.storage.name();
            let expected = format!(
                "{more} vectors of {row_bytes} bytes, one for each factor, as {name} behind whole tiles"
            );
            return Err(ExecutorError::Invalid {
                what: "vectors to scan".into(),
                expected,
                got: format!("{} bytes of {}, behind {held}", bytes.len(), vectors.storage().name()),
            });
        }
        let device = self.device.clone();
        // Rows are filled up to whole vectors of four words.
        let padded = 16 * self.storage.vectors(self.width);
        let most = (device.largest_binding() / padded.max(8) as u64) as usize;
        let most = most.min(SCAN_TILE * device.limits().max_compute_workgroups_per_dimension as usize);
        let most = (most / SCAN_TILE * SCAN_TILE).max(SCAN_TILE);
        let scopes = Scopes::open(device.raw());
        for first in (0..more).step_by(most) {
            let count = most.min(more - first);
            let part = Part::new(&device, held + first, count, padded);
            part.fill(&device, &bytes[first * row_bytes..][..count * row_bytes], row_bytes, padded);
            device.queue().write_buffer(&part.factors.0, 0, bytemuck::cast_slice(&factors[first..][..count]));
            device.queue().submit([]);
            self.parts.push(part);
        }
        self.rows += more;
        let caught = scopes.close();
        Ok(async move { device.faults().explain(caught.await, "copying vectors to the device") })
    }

    /// Vectors held.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Bytes on the device.
    pub fn bytes(&self) -> u64 {
        let of = |part: &Part| part.vectors.0.size() + part.factors.0.size() + part.allowed.0.size();
        self.parts.iter().map(of).sum()
    }

    /// For each of `queries` the best `k` rows of every [`SCAN_TILE`], in no order, among which are the best `k` of all; of
    /// those alone whose bit of `allowed` is set, the first in the lowest bit of the first word. Of equal rows the first count.
    /// Costs one pass over all rows a query.
    ///
    /// # Errors
    /// [`ExecutorError::Unsupported`] if `k` is more than 1024, [`ExecutorError::Invalid`] for a query of another width or
    /// kind, or `allowed` of another length; what the device says.
    pub async fn candidates(
        &self,
        queries: &[ScanQuery],
        k: usize,
        allowed: Option<&[u32]>,
    ) -> Result<Vec<Vec<ScanHit>>, ExecutorError> {
        self.device.faults().check()?;
        let length = 4 * self.storage.query_vectors(self.width);
        let mask = self.rows.div_ceil(32);
        let fits = |query: &ScanQuery| query.storage() == self.storage && query.words().len() == length;
        if !queries.iter().all(fits) || allowed.is_some_and(|allowed| allowed.len() != mask) {
            let words: Vec<usize> = queries.iter().map(|query| query.words().len()).collect();
            return Err(ExecutorError::Invalid {
                what: "a scan".into(),
                expected: format!(
                    "queries of {length} words as {}, and {mask} words for what is allowed",
                    self.storage.name()
                ),
                got: format!("queries of {words:?} words, and {:?}", allowed.map(<[u32]>::len)),
            });
        }
        let mut found = vec![Vec::new(); queries.len()];
        if k == 0 || queries.is_empty() {
            return Ok(found);
        }
        let selection = topk_scan(self.storage, self.width, k, queries.len())
            .map_err(|error| self.device.faults().unsupported("a scan", error.to_string()))?;
        for part in &self.parts {
            let best = self.scan(part, &selection, queries, k, allowed).await?;
            for (found, best) in found.iter_mut().zip(best.chunks_exact(best.len() / queries.len())) {
                let hits = best.iter().filter(|[_, place]| *place != u32::MAX);
                found.extend(hits.map(|&[bits, place]| ScanHit {
                    place: place + part.first as u32,
                    score: f32::from_bits(bits),
                }));
            }
        }
        Ok(found)
    }

    /// The best `k` of every tile of a part, of one query after the other: bits of the score, place.
    async fn scan(
        &self,
        part: &Part,
        selection: &Selection,
        queries: &[ScanQuery],
        k: usize,
        allowed: Option<&[u32]>,
    ) -> Result<Vec<[u32; 2]>, ExecutorError> {
        let device = &self.device;
        let pipeline = device.pipelines().borrow_mut().get(device, selection, false)?;
        pipeline.ready(device).await?;
        let scopes = Scopes::open(device.raw());
        let usage = wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_DST;
        let words: Vec<u32> = queries.iter().flat_map(ScanQuery::words).copied().collect();
        let given = DeviceBuffer::new(device.raw(), "queries", 4 * words.len() as u64, usage);
        device.queue().write_buffer(&given.0, 0, bytemuck::cast_slice(&words));
        let bits = part.rows.div_ceil(32);
        match allowed {
            Some(allowed) => {
                let of_part = &allowed[part.first / 32..][..bits];
                device.queue().write_buffer(&part.allowed.0, 0, bytemuck::cast_slice(of_part));
            }
            None => device.queue().write_buffer(&part.allowed.0, 0, &vec![0xff; 4 * bits]),
        }
        let params = Params { rows: part.rows as u32, sequences: queries.len() as u32, ..Params::zeroed() };
        let uniform = wgpu::BufferUsages::UNIFORM | wgpu::BufferUsages::COPY_DST;
        let of_params = DeviceBuffer::new(device.raw(), "params", size_of::<Params>() as u64, uniform);
        device.queue().write_buffer(&of_params.0, 0, bytemuck::bytes_of(&params));
        let bytes = (8 * queries.len() * part.rows.div_ceil(SCAN_TILE) * k) as u64;
        let written = wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_SRC;
        let best = DeviceBuffer::new(device.raw(), "best", bytes, written);
        let bound = [&part.vectors, &part.factors, &part.allowed, &given, &best, &of_params];
        let entries: Vec<_> = bound
            .iter()
            .zip(0..)
            .map(|(buffer, binding)| wgpu::BindGroupEntry { binding, resource: buffer.0.as_entire_binding() })
            .collect();
        let group = device.raw().create_bind_group(&wgpu::BindGroupDescriptor {
            label: Some("topk_scan"),
            layout: &pipeline.layout,
            entries: &entries,
        });
        let mut encoder = device.raw().create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        {
            let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
            pass.set_pipeline(&pipeline.raw);
            pass.set_bind_group(0, &group, &[]);
            let [x, y, z] = selection.scan_grid(part.rows);
            pass.dispatch_workgroups(x, y, z);
        }
        let readback = self.readbacks.take(device, bytes);
        encoder.copy_buffer_to_buffer(&best.0, 0, &readback.0, 0, bytes);
        let submission = device.queue().submit([encoder.finish()]);
        let caught = scopes.close();
        let mapped = map(device, &readback, bytes, submission);
        device.faults().explain(caught.await, "scanning vectors")?;
        mapped.await?;
        let found = {
            let view = readback.0.get_mapped_range(0..bytes);
            let view =
                view.map_err(|error| device.faults().internal(format!("reading the results: {error}")))?;
            bytemuck::pod_collect_to_vec(&view[..])
        };
        readback.0.unmap();
        self.readbacks.give(readback);
        device.faults().check()?;
        Ok(found)
    }
}

impl Part {
    fn new(device: &GpuDevice, first: usize, rows: usize, row_bytes: usize) -> Self {
        let usage = wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_DST;
        let buffer = |label: &str, bytes: usize| DeviceBuffer::new(device.raw(), label, bytes as u64, usage);
        Self {
            first,
            rows,
            vectors: buffer("vectors", rows * row_bytes),
            factors: buffer("factors", rows * size_of::<[f32; 2]>()),
            allowed: buffer("allowed", 4 * rows.div_ceil(32)),
        }
    }

    /// Copies rows of `row_bytes` into as many of `padded`, a chunk at a time.
    fn fill(&self, device: &GpuDevice, bytes: &[u8], row_bytes: usize, padded: usize) {
        let of_chunk = (CHUNK_BYTES / padded).max(1);
        for (chunk, rows) in bytes.chunks(of_chunk * row_bytes).enumerate() {
            let at = (chunk * of_chunk * padded) as u64;
            if row_bytes == padded {
                device.queue().write_buffer(&self.vectors.0, at, rows);
            } else {
                let mut wide = vec![0; rows.len() / row_bytes * padded];
                for (to, row) in wide.chunks_exact_mut(padded).zip(rows.chunks_exact(row_bytes)) {
                    to[..row_bytes].copy_from_slice(row);
                }
                device.queue().write_buffer(&self.vectors.0, at, &wide);
            }
            device.queue().submit([]);
            device.poll_once();
        }
    }
}
