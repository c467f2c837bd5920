//! How frames lie in a segment, as pure functions on bytes: encoding a batch, and looking at a place to tell a whole
//! frame from the end, from a batch that a crash tore, and from damage.
//!
//! A crash leaves a sector (512 bytes, aligned) either as it was, which is zero, or as written. So a batch that was
//! torn has a hole: a sector's share of it is zero. A frame that is wrong and has no hole was written as a whole and
//! changed later: that is damage, never cut. To keep the two apart no frame begins or ends with a zero byte.

use crate::store::Head;

/// Every frame starts at a multiple of this.
pub(super) const ALIGN: usize = 8;
/// Of a frame's header.
pub(super) const HEADER: usize = 64;

const SECTOR: usize = 512;
const MAGIC: [u8; 4] = *b"VSJf";
const FILLER: u8 = 0xA5;

/// A frame's place in its batch. A batch is kept as a whole or not at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// From 0.
    pub(super) position: u32,
    /// How many frames the batch has.
    pub(super) count: u32,
}

impl Place {
    pub(super) const fn is_last(self) -> bool {
        self.position.saturating_add(1) == self.count
    }

    /// What the place after this one must be; a new batch may have any length.
    const fn is_followed_by(self, next: Self) -> bool {
        if self.is_last() {
            next.position == 0 && next.count > 0
        } else {
            next.position == self.position + 1 && next.count == self.count
        }
    }
}

#[derive(Clone, Copy, Debug)]
struct Header {
    length: u32,
    sequence: u64,
    place: Place,
    previous: [u8; 32],
    crc: u32,
}

/// What a frame of `length` bytes takes in a segment.
pub(super) const fn size(length: usize) -> usize {
    // At least one byte of filler.
    (HEADER + length) / ALIGN * ALIGN + ALIGN
}

/// Appends the frame of `payload` to `out` and returns its head.
pub(super) fn encode(out: &mut Vec<u8>, before: Head, place: Place, payload: &[u8]) -> Head {
    let start = out.len();
    let sequence = before.sequence + 1;
    out.extend_from_slice(&MAGIC);
    // Frames are limited to a segment's size long before.
    out.extend_from_slice(&u32::try_from(payload.len()).unwrap_or(u32::MAX).to_le_bytes());
    out.extend_from_slice(&sequence.to_le_bytes());
    out.extend_from_slice(&place.position.to_le_bytes());
    out.extend_from_slice(&place.count.to_le_bytes());
    out.extend_from_slice(&before.hash);
    out.extend_from_slice(&crc32fast::hash(payload).to_le_bytes());
    let crc = crc32fast::hash(&out[start..]);
    out.extend_from_slice(&crc.to_le_bytes());
    let hash = hash(&out[start..], payload);
    out.extend_from_slice(payload);
    out.resize(start + size(payload.len()), FILLER);
    Head { sequence, hash }
}

fn hash(header: &[u8], payload: &[u8]) -> [u8; 32] {
    blake3::Hasher::new()
        .update(header)
        .update(payload)
        .finalize()
        .into()
}

/// What is at a place of a segment.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Look<'a> {
    /// A whole frame that follows the one before.
    Frame {
        head: Head,
        place: Place,
        payload: &'a [u8],
        end: usize,
    },
    /// Nothing was written here or beyond.
    End,
    /// A frame that a crash kept from reaching the disk.
    Torn,
    /// Anything else.
    Damaged(&'static str),
}

/// Walks the frames of one segment, whose bytes, from its beginning to where its frames must end, are given at each step.
#[derive(Clone, Copy, Debug)]
pub(super) struct Walk {
    /// Where the next frame starts.
    pub(super) at: usize,
    /// The frame before it.
    pub(super) head: Head,
    place: Place,
}

impl Walk {
    /// From the start of a batch at `at`, which follows `head`.
    pub(super) const fn new(at: usize, head: Head) -> Self {
        let place = Place {
            position: 0,
            count: 1,
        };
        Self { at, head, place }
    }

    /// Looks at the next frame, and steps over it if it is whole.
    pub(super) fn step<'a>(&mut self, bytes: &'a [u8]) -> Look<'a> {
        let look = self.look(bytes);
        if let Look::Frame { head, place, end, .. } = look {
            self.head = head;
            self.place = place;
            self.at = end;
        }
        look
    }

    /// Whether the next frame would begin a batch.
    pub(super) const fn between_batches(&self) -> bool {
        self.place.is_last()
    }

    fn look<'a>(&self, bytes: &'a [u8]) -> Look<'a> {
        let rest = &bytes[self.at.min(bytes.len())..];
        let Some((raw, body)) = rest.split_first_chunk::<HEADER>() else {
            return if is_zero(rest) {
                Look::End
            } else {
                Look::Damaged("too little room for a frame")
            };
        };
        if has_hole(raw, self.at) {
            return if is_zero(rest) { Look::End } else { Look::Torn };
        }
        let Some(header) = parse(raw) else {
            return Look::Damaged("the frame's header is damaged");
        };
        let length = header.length as usize;
        let Some(frame) = rest.get(..size(length)) else {
            return Look::Damaged("the frame is longer than its segment");
        };
        let payload = &body[..length];
        let filler = &frame[HEADER + length..];
        if crc32fast::hash(payload) != header.crc || filler.iter().any(|&byte| byte != FILLER) {
            return if has_hole(frame, self.at) {
                Look::Torn
            } else {
                Look::Damaged("the frame's checksum is wrong")
            };
        }
        if header.sequence != self.head.sequence + 1 || header.previous != self.head.hash {
            return Look::Damaged("the frame does not follow the one before it");
        }
        if !self.place.is_followed_by(header.place) {
            return Look::Damaged("the frame is not the next of its batch");
        }
        Look::Frame {
            head: Head {
                sequence: header.sequence,
                hash: hash(raw, payload),
            },
            place: header.place,
            payload,
            end: self.at + frame.len(),
        }
    }
}

/// Whether `bytes`, which start where a frame might, have the header of a frame whose batch begins after frame
/// `torn`. It was written after that frame's batch was durable, which therefore cannot have been torn.
pub(super) fn a_later_batch_follows(bytes: &[u8], torn: u64) -> bool {
    let mut from = 0;
    while let Some(raw) = bytes.get(from..from + HEADER) {
        let later = raw.starts_with(&MAGIC)
            && parse(raw).is_some_and(|header| {
                header.sequence.saturating_sub(u64::from(header.place.position)) > torn
            });
        if later {
            return true;
        }
        from += ALIGN;
    }
    false
}

/// The sequence and the link of the frame at the start of `bytes`; `None` if there is no frame header.
pub(super) fn first(bytes: &[u8]) -> Option<(u64, [u8; 32])> {
    let header = parse(bytes.get(..HEADER)?)?;
    Some((header.sequence, header.previous))
}

fn parse(raw: &[u8]) -> Option<Header> {
    let number =
        |at: usize| -> Option<u32> { Some(u32::from_le_bytes(raw.get(at..at + 4)?.try_into().ok()?)) };
    if !raw.starts_with(&MAGIC) || crc32fast::hash(raw.get(..60)?) != number(60)? {
        return None;
    }
    Some(Header {
        length: number(4)?,
        sequence: u64::from_le_bytes(raw.get(8..16)?.try_into().ok()?),
        place: Place {
            position: number(16)?,
            count: number(20)?,
        },
        previous: raw.get(24..56)?.try_into().ok()?,
        crc: number(56)?,
    })
}

/// Whether a sector's share of `bytes`, which start at offset `at` of their file, is zero.
fn has_hole(bytes: &[u8], at: usize) -> bool {
    let (first, rest) = bytes.split_at(bytes.len().min(SECTOR - at % SECTOR));
    is_zero(first) || rest.chunks(SECTOR).any(is_zero)
}

pub(super) fn is_zero(bytes: &[u8]) -> bool {
    const ZERO: [u8; 4096] = [0; 4096];
    bytes
        .chunks(ZERO.len())
        .all(|chunk| chunk == &ZERO[..chunk.len()])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_of_which_any_byte_is_another_is_damaged() {
        let (before, place) = (
            Head::EMPTY,
            Place {
                position: 0,
                count: 1,
            },
        );
        let mut bytes = Vec::new();
        let head = encode(&mut bytes, before, place, b"a payload");
        let mut walk = Walk::new(0, before);
        assert!(matches!(walk.step(&bytes), Look::Frame { .. }));
        assert_eq!((walk.head, walk.at), (head, bytes.len()));
        for at in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[at] ^= 1;
            let look = Walk::new(0, before).step(&damaged);
            assert!(matches!(look, Look::Damaged(_)), "{at}: {look:?}");
        }
    }
}
