//! The program `vsjob`.
fn main() {}
