//! How stored records become bytes: bincode, named in this file only, in an envelope that tells its schema version and
//! refuses anything that is not exactly what was encoded. Each version's type is frozen; a newer one is a new type
//! with a `From` the older.
//!
//! ```text
//! 0   magic 0xA7
//! 1   version, 2 bytes, little endian
//! 3   length of the payload, 4 bytes
//! 7   CRC-32 of version, length and payload, 4 bytes
//! 11  payload: bincode, little endian, fixed-width integers
//! ```

use bincode::Options;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// The most that one record may take, envelope excluded. Larger than any sane plan, smaller than a journal segment.
pub const MAX_PAYLOAD: usize = 4 << 20;

const MAGIC: u8 = 0xA7;
const HEADER: usize = 11;

/// Why a record cannot be encoded or decoded.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CodecError {
    /// It is larger than [`MAX_PAYLOAD`].
    #[error("a record of more than {MAX_PAYLOAD} bytes cannot be stored")]
    TooLarge,
    /// It cannot be written down, such as a map of unknown length.
    #[error("the record cannot be encoded: {0}")]
    Unencodable(String),
    /// The bytes are not one whole, undamaged envelope.
    #[error("the stored record is damaged: {0}")]
    Damaged(&'static str),
    /// The envelope is whole, but its content is not of the expected type.
    #[error("the stored record of version {version} cannot be read: {reason}")]
    Undecodable {
        /// Of the envelope.
        version: u16,
        /// What did not fit.
        reason: String,
    },
    /// A newer program wrote it.
    #[error("the stored record has version {found}; this program reads up to {newest}")]
    Newer {
        /// Of the envelope.
        found: u16,
        /// What this program knows.
        newest: u16,
    },
}

impl CodecError {
    /// The stable code, explained in `docs/errors`.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::TooLarge | Self::Unencodable(_) => "VSJ0130",
            Self::Damaged(_) => "VSJ0131",
            Self::Undecodable { .. } => "VSJ0132",
            Self::Newer { .. } => "VSJ0133",
        }
    }

    /// What to do about it.
    #[must_use]
    pub const fn hint(&self) -> &'static str {
        match self {
            Self::TooLarge => "split the request into smaller ones",
            Self::Unencodable(_) | Self::Undecodable { .. } => "report it: this is a mistake in vsjob",
            Self::Damaged(_) => "run `vsjob audit verify`",
            Self::Newer { .. } => "use the version of vsjob that wrote it, or a later one",
        }
    }
}

/// Encodes `value`, a type of schema `version`.
pub fn encode<T: Serialize + ?Sized>(version: u16, value: &T) -> Result<Vec<u8>, CodecError> {
    let failed = |error: bincode::Error| match *error {
        bincode::ErrorKind::SizeLimit => CodecError::TooLarge,
        other => CodecError::Unencodable(other.to_string()),
    };
    // Counted first, which also keeps to the limit, so that the bytes are allocated once.
    let length = options().serialized_size(value).map_err(failed)?;
    let length = u32::try_from(length).map_err(|_| CodecError::TooLarge)?;
    let mut bytes = Vec::with_capacity(HEADER + length as usize);
    bytes.resize(HEADER, 0);
    options()
        .with_no_limit()
        .serialize_into(&mut bytes, value)
        .map_err(failed)?;
    bytes[0] = MAGIC;
    bytes[1..3].copy_from_slice(&version.to_le_bytes());
    bytes[3..7].copy_from_slice(&length.to_le_bytes());
    let crc = checksum(&bytes[1..7], &bytes[HEADER..]);
    bytes[7..HEADER].copy_from_slice(&crc.to_le_bytes());
    Ok(bytes)
}

/// A record whose envelope is whole; its content is not read yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Envelope<'a> {
    /// Which type the content is.
    pub version: u16,
    payload: &'a [u8],
}

/// Checks the envelope of `bytes`.
pub fn decode(bytes: &[u8]) -> Result<Envelope<'_>, CodecError> {
    let (header, payload) = bytes
        .split_first_chunk::<HEADER>()
        .ok_or(CodecError::Damaged("it ends within its header"))?;
    let [magic, v0, v1, l0, l1, l2, l3, c0, c1, c2, c3] = *header;
    if magic != MAGIC {
        return Err(CodecError::Damaged("it does not start like a record"));
    }
    let length = u32::from_le_bytes([l0, l1, l2, l3]) as usize;
    match payload.len() {
        found if found < length => return Err(CodecError::Damaged("it ends within its content")),
        found if found > length => return Err(CodecError::Damaged("there are bytes after its end")),
        _ => {}
    }
    if checksum(&header[1..7], payload) != u32::from_le_bytes([c0, c1, c2, c3]) {
        return Err(CodecError::Damaged("its checksum is wrong"));
    }
    let version = u16::from_le_bytes([v0, v1]);
    Ok(Envelope { version, payload })
}

impl Envelope<'_> {
    /// Reads the content as the type of this envelope's version.
    pub fn read<T: DeserializeOwned>(self) -> Result<T, CodecError> {
        options()
            .deserialize(self.payload)
            .map_err(|error| CodecError::Undecodable {
                version: self.version,
                reason: error.to_string(),
            })
    }

    /// The error for a version that this program does not know.
    #[must_use]
    pub const fn newer_than(self, newest: u16) -> CodecError {
        CodecError::Newer {
            found: self.version,
            newest,
        }
    }
}

fn options() -> impl Options {
    bincode::DefaultOptions::new()
        .with_little_endian()
        .with_fixint_encoding()
        .with_limit(MAX_PAYLOAD as u64)
        .reject_trailing_bytes()
}

fn checksum(fields: &[u8], payload: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(fields);
    hasher.update(payload);
    hasher.finalize()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    enum Sample {
        Named { name: String, flags: Vec<bool> },
        Numbered(u64, Option<i32>),
        Raw(Vec<u8>),
    }

    fn sample() -> impl Strategy<Value = Sample> {
        prop_oneof![
            (".{0,20}", prop::collection::vec(any::<bool>(), 0..8))
                .prop_map(|(name, flags)| Sample::Named { name, flags }),
            (any::<u64>(), any::<Option<i32>>()).prop_map(|(a, b)| Sample::Numbered(a, b)),
            prop::collection::vec(any::<u8>(), 0..40).prop_map(Sample::Raw),
        ]
    }

    proptest! {
        #[test]
        fn what_was_encoded_is_decoded(version: u16, value in sample()) {
            let bytes = encode(version, &value).unwrap();
            let envelope = decode(&bytes).unwrap();
            prop_assert_eq!(envelope.version, version);
            prop_assert_eq!(envelope.read::<Sample>().unwrap(), value);
        }

        #[test]
        fn every_truncation_and_every_extension_is_refused(value in sample(), more in 1..20_usize) {
            let mut bytes = encode(1, &value).unwrap();
            for length in 0..bytes.len() {
                prop_assert!(decode(&bytes[..length]).is_err());
            }
            bytes.resize(bytes.len() + more, 0);
            prop_assert!(decode(&bytes).is_err());
        }

        #[test]
        fn every_flipped_bit_is_refused(version: u16, value in sample()) {
            let bytes = encode(version, &value).unwrap();
            for bit in 0..bytes.len() * 8 {
                let mut flipped = bytes.clone();
                flipped[bit / 8] ^= 1 << (bit % 8);
                prop_assert!(decode(&flipped).is_err());
            }
        }

        #[test]
        fn any_bytes_are_read_or_refused_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = decode(&bytes);
            let _ = Envelope { version: 1, payload: &bytes }.read::<Vec<Sample>>();
        }
    }

    #[test]
    fn a_record_beyond_the_limit_is_refused() {
        assert_eq!(encode(1, &vec![0_u8; MAX_PAYLOAD]), Err(CodecError::TooLarge));
    }

    #[test]
    fn content_with_trailing_bytes_is_refused_even_in_a_whole_envelope() {
        let bytes = encode(1, &(1_u32, 2_u32)).unwrap();
        assert!(matches!(
            decode(&bytes).unwrap().read::<u32>(),
            Err(CodecError::Undecodable { version: 1, .. })
        ));
    }

    #[test]
    fn a_record_that_is_too_short_or_too_long_is_said_to_be_so() {
        let whole = encode(1, &7_u64).unwrap();
        let mut longer = whole.clone();
        longer.push(0);
        assert_eq!(
            decode(&whole[..whole.len() - 1]).unwrap_err(),
            CodecError::Damaged("it ends within its content")
        );
        assert_eq!(
            decode(&longer).unwrap_err(),
            CodecError::Damaged("there are bytes after its end")
        );
    }

    #[test]
    fn each_error_has_its_code_and_says_what_to_do() {
        let newer = CodecError::Newer { found: 9, newest: 1 };
        let told = [CodecError::TooLarge, CodecError::Damaged("it is cut"), newer]
            .map(|error| (error.code(), error.hint()));
        assert_eq!(
            told,
            [
                ("VSJ0130", "split the request into smaller ones"),
                ("VSJ0131", "run `vsjob audit verify`"),
                (
                    "VSJ0133",
                    "use the version of vsjob that wrote it, or a later one"
                ),
            ]
        );
    }

    #[test]
    fn the_envelope_is_what_its_table_says() {
        assert_eq!(
            encode(0x0102, &0x0304_u16).unwrap()[..7],
            [0xA7, 2, 1, 2, 0, 0, 0]
        );
    }
}
