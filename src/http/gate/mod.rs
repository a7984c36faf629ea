//! Who may ask: partners prove who they are, and are held to what they may ask.

use std::rc::Rc;
use std::sync::Arc;

use hyper::{Request, StatusCode};

use super::answer::{self, Answer};
use super::line::Caller;
use super::thread::Thread;
use super::upload::Upload;
use crate::net::{WebLane, World};

/// What all threads know of partners.
#[derive(Debug, Default)]
pub(in crate::http) struct Gatehouse;

/// A partner's request that was let in; held until its answer is over.
#[derive(Debug)]
pub(in crate::http) struct Pass;

/// Lets a request in at a route that is for partners only.
pub(in crate::http) async fn admit(
    _thread: &Rc<Thread>,
    _world: &Arc<World>,
    _lane: &Arc<WebLane>,
    _request: Request<Upload>,
    caller: &mut Caller,
) -> Result<(Request<Upload>, Pass), Answer> {
    std::future::ready(()).await;
    Err(answer::error(StatusCode::UNAUTHORIZED, "unauthorized", &caller.id))
}
