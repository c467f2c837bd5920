//! The harness of the end-to-end tests.

<<<<<<< HEAD
pub mod ground;
=======
pub mod guests;
>>>>>>> 5a2f529 (The crash matrix of move, on paper hosts)
pub mod lab;
pub mod master;
pub mod matrix;
pub mod needs;
pub mod paper;
pub mod program;
pub mod sshd;
