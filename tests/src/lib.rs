//! The harness of the end-to-end tests.

pub mod by_steps;
pub mod chaos;
pub mod compiler;
pub mod fate;
pub mod faults;
pub mod figures;
pub mod full_disk;
pub mod ground;
pub mod guests;
pub mod hosts;
pub mod house;
pub mod kept;
pub mod lab;
pub mod lab_pool;
pub mod master;
pub mod matrix;
pub mod mounted;
pub mod needs;
pub mod paper;
pub mod program;
mod reception;
pub mod site;
pub mod sshd;
pub mod sweep;
pub mod tree;
pub mod vm_master;
pub mod witness;
