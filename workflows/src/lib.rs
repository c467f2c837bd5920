//! What each operation does.
