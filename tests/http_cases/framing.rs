//! The framing alone: what it makes of each file's bytes, however they are cut.

use realmgate::wire::{BodyLength, Part, RequestFramer};

use crate::case::{Case, Expected, Seen, requests};

/// The requests in some bytes, and whether all of them could be read.
fn frame(pieces: &[&[u8]]) -> (Vec<Seen>, bool) {
    let (mut framer, mut seen, mut head, mut body) =
        (RequestFramer::new(), Vec::new(), Vec::new(), Vec::new());
    let mut open = None;
    for piece in pieces {
        let mut rest = *piece;
        while !rest.is_empty() {
            let Ok(taken) = framer.read(rest) else { return (seen, false) };
            let (bytes, left) = rest.split_at(taken.length);
            rest = left;
            match taken.part {
                Part::Framing if open.is_none() => head.extend_from_slice(bytes),
                Part::Framing => (),
                Part::Head(said) => {
                    head.extend_from_slice(bytes);
                    open = Some(said.body);
                }
                Part::Data => body.extend_from_slice(bytes),
                Part::End if matches!(open, Some(BodyLength::Bytes(_))) => body.extend_from_slice(bytes),
                Part::End => (),
            }
            let bodiless = matches!(taken.part, Part::Head(said) if said.body == BodyLength::Empty);
            if bodiless || taken.part == Part::End {
                seen.push(read(&std::mem::take(&mut head), std::mem::take(&mut body)));
                open = None;
            }
        }
    }
    (seen, true)
}

/// The first line of a head, with a target in absolute form as a backend gets it.
fn read(head: &[u8], body: Vec<u8>) -> Seen {
    let text = String::from_utf8_lossy(head);
    let mut words = text.trim_start().split(' ');
    let method = words.next().expect("a method").to_owned();
    let target = words.next().expect("a target");
    let path = match target.split_once("://") {
        Some((_, rest)) => rest.find('/').map_or("/", |at| &rest[at..]),
        None => target,
    };
    Seen { method, target: path.to_owned(), body }
}

fn check(case: &Case, pieces: &[&[u8]]) {
    let (seen, good) = frame(pieces);
    let whole = |expected: &&Expected| matches!(expected, Expected::Pass(_) | Expected::Answer);
    let expected = case.expected.iter().filter(whole);
    let closes = case.expected.contains(&Expected::Close); // what is behind is not looked at
    assert_eq!(good, !case.expected.contains(&Expected::Refuse), "{}: {seen:?}", case.name);
    assert!(closes || seen.len() == expected.clone().count(), "{}: {seen:?}", case.name);
    for (expected, seen) in expected.zip(&seen) {
        if let Expected::Pass(expected) = expected {
            assert_eq!(seen, expected, "{}", case.name);
        }
    }
}

#[test]
fn every_file_is_framed_as_it_says_however_it_is_cut() {
    let cases = requests();
    assert!(cases.len() >= 120, "only {} files", cases.len());
    for case in &cases {
        check(case, &[&case.bytes]);
        check(case, &case.bytes.chunks(1).collect::<Vec<_>>());
        let cuts = case.bytes.len().min(600);
        for at in 1..cuts {
            let (first, second) = case.bytes.split_at(at);
            check(case, &[first, second]);
        }
    }
}
