//! Who is let in, and who is not: each for its own reason, and each reason counted.

mod addresses;
mod bans;
mod certificates;
mod handshakes;
mod proxies;
