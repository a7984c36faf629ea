//! Frames a stream of requests whole and in pieces, and reads each head that passes with httparse.

use realmgate::wire::{BodyLength, Part, RequestFault, RequestFramer, RequestHead};

/// The first byte says where to cut; the rest is the stream.
pub fn run(data: &[u8]) {
    let [cut, stream @ ..] = data else { return };
    let whole = frame(&[stream]);
    let (first, second) = stream.split_at(usize::from(*cut).min(stream.len()));
    assert_eq!(whole, frame(&[first, second]));
    assert_eq!(whole, frame(&stream.chunks(1).collect::<Vec<_>>()));
    for (head, bytes) in &whole.heads {
        agree(*head, bytes);
    }
}

#[derive(Debug, Default, PartialEq)]
struct Framed {
    heads: Vec<(RequestHead, Vec<u8>)>,
    content: Vec<u8>,
    fault: Option<RequestFault>,
}

fn frame(pieces: &[&[u8]]) -> Framed {
    let (mut framer, mut framed, mut head, mut body) =
        (RequestFramer::new(), Framed::default(), Vec::new(), None);
    for piece in pieces {
        let mut rest = *piece;
        while !rest.is_empty() {
            let taken = match framer.read(rest) {
                Ok(taken) => taken,
                Err(fault) => return Framed { fault: Some(fault), ..framed },
            };
            assert!(taken.length > 0, "it goes on");
            let (bytes, left) = rest.split_at(taken.length);
            rest = left;
            match taken.part {
                Part::Framing if body.is_none() => head.extend_from_slice(bytes),
                Part::Framing => (),
                Part::Head(said) => {
                    head.extend_from_slice(bytes);
                    framed.heads.push((said, std::mem::take(&mut head)));
                    body = (said.body != BodyLength::Empty).then_some(said.body);
                }
                Part::Data => framed.content.extend_from_slice(bytes),
                Part::End => {
                    let counted = matches!(body.take(), Some(BodyLength::Bytes(_)));
                    framed.content.extend_from_slice(if counted { bytes } else { &[] });
                }
            }
        }
    }
    framed
}

/// What another reader makes of a head: its end is the same, and so is what it says of the body.
fn agree(head: RequestHead, bytes: &[u8]) {
    let mut fields = [httparse::EMPTY_HEADER; 128];
    let mut request = httparse::Request::new(&mut fields);
    assert_eq!(request.parse(bytes), Ok(httparse::Status::Complete(bytes.len())));
    let values = |name: &str| -> Vec<&[u8]> {
        let named = request.headers.iter().filter(|field| field.name.eq_ignore_ascii_case(name));
        named.map(|field| field.value).collect()
    };
    let (lengths, codings) = (values("content-length"), values("transfer-encoding"));
    let hosts = values("host").len();
    assert!(hosts == 1 || (hosts == 0 && request.version == Some(0)), "one host");
    let said = match (lengths.as_slice(), codings.as_slice()) {
        ([], []) => BodyLength::Empty,
        ([], [coding]) if coding.eq_ignore_ascii_case(b"chunked") => BodyLength::Chunked,
        ([length], []) => match std::str::from_utf8(length).expect("a number").parse().expect("a number") {
            0 => BodyLength::Empty,
            length => BodyLength::Bytes(length),
        },
        _ => panic!("two readers would not agree"),
    };
    assert_eq!(head.body, said);
}
