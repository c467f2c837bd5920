//! Stored records: what is decoded is what was encoded, whole, and nothing else is decoded.

use vsjob_engine::{Entry, codec};

/// The bytes as a record, and as the content of a record whose envelope is right: no fuzzer guesses a checksum.
pub(crate) fn codec(bytes: &[u8]) {
    is_read_back(bytes);
    let record = in_an_envelope(1, bytes);
    assert!(codec::decode(&record).is_ok());
    if is_read_back(&record) {
        let longer = in_an_envelope(1, &[bytes, &[0]].concat());
        assert!(Entry::decode(&longer).is_err(), "a byte too many was not seen");
        let newer = in_an_envelope(2, bytes);
        assert!(Entry::decode(&newer).is_err(), "a newer version was read");
    }
}

/// Whether it is a record; if so, encoding brings it back. Not byte for byte: a map may hold a key twice.
fn is_read_back(record: &[u8]) -> bool {
    let Ok(entry) = Entry::decode(record) else {
        return false;
    };
    let again = entry.encode().unwrap_or_default();
    assert!(again.len() <= record.len());
    assert_eq!(Entry::decode(&again).as_ref(), Ok(&entry));
    true
}

/// By the table in `engine/src/codec.rs`.
fn in_an_envelope(version: u16, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap_or(u32::MAX);
    let mut record = vec![0xA7];
    record.extend(version.to_le_bytes());
    record.extend(length.to_le_bytes());
    let checksum = crc32fast::hash(&[&record[1..], payload].concat());
    record.extend(checksum.to_le_bytes());
    record.extend(payload);
    record
}
