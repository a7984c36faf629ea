//! The command line of realmgate.

fn main() {}
