//! The changes of the index that sled does not have yet. Readers look here first, so that they see a change as soon as
//! it was handed over, and the writer takes what has gathered at once, but no more than sled can take: a record that
//! changed ten times meanwhile is written once.

use std::collections::{BTreeMap, VecDeque};
use std::iter::Peekable;
use std::ops::Bound;
use std::sync::Arc;

use crate::store::{Head, Put, Record, Scan};

/// Changes by key; `None` deletes.
pub(super) type Layer = BTreeMap<Vec<u8>, Option<Vec<u8>>>;

/// A range of keys.
pub(super) type Range = (Bound<Vec<u8>>, Bound<Vec<u8>>);

/// Changes that wait, and changes that are being written.
#[derive(Debug, Default)]
pub(super) struct Overlay {
    /// Oldest first.
    waiting: VecDeque<Waiting>,
    applying: Arc<Layer>,
}

/// Changes that sled gets at once.
#[derive(Debug, Default)]
struct Waiting {
    /// Where they lead to.
    head: Head,
    layer: Layer,
    bytes: usize,
}

impl Waiting {
    fn push(&mut self, Put { key, value }: Put) {
        let length = |value: &Option<Vec<u8>>| value.as_ref().map_or(0, Vec::len);
        let size = key.len();
        self.bytes += size + length(&value);
        if let Some(older) = self.layer.insert(key, value) {
            self.bytes -= size + length(&older);
        }
    }
}

impl Overlay {
    /// Takes in changes, beside those that wait already while these have no more than `enough` bytes.
    pub(super) fn push(&mut self, head: Head, puts: Vec<Put>, enough: usize) {
        if self.waiting.back().is_none_or(|last| last.bytes > enough) {
            self.waiting.push_back(Waiting::default());
        }
        if let Some(last) = self.waiting.back_mut() {
            last.head = head;
            puts.into_iter().for_each(|put| last.push(put));
        }
    }

    /// Of the keys and values that wait.
    pub(super) fn bytes(&self) -> usize {
        self.waiting.iter().map(|waiting| waiting.bytes).sum()
    }

    /// How many records are not in sled yet.
    pub(super) fn len(&self) -> usize {
        self.waiting
            .iter()
            .map(|waiting| waiting.layer.len())
            .sum::<usize>()
            + self.applying.len()
    }

    /// Whether there is something to take.
    pub(super) fn is_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// What sled gets next, with the head it leads to. It stays visible until [`applied`](Self::applied).
    pub(super) fn take(&mut self) -> Option<(Head, Arc<Layer>)> {
        let Waiting { head, layer, .. } = self.waiting.pop_front()?;
        self.applying = Arc::new(layer);
        Some((head, self.applying.clone()))
    }

    /// What was taken is in sled.
    pub(super) fn applied(&mut self) {
        self.applying = Arc::default();
    }

    /// The newest change of a key, if there is one.
    pub(super) fn get(&self, key: &[u8]) -> Option<Option<Vec<u8>>> {
        let newest_first = self.waiting.iter().rev().map(|waiting| &waiting.layer);
        let mut layers = newest_first.chain([&*self.applying]);
        layers.find_map(|layer| layer.get(key)).cloned()
    }

    /// The newest changes in a range.
    pub(super) fn changes(&self, range: &Range) -> Layer {
        let of = |layer: &Layer| -> Layer {
            let changes = layer.range::<Vec<u8>, _>(range.clone());
            changes.map(|(key, value)| (key.clone(), value.clone())).collect()
        };
        let mut changes = of(&self.applying);
        for waiting in &self.waiting {
            changes.extend(of(&waiting.layer));
        }
        changes
    }
}

/// The keys that a scan is about, or `None` if there can be none.
pub(super) fn range(scan: Scan<'_>) -> Option<Range> {
    let mut low = Bound::Included(scan.prefix.to_vec());
    let mut high = end_of_prefix(scan.prefix);
    match scan.after {
        Some(after) if scan.newest_first => {
            if after <= scan.prefix {
                return None;
            }
            if after.starts_with(scan.prefix) {
                high = Bound::Excluded(after.to_vec());
            }
        }
        Some(after) if after.starts_with(scan.prefix) => low = Bound::Excluded(after.to_vec()),
        Some(after) if after > scan.prefix => return None,
        _ => {}
    }
    Some((low, high))
}

/// The first key beyond all that start with `prefix`.
fn end_of_prefix(prefix: &[u8]) -> Bound<Vec<u8>> {
    let Some(last) = prefix.iter().rposition(|&byte| byte != u8::MAX) else {
        return Bound::Unbounded;
    };
    let mut end = prefix[..=last].to_vec();
    end[last] += 1;
    Bound::Excluded(end)
}

/// Merges stored records with newer changes, both in the order of the scan, until `limit` records are found.
pub(super) fn merge<E>(
    stored: impl Iterator<Item = Result<Record, E>>,
    changes: Layer,
    scan: Scan<'_>,
) -> Result<Vec<Record>, E> {
    let mut changes: Vec<_> = changes.into_iter().collect();
    if scan.newest_first {
        changes.reverse();
    }
    let mut changes = changes.into_iter().peekable();
    let mut found = Vec::new();
    let comes_first = |a: &[u8], b: &[u8]| if scan.newest_first { a > b } else { a < b };
    for record in stored {
        if found.len() >= scan.limit {
            return Ok(found);
        }
        let record = record?;
        take_while(&mut changes, scan.limit, &mut found, |key| {
            comes_first(key, &record.key)
        });
        if found.len() >= scan.limit {
            return Ok(found);
        }
        match changes.next_if(|(key, _)| *key == record.key) {
            Some((key, change)) => found.extend(change.map(|value| Record { key, value })),
            None => found.push(record),
        }
    }
    take_while(&mut changes, scan.limit, &mut found, |_| true);
    Ok(found)
}

fn take_while(
    changes: &mut Peekable<impl Iterator<Item = (Vec<u8>, Option<Vec<u8>>)>>,
    limit: usize,
    found: &mut Vec<Record>,
    wanted: impl Fn(&[u8]) -> bool,
) {
    while found.len() < limit
        && let Some((key, change)) = changes.next_if(|(key, _)| wanted(key))
    {
        found.extend(change.map(|value| Record { key, value }));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_changed_twice_waits_once_and_what_gathers_is_taken_when_it_is_enough() {
        let mut overlay = Overlay::default();
        let mut push = |sequence, value: &str, enough| {
            let head = Head {
                sequence,
                ..Head::EMPTY
            };
            let put = Put {
                key: b"key".to_vec(),
                value: Some(value.into()),
            };
            overlay.push(head, vec![put], enough);
            overlay.bytes()
        };
        assert_eq!(push(1, "long", 4), 7);
        assert_eq!(push(2, "longer", 7), 9);
        assert_eq!(push(3, "new", 7), 9 + 6);
        assert!(overlay.is_waiting() && overlay.len() == 2);
        let (first, _) = overlay.take().unwrap();
        assert!(overlay.is_waiting() && overlay.len() == 2);
        let (second, layer) = overlay.take().unwrap();
        assert_eq!((first.sequence, second.sequence), (2, 3));
        assert_eq!(layer[&b"key"[..]].as_deref(), Some(&b"new"[..]));
        assert!(!overlay.is_waiting() && overlay.len() == 1);
    }
}
