//! As much JSON as a notice needs: one flat object of texts, numbers and lists of texts.

/// An object under construction.
pub(super) struct Object {
    out: Vec<u8>,
}

impl Object {
    pub(super) fn new() -> Self {
        Self { out: vec![b'{'] }
    }

    pub(super) fn text(&mut self, name: &str, value: &str) {
        self.name(name);
        self.quoted(value);
    }

    pub(super) fn number(&mut self, name: &str, value: u64) {
        self.name(name);
        self.out.extend_from_slice(value.to_string().as_bytes());
    }

    pub(super) fn texts(&mut self, name: &str, values: &[&str]) {
        self.name(name);
        self.out.push(b'[');
        for (index, value) in values.iter().enumerate() {
            if index > 0 {
                self.out.push(b',');
            }
            self.quoted(value);
        }
        self.out.push(b']');
    }

    pub(super) fn finish(mut self) -> Vec<u8> {
        self.out.push(b'}');
        self.out
    }

    fn name(&mut self, name: &str) {
        if self.out.len() > 1 {
            self.out.push(b',');
        }
        self.quoted(name);
        self.out.push(b':');
    }

    fn quoted(&mut self, text: &str) {
        self.out.push(b'"');
        for letter in text.chars() {
            append_escaped(letter, &mut self.out);
        }
        self.out.push(b'"');
    }
}

/// The longest front of a text that takes at most `room` bytes once it is escaped.
pub(super) fn fitting(text: &str, room: usize) -> &str {
    let mut taken = 0;
    for (at, letter) in text.char_indices() {
        taken += escaped_length(letter);
        if taken > room {
            return text.get(..at).unwrap_or_default();
        }
    }
    text
}

const fn escaped_length(letter: char) -> usize {
    match letter {
        '"' | '\\' | '\n' | '\r' | '\t' => 2,
        '\0'..='\x1F' => 6,
        _ => letter.len_utf8(),
    }
}

fn append_escaped(letter: char, out: &mut Vec<u8>) {
    match letter {
        '"' => out.extend_from_slice(b"\\\""),
        '\\' => out.extend_from_slice(b"\\\\"),
        '\n' => out.extend_from_slice(b"\\n"),
        '\r' => out.extend_from_slice(b"\\r"),
        '\t' => out.extend_from_slice(b"\\t"),
        '\0'..='\x1F' => {
            let code = u32::from(letter);
            out.extend_from_slice(format!("\\u{code:04x}").as_bytes());
        }
        _ => out.extend_from_slice(letter.encode_utf8(&mut [0; 4]).as_bytes()),
    }
}
