//! Storage: where the volumes of guests are.

mod btrfs;
mod dir;
mod lvm;

pub use btrfs::BTRFS;
pub use dir::DIR;
pub use lvm::{LVM, LVM_SHARED, LVM_THIN, TREES_LVM, TREES_LVM_THIN};

use crate::Driver;

/// Every storage there is.
pub const STORAGES: &[&Driver] = &[&BTRFS, &DIR, &LVM, &LVM_THIN, &LVM_SHARED];

#[cfg(test)]
mod tests {
    use super::STORAGES;

    #[test]
    fn every_storage_has_all_that_actions_call() {
        let functions = "shelter path exists is_own list readable scratch command sound check create rename delete foreign used most \
                         needs free limit";
        for storage in STORAGES {
            for function in functions.split_whitespace() {
                let defined = storage.library.matches(&format!("\nvolume_{function}()")).count();
                assert_eq!(defined, 1, "volume_{function} of {}", storage.name);
            }
        }
    }
}
