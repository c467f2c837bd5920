//! The extended attributes of a file, its ACLs among them, as one checksum.

use std::io;
use std::path::Path;

use rustix::fs::{lgetxattr, llistxattr};
use rustix::io::Errno;

/// Those that rsync carries from one host to another.
const KEPT: [&[u8]; 4] = [
    b"user.",
    b"trusted.",
    b"security.capability",
    b"system.posix_acl_",
];

/// BLAKE3 of the names and values, in the order of the names; `-` if there are none.
pub(super) fn checksum(path: &Path) -> io::Result<String> {
    let list = whole(|buffer| llistxattr(path, buffer))?;
    let mut names: Vec<&[u8]> = list
        .split(|byte| *byte == 0)
        .filter(|name| KEPT.iter().any(|kept| name.starts_with(kept)))
        .collect();
    if names.is_empty() {
        return Ok("-".to_owned());
    }
    names.sort_unstable();
    let mut hasher = blake3::Hasher::new();
    for name in names {
        let value = whole(|buffer| lgetxattr(path, name, buffer))?;
        for part in [name, &value] {
            hasher.update(&(part.len() as u64).to_le_bytes()).update(part);
        }
    }
    Ok(hasher.finalize().to_hex().to_string())
}

/// All that `get` has; nothing, on a file system that knows of no attributes.
fn whole(get: impl Fn(&mut [u8]) -> Result<usize, Errno>) -> io::Result<Vec<u8>> {
    const SELDOM_MORE: usize = 1 << 10;
    // Of a value, and of a list of names, Linux allows no more.
    const MOST: usize = 64 << 10;
    let mut value = vec![0; SELDOM_MORE];
    let length = match get(&mut value) {
        Err(Errno::RANGE) => {
            value.resize(MOST, 0);
            get(&mut value)?
        }
        Err(Errno::OPNOTSUPP) => 0,
        length => length?,
    };
    value.truncate(length);
    Ok(value)
}
