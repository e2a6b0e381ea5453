//! The `rotation` command.

fn main() {}
