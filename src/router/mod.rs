//! Protocol ID to verdict: which route a frame meets and what follows from it. Knows nothing of sessions,
//! backends or bytes beyond the ID.

mod explain;
mod meeting;
mod release;
mod rules;
mod table;

pub use explain::{Line, Question, explain};
pub use release::{Groups, Who};
pub use table::{RouteIndex, Router};
