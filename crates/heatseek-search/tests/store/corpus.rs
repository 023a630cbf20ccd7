//! Made-up documents and operations, the same for the same seed, and what an index should hold after them.

use heatseek_search::store::{
    Batch, CompactionPolicy, Identity, Segment, SegmentVectors, StoredChunk, StoredDocument, VectorDtype,
};
use heatseek_testkit::random;
use serde_json::json;

/// Few ids, so that documents are replaced and removed often.
const IDS: u64 = 40;

pub fn identity(dtype: VectorDtype, width: u32) -> Identity {
    Identity {
        model: "all-MiniLM-L6-v2".into(),
        fingerprint: "53aa51172d142c89".into(),
        pooling: "mean".into(),
        metric: "cosine".into(),
        dtype,
        width,
        settings: [("late".to_owned(), "false".to_owned())].into(),
    }
}

/// What one step of a test does to an index.
pub enum Operation {
    Commit(Batch),
    Compact(CompactionPolicy),
}

/// The step `k` of a test's `seed`.
pub fn operation(identity: &Identity, seed: u64, k: u64) -> Operation {
    let mut draw = Draw::new(seed * 1_000_003 + k);
    match draw.below(10) {
        0 => Operation::Compact(CompactionPolicy::thorough()),
        1 | 2 => Operation::Compact(CompactionPolicy { max_bytes: 20_000, fan: 3, dead: 0.3 }),
        _ => Operation::Commit(batch(identity, &mut draw)),
    }
}

/// A batch of up to four documents, and up to three ids to remove.
pub fn batch(identity: &Identity, draw: &mut Draw) -> Batch {
    let mut add = Segment::new(identity.dtype, identity.width);
    for _ in 0..draw.below(5) {
        let id = format!("document {}", draw.below(IDS));
        if add.documents.iter().all(|known| known.id != id) {
            document(&mut add, id, draw);
        }
    }
    let remove = (0..draw.below(4)).map(|_| format!("document {}", draw.below(IDS))).collect();
    Batch { add, remove }
}

fn document(add: &mut Segment, id: String, draw: &mut Draw) {
    let letters = ['a', 'e', ' ', 'n', '\n', 'ß', '蜂', '🐝', '"', '\u{0}'];
    let text: String = (0..draw.below(300)).map(|_| letters[draw.below(10) as usize]).collect();
    let metadata = match draw.below(3) {
        0 => serde_json::Value::Null,
        1 => json!({ "price": f64::from_bits(draw.next() >> 2), "tags": ["a", null, -3, u64::MAX] }),
        _ => json!("<script>alert(1)</script>"),
    };
    let number = add.documents.len() as u32;
    let boundaries: Vec<u32> =
        text.char_indices().map(|(at, _)| at as u32).chain([text.len() as u32]).collect();
    for _ in 0..draw.below(4) {
        let ends = [0, 1].map(|_| boundaries[draw.below(boundaries.len() as u64) as usize]);
        let (start, end) = (ends[0].min(ends[1]), ends[0].max(ends[1]));
        let have = add.vectors.rows() as u32;
        // Now and then the vectors of an earlier chunk again.
        let again = add.chunks.last().filter(|_| draw.below(4) == 0).map(|last| (last.first_row, last.rows));
        let (first_row, rows) = again.unwrap_or_else(|| (have, rows(&mut add.vectors, draw)));
        add.chunks.push(StoredChunk { document: number, start, end, first_row, rows });
    }
    add.documents.push(StoredDocument { id, text, metadata });
}

fn rows(vectors: &mut SegmentVectors, draw: &mut Draw) -> u32 {
    let count = 1 + draw.below(3) as u32;
    for _ in 0..count {
        let bytes = vectors.dtype.row_bytes(vectors.width);
        vectors.data.extend((0..bytes).map(|_| draw.next() as u8));
        if vectors.dtype == VectorDtype::I8 {
            vectors.scales.push(draw.below(1000) as f32 / 7.0);
        }
    }
    count
}

/// The bytes of a vector and its scale.
type Row = (Vec<u8>, Option<f32>);

/// A document with all that an index holds of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Held {
    document: StoredDocument,
    /// First byte and end in the text, and the vectors.
    chunks: Vec<(u32, u32, Vec<Row>)>,
}

/// What an index should hold, or does, in order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Holdings(pub Vec<Held>);

impl Holdings {
    pub fn of(segments: &[Segment]) -> Self {
        Self(segments.iter().flat_map(held).collect())
    }

    pub fn apply(&mut self, operation: &Operation) {
        if let Operation::Commit(Batch { add, remove }) = operation {
            let gone = |id: &String| remove.contains(id) || add.documents.iter().any(|new| new.id == *id);
            self.0.retain(|held| !gone(&held.document.id));
            self.0.extend(held(add));
        }
    }
}

fn held(segment: &Segment) -> Vec<Held> {
    let row = |row: u32| {
        let scale = segment.vectors.scales.get(row as usize).copied();
        (segment.vectors.row(row as usize).unwrap().to_vec(), scale)
    };
    let chunks = |number: usize| {
        let of = segment.chunks.iter().filter(move |chunk| chunk.document as usize == number);
        of.map(|c| (c.start, c.end, (c.first_row..c.first_row + c.rows).map(row).collect())).collect()
    };
    let documents = segment.documents.iter().enumerate();
    documents.map(|(number, document)| Held { document: document.clone(), chunks: chunks(number) }).collect()
}

/// Numbers of a seed, one after the other.
pub struct Draw {
    seed: u64,
    numbers: std::vec::IntoIter<u64>,
}

impl Draw {
    pub fn new(seed: u64) -> Self {
        Self { seed, numbers: Vec::new().into_iter() }
    }

    pub fn next(&mut self) -> u64 {
        if let Some(number) = self.numbers.next() {
            return number;
        }
        self.numbers = random(self.seed, 256).into_iter();
        self.seed = self.seed.wrapping_mul(31).wrapping_add(0x5eed);
        self.next()
    }

    pub fn below(&mut self, limit: u64) -> u64 {
        (self.next() >> 16) % limit
    }
}
