//! What a client offers in its handshake, and what is agreed on: RFC 7692, 5 and 7.1. An offer that is malformed, or asks
//! for what is not kept, is passed over, and a later one may still be taken.

/// What is answered: nobody carries anything over.
const AGREED: &str = "permessage-deflate; server_no_context_takeover; client_no_context_takeover";
/// The same to who wants to know how far back the server refers.
const AGREED_WINDOW: &str = "permessage-deflate; server_no_context_takeover; client_no_context_takeover; \
                             server_max_window_bits=15";

/// What is answered to the first offer that can be kept; `None` where there is none.
pub(in crate::wire::websocket) fn agree<'a>(
    headers: impl IntoIterator<Item = &'a str>,
) -> Option<&'static str> {
    headers.into_iter().flat_map(|header| split(header, ',')).find_map(judge)
}

/// What is answered to one offer.
fn judge(offer: &str) -> Option<&'static str> {
    let mut words = split(offer, ';').map(str::trim);
    if !words.next()?.eq_ignore_ascii_case("permessage-deflate") {
        return None;
    }
    let (mut seen, mut answer) = ([false; 4], AGREED);
    for word in words {
        let (name, value) = match word.split_once('=') {
            Some((name, value)) => (name.trim_end(), Some(unquote(value.trim_start()))),
            None => (word, None),
        };
        let place = match (name.to_ascii_lowercase().as_str(), value) {
            ("server_no_context_takeover", None) => 0,
            ("client_no_context_takeover", None) => 1,
            ("server_max_window_bits", Some("15")) => {
                answer = AGREED_WINDOW;
                2
            }
            // A client that refers less far back is understood, too.
            ("client_max_window_bits", None) => 3,
            ("client_max_window_bits", Some(bits)) if is_bits(bits) => 3,
            _ => return None,
        };
        if seen.get_mut(place).is_none_or(|seen| std::mem::replace(seen, true)) {
            return None; // said twice
        }
    }
    Some(answer)
}

/// 8 to 15, and no sign more.
fn is_bits(bits: &str) -> bool {
    matches!(bits, "8" | "9" | "10" | "11" | "12" | "13" | "14" | "15")
}

fn unquote(value: &str) -> &str {
    value.strip_prefix('"').and_then(|value| value.strip_suffix('"')).unwrap_or(value)
}

/// The pieces of a text between signs that are in no quotes.
fn split(text: &str, sign: char) -> impl Iterator<Item = &str> {
    let (mut quoted, mut escaped) = (false, false);
    text.split(move |next| {
        let was_escaped = escaped;
        escaped = quoted && next == '\\' && !was_escaped;
        quoted ^= next == '"' && !was_escaped;
        next == sign && !quoted
    })
}
