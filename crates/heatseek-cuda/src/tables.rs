//! What comes with a batch: parameters and tables in one buffer, which one copy fills, and a buffer for each input.

use std::rc::Rc;

use heatseek_ops::{Batch, Buffer, BufferId, Capacity, Dtype, Program, Rows, Table};
use heatseek_wgsl::Params;

use crate::arena::Span;
use crate::driver::{Driver, DriverError};
use crate::memory::{DeviceBuffer, Staging, storage_bytes};

/// What begins in the buffer of tables: as device memory does.
const ALIGNMENT: usize = 256;

/// The tables and inputs of a plan at one capacity.
pub(crate) struct Tables {
    block: DeviceBuffer,
    /// Where each table lies in the block: the longest last, so that little is copied for a small batch.
    places: Vec<(BufferId, Table, Span)>,
    inputs: Vec<(BufferId, usize, DeviceBuffer)>,
}

impl Tables {
    /// Allocates for batches of `capacity`.
    pub(crate) fn new(
        driver: &Rc<dyn Driver>,
        program: &Program,
        capacity: Capacity,
    ) -> Result<Self, DriverError> {
        let mut tables = Vec::new();
        let mut inputs = Vec::new();
        for (index, (_, buffer)) in program.buffers().iter().enumerate() {
            let bytes = capacity.bytes(buffer, Dtype::F32) as usize;
            match buffer {
                Buffer::Table(table) if !buffer.is_on_demand() => {
                    tables.push((BufferId(index), *table, storage_bytes(bytes)));
                }
                Buffer::Input { index: input, .. } => {
                    inputs.push((BufferId(index), *input, DeviceBuffer::new(driver, bytes)?));
                }
                _ => {}
            }
        }
        tables.sort_by_key(|(.., bytes)| *bytes);
        let mut end = Params::OF.len() * ALIGNMENT;
        let mut starts = Vec::new();
        for (.., bytes) in &tables {
            starts.push(end);
            end = (end + bytes).next_multiple_of(ALIGNMENT);
        }
        let block = DeviceBuffer::new(driver, end)?;
        let place = |((id, table, bytes), start)| (id, table, Span { at: block.at + start as u64, bytes });
        let places = tables.into_iter().zip(starts).map(place).collect();
        Ok(Self { block, places, inputs })
    }

    /// The parameters of steps over such rows.
    pub(crate) fn params(&self, rows: Rows) -> Option<Span> {
        let place = Params::OF.iter().position(|of| *of == rows)?;
        Some(Span { at: self.block.at + (place * ALIGNMENT) as u64, bytes: size_of::<Params>() })
    }

    /// The table or input `id`.
    pub(crate) fn get(&self, id: BufferId) -> Option<Span> {
        let table = self.places.iter().find(|(of, ..)| *of == id).map(|(.., span)| *span);
        let input = || self.inputs.iter().find(|(of, ..)| *of == id);
        table.or_else(|| input().map(|(.., buffer)| Span { at: buffer.at, bytes: buffer.bytes }))
    }

    /// Bytes of staging that [`Tables::write`] takes for `batch`.
    pub(crate) fn staged_bytes(&self, batch: &Batch) -> usize {
        let inputs = self.inputs.iter().map(|(_, input, _)| 4 * batch.input(*input).len());
        self.block.bytes + inputs.map(|bytes| bytes.next_multiple_of(ALIGNMENT)).sum::<usize>()
    }

    /// Writes what comes with `batch` to `staging`, and asks for the copies to the device.
    pub(crate) fn write(&self, batch: &Batch, staging: &mut Staging) -> Result<(), DriverError> {
        let bytes = staging.bytes_mut();
        for (place, params) in Params::all(batch).iter().enumerate() {
            bytes[place * ALIGNMENT..][..size_of::<Params>()].copy_from_slice(bytemuck::bytes_of(params));
        }
        let mut end = Params::OF.len() * ALIGNMENT;
        for (_, table, span) in &self.places {
            let start = (span.at - self.block.at) as usize;
            let values = table.values(batch);
            let values: &[u8] = bytemuck::cast_slice(&values);
            bytes[start..][..values.len()].copy_from_slice(values);
            end = start + values.len();
        }
        let mut copies = vec![(0, self.block.at, end)];
        let mut offset = self.block.bytes;
        for (_, input, buffer) in &self.inputs {
            let values: &[u8] = bytemuck::cast_slice(batch.input(*input));
            bytes[offset..][..values.len()].copy_from_slice(values);
            copies.push((offset, buffer.at, values.len()));
            offset += values.len().next_multiple_of(ALIGNMENT);
        }
        let mut copies = copies.into_iter().filter(|(.., bytes)| *bytes > 0);
        copies.try_for_each(|(offset, to, bytes)| staging.upload(offset, to, bytes))
    }
}
