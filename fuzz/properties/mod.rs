//! What must hold for any bytes, whoever sends them. Each property is one function of the bytes, named like its fuzz
//! target and its corpus; it panics where the program is wrong. The fuzzer looks for bytes, the tests on a stable
//! compiler (`tests/tests/corpora.rs`) repeat those that were kept.

// A fuzz target uses one of them, the tests use all.
#![allow(dead_code, unused_imports, clippy::allow_attributes)]

mod answers;
mod api;
mod codec;
mod config;
mod frames;
mod names;
mod store;

pub(crate) use answers::answers;
pub(crate) use api::api;
pub(crate) use codec::codec;
pub(crate) use config::config;
pub(crate) use frames::frames;
pub(crate) use names::names;
pub(crate) use store::store;

/// Splits at the first of `at`.
fn split(bytes: &[u8], at: u8) -> (&[u8], &[u8]) {
    match bytes.iter().position(|&byte| byte == at) {
        Some(place) => (&bytes[..place], &bytes[place + 1..]),
        None => (bytes, &[]),
    }
}
