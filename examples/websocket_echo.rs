//! A game server that speaks WebSocket and knows nothing of the gateway: it sends back every message as it came, text
//! as text and binary as binary. `cluster.NAME.websocket` leads players to it, `tests/autobahn/run.sh` has it judged.
//!
//!     cargo run --example websocket_echo -- 127.0.0.1:7301
//!
//! With port 0 it takes a free one; the first line it says is where it listens.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "an example speaks to whoever runs it")]

use std::net::{TcpListener, TcpStream};
use std::process::ExitCode;
use std::thread;

use tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tungstenite::http::header::SEC_WEBSOCKET_PROTOCOL;
use tungstenite::protocol::WebSocketConfig;
use tungstenite::{Error, accept_hdr_with_config};

const LARGEST_MESSAGE: usize = 64 << 20;

fn main() -> ExitCode {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:7301".to_owned());
    match listen(&address) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("cannot listen at {address}: {error}");
            ExitCode::FAILURE
        }
    }
}

fn listen(address: &str) -> std::io::Result<()> {
    let listener = TcpListener::bind(address)?;
    println!("{}", listener.local_addr()?);
    for stream in listener.incoming() {
        let stream = stream?;
        thread::spawn(move || match echo(stream) {
            Ok(()) | Err(Error::ConnectionClosed | Error::Io(_)) => {}
            Err(error) => eprintln!("a connection ended: {error}"),
        });
    }
    Ok(())
}

/// Answers one connection until either side ends it. Pings and Close are answered by the crate.
fn echo(stream: TcpStream) -> Result<(), Error> {
    stream.set_nodelay(true)?;
    let config = WebSocketConfig::default()
        .max_message_size(Some(LARGEST_MESSAGE))
        .max_frame_size(Some(LARGEST_MESSAGE));
    let Ok(mut socket) = accept_hdr_with_config(stream, speak_theirs, Some(config)) else {
        return Ok(()); // a health probe connects and says nothing
    };
    loop {
        let message = socket.read()?;
        if message.is_text() || message.is_binary() {
            socket.send(message)?;
        }
    }
}

/// Takes the first subprotocol that is offered.
fn speak_theirs(request: &Request, mut response: Response) -> Result<Response, ErrorResponse> {
    let offered = request.headers().get(SEC_WEBSOCKET_PROTOCOL).and_then(|value| value.to_str().ok());
    let first = offered.and_then(|value| value.split(',').next()).map(str::trim);
    if let Some(value) = first.and_then(|first| first.parse().ok()) {
        response.headers_mut().insert(SEC_WEBSOCKET_PROTOCOL, value);
    }
    Ok(response)
}
