//! How the head of a request says where its body ends, read off the bytes as they come: the parser keeps only one of two
//! contradicting statements, and a request with both must be refused.

use memchr::memchr;

/// The longest name that is looked for, with its colon.
const LONGEST: usize = "transfer-encoding:".len();

/// The head of one request, as far as it has come, in however many pieces.
#[derive(Debug, Default)]
pub(super) struct Framing {
    /// The beginning of the line that is being read, in lower case.
    line: [u8; LONGEST],
    /// How long the line is so far; counted no further than one beyond `LONGEST`.
    length: usize,
    /// Whether the request line has been read.
    begun: bool,
    ended: bool,
    by_length: bool,
    by_coding: bool,
}

impl Framing {
    /// Takes what has come. Beyond the end of the head nothing is looked at.
    pub(super) fn take(&mut self, come: &[u8]) {
        let mut rest = come;
        while !self.ended && !rest.is_empty() {
            let end = memchr(b'\n', rest);
            self.go_on(&rest[..end.unwrap_or(rest.len())]);
            let Some(end) = end else { return };
            self.end_line();
            rest = &rest[end + 1..];
        }
    }

    /// Takes a part of a line.
    fn go_on(&mut self, part: &[u8]) {
        let room = &mut self.line[self.length.min(LONGEST)..];
        let kept = room.len().min(part.len());
        room[..kept].copy_from_slice(&part[..kept]);
        room[..kept].make_ascii_lowercase();
        self.length = (self.length + part.len()).min(LONGEST + 1);
    }

    fn end_line(&mut self) {
        let line = &self.line[..self.length.min(LONGEST)];
        if matches!(line, b"" | b"\r") {
            // Empty lines before a request are passed over by the parser, too.
            self.ended = self.begun;
        } else if self.begun {
            self.by_length |= line.starts_with(b"content-length:");
            self.by_coding |= line == b"transfer-encoding:";
        } else {
            self.begun = true;
        }
        self.length = 0;
    }

    /// Whether the head says in two ways where its body ends. Two readers could take it for one request and for two.
    pub(super) fn is_twice(&self) -> bool {
        self.by_length && self.by_coding
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The verdict, which must be the same whether the bytes come at once, in two pieces or one by one.
    fn is_twice(bytes: &str) -> bool {
        let verdict = |pieces: &[&[u8]]| {
            let mut framing = Framing::default();
            for piece in pieces {
                framing.take(piece);
            }
            framing.is_twice()
        };
        let bytes = bytes.as_bytes();
        let whole = verdict(&[bytes]);
        for at in 0..bytes.len() {
            assert_eq!(verdict(&[&bytes[..at], &bytes[at..]]), whole, "cut at {at}");
        }
        assert_eq!(verdict(&bytes.chunks(1).collect::<Vec<_>>()), whole, "byte by byte");
        whole
    }

    #[test]
    fn a_head_with_two_framings_is_known() {
        let head = |lines: &str| is_twice(&format!("POST / HTTP/1.1\r\nhost: x\r\n{lines}\r\n"));
        assert!(head("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n"));
        assert!(head("transfer-encoding:chunked\r\naccept: */*\r\nCONTENT-LENGTH:5\r\n"));
        assert!(head("transfer-encoding: chunked\ncontent-length: 5\n"));
        assert!(!head("content-length: 5\r\ncontent-length: 5\r\n"));
        assert!(!head("transfer-encoding: chunked\r\n"));
        assert!(!head("content-length-x: 5\r\ntransfer-encoding: chunked\r\n"));
        assert!(!head("content-length: 5\r\n\r\ntransfer-encoding: chunked\r\n"), "that is the body");
        assert!(!is_twice("") && !is_twice("content-length: 5"));
        assert!(is_twice("\r\n\r\nPOST / HTTP/1.1\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n"));
    }
}
