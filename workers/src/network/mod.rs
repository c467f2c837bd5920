//! Network: how guests reach it.

mod bridge;

pub use bridge::BRIDGE;

use crate::Driver;

/// Every network driver there is.
pub const NETWORKS: &[&Driver] = &[&BRIDGE];
