//! Protocol ID to verdict: which route a frame meets and what follows from it; host, path and method to the route of a
//! request. Knows nothing of sessions, backends or bytes beyond these.

mod explain;
mod meeting;
mod release;
mod rules;
mod table;
mod web;

pub use explain::{Line, Question, explain};
pub use release::{Groups, Who};
pub use table::{RouteIndex, Router};
pub use web::{
    PathFault, WebIndex, WebMiss, WebRouter, host_name, is_like_a_host, plain_path, without_parameters,
    without_prefix,
};
