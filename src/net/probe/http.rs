//! A probe by HTTP: a GET whose answer may carry a load report.

use std::pin::pin;

use http_body_util::{BodyExt, Empty};
use hyper::Request;
use hyper::body::Bytes;
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::{CONNECTION, HOST};
use hyper_util::rt::TokioIo;

use super::attempt::{Answer, Attempt};
use super::failure::{Failure, Step};
use super::report;
use crate::net::stream::BackendStream;

/// A longer body is no load report.
const MAX_BODY: usize = 64 * 1024;

/// Asks for `path`; a status of success is one.
pub(super) async fn probe(
    attempt: &Attempt<'_>,
    stream: BackendStream,
    path: &str,
) -> Result<Answer, Failure> {
    attempt.enter(Step::Answer);
    let asked = attempt.backend.mark();
    let Some(body) = get(stream, path, attempt.backend.address()).await? else { return Ok(Answer::Good) };
    match report::read(&body) {
        Err(key) => Ok(Answer::BadReport(key)),
        Ok(said) => {
            said.state.into_iter().for_each(|state| attempt.state(state));
            attempt.report(said.report, asked);
            Ok(Answer::Good)
        }
    }
}

/// The body of a good answer; `None` when it is too long.
async fn get(stream: BackendStream, path: &str, host: &str) -> Result<Option<Vec<u8>>, Failure> {
    let request = Request::get(path).header(HOST, host).header(CONNECTION, "close");
    let request = request.body(Empty::<Bytes>::new()).map_err(Failure::Request)?;
    let (sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(Failure::Http)?;
    let (mut connection, mut exchange) = (pin!(connection), pin!(exchange(sender, request)));
    // The connection first: what has come is then seen by the exchange in the same wake-up.
    tokio::select! {
        biased;
        _ = &mut connection => exchange.await,
        result = &mut exchange => result,
    }
}

async fn exchange(
    mut sender: SendRequest<Empty<Bytes>>,
    request: Request<Empty<Bytes>>,
) -> Result<Option<Vec<u8>>, Failure> {
    let response = sender.send_request(request).await.map_err(Failure::Http)?;
    if !response.status().is_success() {
        return Err(Failure::Status(response.status().as_u16()));
    }
    let mut incoming = response.into_body();
    let mut body = Vec::new();
    while let Some(frame) = incoming.frame().await {
        let frame = frame.map_err(Failure::Http)?;
        let data = frame.data_ref().map_or(&[][..], |data| data);
        if body.len() + data.len() > MAX_BODY {
            return Ok(None);
        }
        body.extend_from_slice(data);
    }
    Ok(Some(body))
}
