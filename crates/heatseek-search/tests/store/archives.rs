//! An index as one file, and what other programs read.

use std::fs;
use std::io::Cursor;

use heatseek_search::store::{
    Batch, Check, FolderStore, Segment, StoreError, VectorDtype, archive_entries, write_documents_jsonl,
    write_scales_npy, write_vectors_npy,
};
use safetensors::{Dtype, SafeTensors, tensor::TensorView};
use serde_json::Value;

use crate::corpus::{Draw, Holdings, batch, identity};
use crate::folders::Folder;

fn exported(name: &str) -> (Vec<u8>, Holdings) {
    let folder = Folder::new(name);
    let identity = identity(VectorDtype::I8, 6);
    let (mut index, _) = FolderStore::open(&folder.0, &identity, Check::Full).unwrap();
    (0..5).for_each(|seed| index.commit(&batch(&identity, &mut Draw::new(seed))).unwrap());
    // Of several segments, as a host may write it that does not put them together.
    let archive = index.store().archive().unwrap();
    let files = archive.files.iter().map(|name| fs::read(folder.0.join(name)).unwrap());
    let archive = [archive.head].into_iter().chain(files).collect::<Vec<_>>().concat();
    (archive, Holdings::of(&FolderStore::read(&folder.0, None, Check::Full).unwrap().segments))
}

#[test]
fn an_archive_is_the_index() {
    let (archive, holdings) = exported("export");
    assert!(SafeTensors::deserialize(&archive).is_ok(), "other programs can read it");
    let folder = Folder::new("import");
    FolderStore::import(&mut Cursor::new(&archive), &folder.0).unwrap();
    let (mut index, contents) =
        FolderStore::open(&folder.0, &identity(VectorDtype::I8, 6), Check::Full).unwrap();
    assert!(Holdings::of(&contents.segments) == holdings && !holdings.0.is_empty());
    index.commit(&batch(&contents.identity, &mut Draw::new(9))).unwrap();
    drop(index);
    let error = FolderStore::import(&mut Cursor::new(&archive), &folder.0).unwrap_err();
    assert!(error.to_string().starts_with("folder: expected one without an index, got one with "), "{error}");
    assert!(FolderStore::read(&folder.0, None, Check::Full).unwrap().segments.len() > 3);
}

#[test]
fn what_is_exported_has_one_segment_and_nothing_that_was_removed() {
    let (folder, copy) = (Folder::new("export-one"), Folder::new("import-one"));
    let identity = identity(VectorDtype::I8, 6);
    let (mut index, _) = FolderStore::open(&folder.0, &identity, Check::Full).unwrap();
    (0..5).for_each(|seed| index.commit(&batch(&identity, &mut Draw::new(seed))).unwrap());
    let contents = FolderStore::read(&folder.0, None, Check::Full).unwrap();
    let gone = contents.segments[0].documents[0].clone();
    index
        .commit(&Batch { add: Segment::new(identity.dtype, identity.width), remove: vec![gone.id] })
        .unwrap();
    let contents = FolderStore::read(&folder.0, None, Check::Full).unwrap();
    assert_eq!((contents.generation, contents.bytes), (index.store().generation(), index.store().bytes()));
    let holdings = Holdings::of(&contents.segments);
    // The writer has it open, which harms nobody.
    let archive = contents.export().unwrap().concat();
    FolderStore::import(&mut Cursor::new(&archive), &copy.0).unwrap();
    let copied = FolderStore::read(&copy.0, Some(&identity), Check::Full).unwrap();
    assert!(Holdings::of(&copied.segments) == holdings && !holdings.0.is_empty());
    assert_eq!(copied.segments.len(), 1);
    let text = serde_json::to_string(&gone.text).unwrap().into_bytes();
    assert!(text.len() > 20 && !archive.windows(text.len()).any(|part| part == text));

    let none = Folder::new("export-none");
    drop(FolderStore::open(&none.0, &identity, Check::Full).unwrap());
    let archive = FolderStore::read(&none.0, None, Check::Full).unwrap().export().unwrap().concat();
    let again = Folder::new("import-none");
    FolderStore::import(&mut Cursor::new(&archive), &again.0).unwrap();
    assert_eq!(FolderStore::read(&again.0, Some(&identity), Check::Full).unwrap().segments, []);
}

#[test]
fn paths_and_other_files_are_refused() {
    let (archive, _) = exported("tricks");
    let tensors = SafeTensors::deserialize(&archive).unwrap();
    for trick in [
        "../manifest-a.json",
        "/etc/passwd",
        "a/vectors-00000001.safetensors",
        "..\\vectors-00000001.safetensors",
        "vectors-1.safetensors",
        "manifest-b.json",
        "writer.lock",
        "notes.txt",
        "",
    ] {
        let mut views = tensors.tensors();
        views.push((trick.to_owned(), TensorView::new(Dtype::U8, vec![1], &[1]).unwrap()));
        let spoilt = safetensors::serialize(views, None).unwrap();
        let folder = Folder::new("tricked");
        let error = FolderStore::import(&mut Cursor::new(&spoilt), &folder.0).unwrap_err();
        assert!(matches!(&error, StoreError::Archive { name, .. } if name == trick), "{trick}: {error}");
        assert!(!folder.0.exists(), "nothing is written");
    }
    let floats = TensorView::new(Dtype::F32, vec![1], &[0; 4]).unwrap();
    let floats = safetensors::serialize([("manifest-a.json", floats)], None).unwrap();
    assert!(matches!(archive_entries(&floats, floats.len() as u64), Err(StoreError::Archive { .. })));
}

#[test]
fn a_damaged_archive_is_refused_and_leaves_nothing() {
    let (archive, _) = exported("damaged");
    let mut draw = Draw::new(5);
    let folder = Folder::new("damaged-import");
    for _ in 0..60 {
        let mut spoilt = archive.clone();
        let at = draw.below(spoilt.len() as u64) as usize;
        if draw.below(3) == 0 {
            spoilt.truncate(at);
        } else {
            // Not a space of the header, which may be any other white space.
            spoilt[at] ^= 0x80;
        }
        let error = FolderStore::import(&mut Cursor::new(&spoilt), &folder.0).unwrap_err();
        assert!(!error.to_string().is_empty());
        let left = fs::read_dir(&folder.0).into_iter().flatten().map(|entry| entry.unwrap().file_name());
        assert_eq!(left.filter(|name| name != "writer.lock").count(), 0, "{error}");
    }
    FolderStore::import(&mut Cursor::new(&archive), &folder.0).unwrap();
    // Whatever the head is, it is read or refused.
    for _ in 0..5000 {
        let mut head = archive.clone();
        let at = draw.below(600) as usize;
        head[at] = draw.next() as u8;
        let total = draw.next() >> draw.below(64);
        if let Ok(entries) = archive_entries(&head[..head.len().min(total as usize)], total) {
            assert!(entries.iter().all(|(_, range)| range.end <= total));
        }
    }
}

#[test]
fn vectors_and_documents_are_what_numpy_and_json_read() {
    let folder = Folder::new("npy");
    let identity = identity(VectorDtype::I8, 6);
    let (mut index, _) = FolderStore::open(&folder.0, &identity, Check::Full).unwrap();
    (0..5).for_each(|seed| index.commit(&batch(&identity, &mut Draw::new(seed))).unwrap());
    let segments = FolderStore::read(&folder.0, None, Check::Full).unwrap().segments;
    let (mut vectors, mut scales, mut lines) = (Vec::new(), Vec::new(), Vec::new());
    write_vectors_npy(&segments, &mut vectors).unwrap();
    write_scales_npy(&segments, &mut scales).unwrap();
    write_documents_jsonl(&segments, &mut lines).unwrap();

    let rows: usize = segments.iter().map(|segment| segment.vectors.rows()).sum();
    let header = |bytes: &[u8]| {
        assert_eq!(&bytes[..8], b"\x93NUMPY\x01\x00");
        let length = u16::from_le_bytes([bytes[8], bytes[9]]) as usize;
        assert_eq!((10 + length) % 64, 0);
        (String::from_utf8(bytes[10..10 + length].to_vec()).unwrap(), bytes[10 + length..].to_vec())
    };
    let (text, vectors) = header(&vectors);
    let expected = format!("{{'descr': '|i1', 'fortran_order': False, 'shape': ({rows}, 6), }}");
    assert_eq!(text.trim_end_matches(['\n', ' ']), expected);
    let (text, scales) = header(&scales);
    assert!(text.contains(&format!("'<f4', 'fortran_order': False, 'shape': ({rows},)")), "{text}");
    assert_eq!((vectors.len(), scales.len()), (rows * 6, rows * 4));

    let lines: Vec<Value> = lines
        .split(|&byte| byte == b'\n')
        .filter(|line| !line.is_empty())
        .map(|line| serde_json::from_slice(line).unwrap())
        .collect();
    let documents: Vec<_> = segments.iter().flat_map(|segment| &segment.documents).collect();
    assert_eq!(lines.len(), documents.len());
    for (line, document) in lines.iter().zip(documents) {
        assert_eq!(
            (line["id"].as_str(), line["text"].as_str()),
            (Some(&*document.id), Some(&*document.text))
        );
        for chunk in line["chunks"].as_array().unwrap() {
            let end = chunk["row"].as_u64().unwrap() + chunk["rows"].as_u64().unwrap();
            assert!(end as usize <= rows);
        }
    }
    // The last chunk's vector, by its row.
    let last = segments.iter().rev().find(|segment| !segment.chunks.is_empty()).unwrap();
    let chunk = last.chunks.last().unwrap();
    let line = lines.iter().rev().find(|line| !line["chunks"].as_array().unwrap().is_empty()).unwrap();
    let row = line["chunks"].as_array().unwrap().last().unwrap()["row"].as_u64().unwrap() as usize;
    assert_eq!(Some(&vectors[row * 6..][..6]), last.vectors.row(chunk.first_row as usize));
}
