//! The whole gate in one process, between fake players and fake backends.

mod dedicated;
mod ends;
mod fakes;
mod limits;
mod loss;
mod routing;
mod shared;
mod tls;
