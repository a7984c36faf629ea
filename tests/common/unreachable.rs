//! A place where nobody answers.

use std::time::Duration;

use tokio::net::{TcpListener, TcpSocket, TcpStream};

/// A listener whose backlog is full: connecting to it takes until its time is over.
pub(crate) async fn unreachable() -> (TcpListener, Vec<TcpStream>) {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.bind("127.0.0.1:0".parse().expect("an address")).expect("a port");
    let listener = socket.listen(1).expect("a listener");
    let address = listener.local_addr().expect("bound");
    let mut held = Vec::new();
    let while_it_takes = Duration::from_millis(300);
    while let Ok(Ok(stream)) = tokio::time::timeout(while_it_takes, TcpStream::connect(address)).await {
        held.push(stream);
    }
    (listener, held)
}
