//! How a step reaches a host.
