//! Bytes that many tensors view without copying.

use std::fmt;
use std::ops::{Deref, Range};
use std::sync::Arc;

/// The bytes of one file, shared: a `Vec`, or natively a memory map. Cloning copies nothing.
#[derive(Clone)]
pub struct SharedBytes(Arc<dyn AsRef<[u8]> + Send + Sync>);

impl SharedBytes {
    /// Shares anything that holds bytes and never moves or changes them.
    pub fn new(bytes: impl AsRef<[u8]> + Send + Sync + 'static) -> Self {
        Self(Arc::new(bytes))
    }
}

impl From<Vec<u8>> for SharedBytes {
    fn from(bytes: Vec<u8>) -> Self {
        Self::new(bytes)
    }
}

impl Deref for SharedBytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        (*self.0).as_ref()
    }
}

impl fmt::Debug for SharedBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SharedBytes({})", self.len())
    }
}

/// Floats that lie aligned and in this machine's byte order somewhere in a file.
pub(crate) struct FloatView {
    bytes: SharedBytes,
    range: Range<usize>,
}

impl FloatView {
    /// A view of `range` as f32, or `None` if the bytes must be copied first.
    pub(crate) fn new(bytes: &SharedBytes, range: Range<usize>) -> Option<Self> {
        let castable = bytemuck::try_cast_slice::<u8, f32>(bytes.get(range.clone())?).is_ok();
        (castable && cfg!(target_endian = "little")).then(|| Self { bytes: bytes.clone(), range })
    }
}

impl AsRef<[f32]> for FloatView {
    fn as_ref(&self) -> &[f32] {
        // Cannot fail: `new` tried it, and shared bytes never move.
        bytemuck::try_cast_slice(&self.bytes[self.range.clone()]).unwrap_or_default()
    }
}
