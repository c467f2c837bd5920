//! Volumes that are plain folders.

use crate::Driver;

/// One folder a guest, on any file system. Of a guest that runs there is no picture that stands still.
pub static DIR: Driver = Driver {
    name: "dir",
    library: concat!(
        include_str!("machines.sh"),
        include_str!("folders.sh"),
        include_str!("in_place.sh"),
        include_str!("dir.sh"),
        "volume_delete() { folder_delete \"$1\"; }\n"
    ),
    can: &[],
};
