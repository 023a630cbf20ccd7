//! Every damaged byte is an error or an older state, never a panic and never something half read.

use heatseek_search::store::{Check, CompactionPolicy, Identity, Opened, StoreError, VectorDtype};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::corpus::{Draw, Holdings, Operation, batch, identity};
use crate::disk::Disk;

/// An index of a few segments with tombstones, and what it held one commit earlier and holds now.
fn made(dtype: VectorDtype) -> (Identity, Disk, [Holdings; 2]) {
    let identity = identity(dtype, 10);
    let mut disk = Disk::default();
    let mut store = disk.writer(&identity);
    let mut holdings = [Holdings::default(), Holdings::default()];
    let mut draw = Draw::new(7);
    for _ in 0..9 {
        let operation = Operation::Commit(batch(&identity, &mut draw));
        disk.apply(&mut store, &operation);
        holdings[0] = holdings[1].clone();
        holdings[1].apply(&operation);
    }
    assert!(store.segments() > 5);
    (identity, disk, holdings)
}

fn newest(disk: &Disk) -> (String, Value) {
    let manifests = disk.0.iter().filter(|(name, _)| name.starts_with("manifest"));
    let parsed =
        manifests.map(|(name, bytes)| (name.clone(), serde_json::from_slice::<Value>(bytes).unwrap()));
    let parsed = parsed.map(|(name, mut file)| (name, file["manifest"].take()));
    parsed.max_by_key(|(_, manifest)| manifest["generation"].as_u64()).unwrap()
}

fn sum(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Writes a manifest with a right sum over it, as whoever means harm would.
fn sign(manifest: &Value) -> Vec<u8> {
    let body = manifest.to_string();
    format!("{{\"sha256\":\"{}\",\"manifest\":{body}}}\n", sum(body.as_bytes())).into_bytes()
}

/// Opens, and does with what opened whatever reads it.
fn open_and_use(disk: &Disk, identity: &Identity, check: Check) -> Result<Holdings, StoreError> {
    let Opened { segments, .. } = disk.recover(Some(identity), check)?;
    let holdings = Holdings::of(&segments);
    let mut disk = disk.clone();
    let Opened { mut store, tidy, .. } = disk.recover(Some(identity), check)?;
    disk.carry_out(&mut store, tidy);
    let commit = store.commit(&batch(identity, &mut Draw::new(1)))?;
    disk.carry_out(&mut store, commit);
    while let Some(mut compaction) = store.due(&CompactionPolicy::thorough()) {
        for name in compaction.wanted() {
            compaction.give(&name, disk.0.get(&name).cloned())?;
        }
        let commit = store.compact(compaction)?;
        disk.carry_out(&mut store, commit);
    }
    Ok(holdings)
}

#[test]
fn a_flipped_byte_or_a_cut_is_an_error_or_the_state_before() {
    let (identity, disk, holdings) = made(VectorDtype::I8);
    let names: Vec<String> = disk.0.keys().cloned().collect();
    let mut draw = Draw::new(11);
    let (mut refused, mut older, mut given_up) = (0, 0, 0);
    for _ in 0..3000 {
        let mut disk = disk.clone();
        let name = &names[draw.below(names.len() as u64) as usize];
        let bytes = disk.0.get_mut(name).unwrap();
        let at = draw.below(bytes.len() as u64) as usize;
        match draw.below(4) {
            0 => bytes.truncate(at),
            1 => bytes.push(0),
            2 => drop(disk.0.remove(name)),
            _ => bytes[at] ^= 1 << draw.below(8),
        }
        match disk.recover(Some(&identity), Check::Full) {
            Ok(opened) => {
                let held = Holdings::of(&opened.segments);
                assert!(holdings.contains(&held), "{name} at {at}");
                older += u32::from(held == holdings[0]);
                // What was committed is never given up unasked.
                let lost = opened.skipped.iter().find(|skipped| skipped.generation.is_some());
                match disk.open(Some(&identity), Check::Full) {
                    Ok(_) => assert!(lost.is_none()),
                    Err(StoreError::Lost { reasons }) => {
                        assert_eq!(Some(&reasons), lost.map(|lost| &lost.reason));
                        given_up += 1;
                    }
                    Err(error) => panic!("{name} at {at}: {error}"),
                }
            }
            Err(StoreError::NoManifest { .. }) => refused += 1,
            Err(error) => panic!("{name} at {at}: {error}"),
        }
        // Without sums the values may be others, but nothing is out of bounds.
        let _ = open_and_use(&disk, &identity, Check::Length);
    }
    assert!(
        refused > 100 && older > 100 && given_up > 100,
        "{refused} refused, {older} older, {given_up} of them given up"
    );
}

#[test]
fn files_that_are_wrong_but_have_right_sums_are_refused_or_read() {
    for dtype in [VectorDtype::I8, VectorDtype::Bits] {
        let (identity, disk, _) = made(dtype);
        let (place, manifest) = newest(&disk);
        let mut alone = disk.clone();
        alone.0.retain(|name, _| !name.starts_with("manifest") || *name == place);
        let mut draw = Draw::new(12);
        let mut refused = 0;
        for _ in 0..1500 {
            let (mut disk, mut manifest) = (alone.clone(), manifest.clone());
            let segments = manifest["segments"].as_array_mut().unwrap();
            let some = draw.below(segments.len() as u64) as usize;
            let kind = if draw.below(2) == 0 { "documents" } else { "vectors" };
            let Some(name) = segments[some][kind]["name"].as_str().map(str::to_owned) else { continue };
            let bytes = disk.0.get_mut(&name).unwrap();
            for _ in 0..=draw.below(2) {
                // Headers and tables are in front.
                let near = [bytes.len() as u64, 300][draw.below(2) as usize].min(bytes.len() as u64);
                let at = draw.below(near) as usize;
                match draw.below(5) {
                    0 if at > 0 => bytes.truncate(at),
                    1 => bytes.insert(at, draw.next() as u8),
                    2 => bytes[at] = draw.next() as u8,
                    _ => bytes[at] = b"0123456789{}[]\",:-\n"[draw.below(19) as usize],
                }
            }
            let (length, sum) = (bytes.len(), sum(bytes));
            segments[some][kind]["bytes"] = json!(length);
            segments[some][kind]["sha256"] = json!(sum);
            disk.0.insert(place.clone(), sign(&manifest));
            refused += u32::from(open_and_use(&disk, &identity, Check::Full).is_err());
        }
        assert!(refused > 300, "{refused}");
    }
}

#[test]
fn manifests_that_say_nonsense_under_a_right_sum_are_refused() {
    let (identity, mut disk, holdings) = made(VectorDtype::I8);
    let (place, manifest) = newest(&disk);
    disk.0.retain(|name, _| !name.starts_with("manifest") || *name == place);
    disk.0.insert(place.clone(), sign(&manifest));
    assert!(open_and_use(&disk, &identity, Check::Full).unwrap() == holdings[1], "signing works");

    let nonsense = [
        json!(null),
        json!(-1),
        json!(0),
        json!(1),
        json!(2.5),
        json!(u32::MAX),
        json!(u64::MAX),
        json!(""),
        json!("../../etc/passwd"),
        json!("vectors-00000001.safetensors"),
        json!("documents-00000001.jsonl"),
        json!([]),
        json!({}),
    ];
    let mut pointers = Vec::new();
    collect(&manifest, String::new(), &mut pointers);
    assert!(pointers.len() > 60);
    let mut read = Vec::new();
    for pointer in &pointers {
        for value in nonsense.iter().map(Some).chain([None]) {
            let mut manifest = manifest.clone();
            match value {
                Some(value) if manifest.pointer(pointer) == Some(value) => continue,
                Some(value) => *manifest.pointer_mut(pointer).unwrap() = value.clone(),
                None => {
                    let (parent, last) = pointer.rsplit_once('/').unwrap();
                    match manifest.pointer_mut(parent).unwrap() {
                        Value::Object(fields) => drop(fields.remove(last)),
                        Value::Array(values) => drop(values.remove(last.parse().unwrap())),
                        _ => unreachable!("a pointer ends in a field or an element"),
                    }
                }
            }
            disk.0.insert(place.clone(), sign(&manifest));
            if let Ok(held) = open_and_use(&disk, &identity, Check::Full) {
                read.push((pointer.clone(), value.cloned(), held == holdings[1]));
            }
        }
    }
    for (pointer, value, same) in read {
        // What says nothing about the contents may say anything, and fewer segments are another index.
        let free = ["/library", "/generation", "/next_segment"].contains(&pointer.as_str());
        let fewer = pointer == "/segments" || value.is_none() && pointer.starts_with("/segments/");
        assert!(same && free || fewer, "{pointer} = {value:?} was read");
    }
}

fn collect(value: &Value, pointer: String, into: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            fields.iter().for_each(|(name, value)| collect(value, format!("{pointer}/{name}"), into));
        }
        Value::Array(values) => {
            values.iter().enumerate().for_each(|(at, value)| collect(value, format!("{pointer}/{at}"), into));
        }
        _ => {}
    }
    if !pointer.is_empty() {
        into.push(pointer);
    }
}

#[test]
fn every_cut_of_a_manifest_leaves_the_one_before() {
    let (identity, disk, holdings) = made(VectorDtype::Bits);
    let (place, _) = newest(&disk);
    let whole = disk.0[&place].clone();
    let mut disk = disk.clone();
    for length in 0..whole.len() {
        disk.0.insert(place.clone(), whole[..length].to_vec());
        let opened = disk.open(Some(&identity), Check::Length).unwrap();
        assert!(Holdings::of(&opened.segments) == holdings[0], "{length}");
        assert_eq!(opened.skipped.iter().map(|skipped| skipped.generation).collect::<Vec<_>>(), [None]);
    }
}

#[test]
fn lost_manifests_or_segments_are_no_new_index() {
    let (identity, disk, _) = made(VectorDtype::F16);
    let error = |keep: &dyn Fn(&str) -> bool| {
        let mut disk = disk.clone();
        disk.0.retain(|name, _| keep(name));
        disk.open(Some(&identity), Check::Length).map(|opened| opened.segments.len())
    };
    assert!(matches!(error(&|name| !name.starts_with("manifest")), Err(StoreError::NoManifest { .. })));
    assert!(matches!(error(&|name| name.starts_with("manifest")), Err(StoreError::NoManifest { .. })));
    assert!(matches!(error(&|name| name == "manifest-b.json"), Err(StoreError::NoManifest { .. })));
    assert_eq!(error(&|_| false).unwrap(), 0);
    let empty = Disk::default();
    assert!(matches!(empty.open(None, Check::Length), Err(StoreError::NotFound)));
}

#[test]
fn a_damaged_change_is_an_error_that_says_what_is_lost_and_nothing_is_removed_unasked() {
    let identity = identity(VectorDtype::I8, 10);
    let mut disk = Disk::default();
    let mut store = disk.writer(&identity);
    let mut draw = Draw::new(5);
    let first = batch(&identity, &mut draw);
    let mut second = batch(&identity, &mut draw);
    second.remove = vec![first.add.documents[0].id.clone()];
    second.add.documents.iter_mut().zip(0..).for_each(|(document, i)| document.id = format!("second {i}"));
    let added = second.add.documents.len();
    disk.apply(&mut store, &Operation::Commit(first));
    let before = Holdings::of(&disk.open(Some(&identity), Check::Full).unwrap().segments);
    disk.apply(&mut store, &Operation::Commit(second));
    let (place, manifest) = newest(&disk);
    let name = manifest["segments"][1]["vectors"]["name"].as_str().unwrap();
    disk.0.get_mut(name).unwrap().pop();
    let error = disk.open(Some(&identity), Check::Length).unwrap_err();
    let says = error.to_string();
    let lost = format!("lost with it: {added} added, 1 removed");
    assert!(says.contains(&place) && says.contains(name) && says.contains(&lost), "{says}");
    let Opened { segments, tidy, skipped, .. } = disk.recover(Some(&identity), Check::Full).unwrap();
    assert!(Holdings::of(&segments) == before);
    assert!(skipped[0].reason.contains(&lost));
    // Until something else is stored, its files can still be restored.
    assert!(tidy.manifest.is_none() && tidy.remove.is_empty(), "{tidy:?}");
}
