//! The malformed requests, by what is wrong with them.

/// One of them.
#[derive(Debug, Clone)]
pub struct Case {
    pub name: String,
    pub bytes: Vec<u8>,
    /// The statuses that are right; 0 is a connection closed without a word.
    pub expected: &'static [u16],
    /// Whether the refusal may have no body, because the parser made it.
    pub bare: bool,
}

/// Collects cases.
struct Cases {
    token: String,
    list: Vec<Case>,
}

/// All of them, sent with this token.
pub fn cases(token: &str) -> Vec<Case> {
    let mut cases = Cases { token: token.to_owned(), list: Vec::new() };
    cases.unreadable_bodies();
    cases.unfit_values();
    cases.queries();
    cases.paths();
    cases.media_types();
    cases.tokens();
    cases.request_lines();
    cases.headers();
    cases.sizes();
    cases.framings();
    cases.list
}

impl Cases {
    fn add(&mut self, name: impl Into<String>, bytes: impl Into<Vec<u8>>, expected: &'static [u16], bare: bool) {
        self.list.push(Case { name: name.into(), bytes: bytes.into(), expected, bare });
    }

    /// The head of a request with a token, without its last line.
    fn head(&self, line: &str, headers: &str) -> Vec<u8> {
        format!("{line} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\n{headers}", self.token).into_bytes()
    }

    /// A whole request with a JSON body.
    fn with_body(&self, line: &str, body: &[u8]) -> Vec<u8> {
        let length = format!("content-type: application/json\r\ncontent-length: {}\r\n\r\n", body.len());
        [self.head(line, &length), body.to_vec()].concat()
    }

    /// The same in chunks.
    fn in_chunks(&self, line: &str, body: &[u8]) -> Vec<u8> {
        let mut bytes = self.head(line, "content-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n");
        for chunk in body.chunks(1 + body.len() / 3) {
            bytes.extend(format!("{:x}\r\n", chunk.len()).into_bytes());
            bytes.extend(chunk);
            bytes.extend(b"\r\n");
        }
        bytes.extend(b"0\r\n\r\n");
        bytes
    }

    fn unreadable_bodies(&mut self) {
        let deep = |open: &str| open.repeat(100_000).into_bytes();
        let gzip_bomb = b"\x1f\x8b\x08\0\0\0\0\0\x02\x03\xed\xc1\x01\x0d\0\0\0\xc2\xa0\xf7Om\x0e7\xa0\0\0\0\0\0\0\0\0\0\0\0\0".to_vec();
        let bodies: Vec<(&str, Vec<u8>)> = vec![
            ("nothing", b"".into()),
            ("spaces", b" \t\r\n ".into()),
            ("an open brace", b"{".into()),
            ("a closed brace", b"}".into()),
            ("two values", b"{}{}".into()),
            ("a trailing comma", br#"{"title": "t",}"#.into()),
            ("a leading comma", br#"{,"title": "t"}"#.into()),
            ("no colon", br#"{"title" "t"}"#.into()),
            ("no value", br#"{"title": }"#.into()),
            ("single quotes", b"{'title': 't'}".into()),
            ("a bare key", b"{title: 1}".into()),
            ("a comment", b"{/* x */}".into()),
            ("an open text", br#"{"title": "t"#.into()),
            ("a raw newline in a text", b"{\"title\": \"a\nb\"}".into()),
            ("a raw NUL in a text", b"{\"title\": \"a\0b\"}".into()),
            ("a NUL behind", b"{}\0".into()),
            ("a bad escape", br#"{"title": "\x"}"#.into()),
            ("half a surrogate", br#"{"title": "\ud800"}"#.into()),
            ("the other half", br#"{"title": "\udc00x"}"#.into()),
            ("a cut escape", br#"{"title": "\u12"}"#.into()),
            ("bad UTF-8", b"{\"title\": \"\xff\"}".into()),
            ("overlong UTF-8", b"{\"title\": \"\xc0\xaf\"}".into()),
            ("a surrogate in UTF-8", b"{\"title\": \"\xed\xa0\x80\"}".into()),
            ("cut UTF-8", b"{\"title\": \"\xe2\x82\"}".into()),
            ("a byte order mark", b"\xef\xbb\xbf{}".into()),
            ("UTF-16", b"\xff\xfe{\0}\0".into()),
            ("a huge number", br#"{"title": 1e999}"#.into()),
            ("a huge negative number", br#"{"title": -1e999}"#.into()),
            ("a leading zero", br#"{"title": 01}"#.into()),
            ("a plus sign", br#"{"title": +1}"#.into()),
            ("a hexadecimal number", br#"{"title": 0x1}"#.into()),
            ("no digits", br#"{"title": 1.}"#.into()),
            ("NaN", br#"{"title": NaN}"#.into()),
            ("Infinity", br#"{"title": Infinity}"#.into()),
            ("a minus alone", br#"{"title": -}"#.into()),
            ("undefined", b"undefined".into()),
            ("True", b"True".into()),
            ("deep lists", deep("[")),
            ("deep objects", deep("{\"a\":")),
            ("deep and mixed", deep("[{\"a\":")),
            ("a form", b"title=t&description=d".into()),
            ("XML", b"<ticket><title>t</title></ticket>".into()),
            ("an XML bomb", b"<!DOCTYPE x [<!ENTITY a \"aa\"><!ENTITY b \"&a;&a;\">]><x>&b;</x>".into()),
            ("a gzip bomb", gzip_bomb),
            ("random bytes", (0..=255).cycle().take(4096).collect()),
        ];
        for (name, body) in bodies {
            let (whole, chunked) = (self.with_body("POST /api/v1/tickets", &body), self.in_chunks("POST /api/v1/tickets", &body));
            self.add(format!("body: {name}"), whole, &[400], false);
            self.add(format!("chunked body: {name}"), chunked, &[400], false);
        }
        let head = "content-type: application/json\r\ncontent-encoding: gzip\r\ncontent-length: 4\r\n\r\n";
        let packed = [self.head("POST /api/v1/tickets", head), b"\x1f\x8b\x08\0".to_vec()].concat();
        self.add("body: said to be gzip", packed, &[400], false);
    }

    fn unfit_values(&mut self) {
        let values = [
            "null",
            "1",
            "true",
            "[]",
            "{}",
            "\"\"",
            "\" \"",
            "\"\\u0000\"",
            "1.5",
            "-1",
            "1e300",
            "18446744073709551616",
            "[[]]",
            "[null]",
        ];
        for value in values {
            for (field, rest) in [("title", r#", "description": "d""#), ("description", r#", "title": "t""#)] {
                // A description of spaces is one.
                if (field, value) != ("description", "\" \"") {
                    let body = format!("{{\"{field}\": {value}{rest}}}");
                    self.add(format!("value: {body}"), self.with_body("POST /api/v1/tickets", body.as_bytes()), &[422], false);
                }
            }
        }
        let long = "x".repeat(201);
        let many = (0..21).map(|n| format!("\"t{n}\"")).collect::<Vec<_>>().join(",");
        for extra in [
            format!("\"title\": \"{long}\""),
            "\"priority\": \"urgent\"".into(),
            "\"priority\": 1".into(),
            "\"priority\": \"\"".into(),
            "\"tags\": \"x\"".into(),
            "\"tags\": [1]".into(),
            "\"tags\": [\"\"]".into(),
            "\"tags\": [\"a,b\"]".into(),
            format!("\"tags\": [\"{}\"]", "x".repeat(51)),
            format!("\"tags\": [{many}]"),
            "\"creator_id\": \"1\"".into(),
            "\"creator_id\": 1.5".into(),
            "\"creator_id\": 9223372036854775808".into(),
            "\"id\": 1".into(),
            "\"status\": \"closed\"".into(),
            "\"version\": 1".into(),
            "\"\": 1".into(),
            "\"__proto__\": {}".into(),
            "\"Title\": \"t\"".into(),
            "\"title\": \"again\"".into(),
            format!("\"{}\": 1", "k".repeat(10_000)),
        ] {
            let name: String = extra.chars().take(40).collect();
            let body = format!("{{\"title\": \"t\", \"description\": \"d\", {extra}}}");
            self.add(format!("value: {name}"), self.with_body("POST /api/v1/tickets", body.as_bytes()), &[422], false);
        }
        for body in ["[]", "null", "1", "\"x\"", "true", "false", "[{}]", "{}", "0.1", "[1, 2]"] {
            self.add(format!("no object: {body}"), self.with_body("POST /api/v1/tickets", body.as_bytes()), &[422], false);
        }
    }

    fn queries(&mut self) {
        for query in [
            "limit=0",
            "limit=-1",
            "limit=201",
            "limit=1e3",
            "limit=abc",
            "limit=",
            "limit=99999999999999999999",
            "limit=1&limit=2",
            "limit=%00",
            "limit=%ff",
            "limit=0x10",
            "limit=%C0%AF",
            "cursor=",
            "cursor=x",
            "cursor=%00",
            "cursor=AAAA",
            "status=",
            "status=none",
            "status=open,",
            "status=OPEN",
            "status=open&status=closed",
            "priority=urgent",
            "sort=",
            "sort=title",
            "sort=--id",
            "sort=id,id",
            "sort=;drop%20table",
            "created_after=yesterday",
            "created_after=2026-13-01T00:00:00Z",
            "created_before=1",
            "overdue=yes",
            "overdue=",
            "assigned_agent_id=x",
            "assigned_agent_id=-1",
            "assigned_agent_id=1.5",
            "creator_id=none",
            "creator_id=%27%20OR%201=1",
            "deleted=maybe",
            "unknown=1",
            "q[]=x",
            "=",
            "=x",
            "__proto__=1",
            "render=pdf",
        ] {
            let bytes = self.head(&format!("GET /api/v1/tickets?{query}"), "\r\n");
            self.add(format!("query: {query}"), bytes, &[422], false);
        }
    }

    fn paths(&mut self) {
        for path in [
            "/api/v1/tickets/0",
            "/api/v1/tickets/-1",
            "/api/v1/tickets/01",
            "/api/v1/tickets/1.0",
            "/api/v1/tickets/1e3",
            "/api/v1/tickets/abc",
            "/api/v1/tickets/9223372036854775808",
            "/api/v1/tickets/%00",
            "/api/v1/tickets/%ff",
            "/api/v1/tickets/%31%00",
            "/api/v1/tickets/..",
            "/api/v1/tickets/%2e%2e/%2e%2e",
            "/api/v1/tickets/1/../../users",
            "/api/v1/tickets/%E2%82%AC",
            "/api/v1/tickets/1/comments/abc/x",
            "/api",
            "/api/v1",
            "/api/v2/tickets",
            "/API/V1/TICKETS",
            "//api//v1//tickets",
            "/api/v1/tickets;x=1",
            "/nowhere",
            "/../etc/passwd",
            "/%2e%2e/etc/passwd",
            "/docs/..%2f..%2fCargo.toml",
            "/docs/%00",
            "/assets/..%2findex.html",
            "/assets/%ff",
            "/.git/config",
            "/index.html",
            "/wp-login.php",
            "/%",
            "/%zz",
        ] {
            let bytes = self.head(&format!("GET {path}"), "\r\n");
            self.add(format!("path: {path}"), bytes, &[404], false);
        }
        for (method, path) in
            [("DELETE", "/api/v1/tickets"), ("POST", "/health"), ("PATCH", "/api/v1/auth/login"), ("TRACE", "/health"), ("FOO", "/health")]
        {
            self.add(format!("method: {method} {path}"), self.head(&format!("{method} {path}"), "\r\n"), &[405], false);
        }
    }

    fn media_types(&mut self) {
        for sent in [
            "text/plain",
            "text/json",
            "application/jsonp",
            "application/json5",
            "application/x-www-form-urlencoded",
            "multipart/form-data; boundary=x",
            "application/xml",
            "json",
            "*/*",
            "",
            ";",
            "application/json, text/plain",
            "application / json",
        ] {
            let body = self.head("POST /api/v1/tickets", &format!("content-type: {sent}\r\ncontent-length: 2\r\n\r\n{{}}"));
            self.add(format!("media type: {sent}"), body, &[415], false);
        }
        self.add("media type: none", self.head("POST /api/v1/tickets", "content-length: 2\r\n\r\n{}"), &[415], false);
    }

    fn tokens(&mut self) {
        for sent in [
            "Bearer",
            "Bearer ",
            "Bearer x",
            "bearer",
            "Basic YWRtaW46YWRtaW4=",
            "Token x",
            "Bearer a b",
            "Bearer null",
            "Bearer tqp_",
            "x",
            "",
            "Bearer ..",
            "Bearer a.b.c",
            "Bearer \u{e9}",
            "Digest username=\"admin\"",
        ] {
            let bytes = format!("GET /api/v1/tickets HTTP/1.1\r\nhost: x\r\nauthorization: {sent}\r\n\r\n");
            self.add(format!("token: {sent}"), bytes, &[401], false);
        }
        let long = format!("GET /api/v1/tickets HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\n\r\n", "x".repeat(1_000_000));
        // Or none: while every place is taken, a connection whose refusal is written gives way to a new one.
        self.add("token: of a megabyte", long, &[431, 0], true);
    }

    fn request_lines(&mut self) {
        for line in [
            "GET",
            "GET /",
            "GET / HTTP",
            "GET / HTTP/",
            "GET / HTTP/1",
            "GET / HTTP/2.0",
            "GET / HTTP/0.9",
            "GET / HTTP/1.10",
            "GET / http/1.1",
            "GET /health HTTP/1.1 x",
            "GET  /health HTTP/1.1",
            " GET /health HTTP/1.1",
            "GET /a b HTTP/1.1",
            "GET\t/health\tHTTP/1.1",
            "G\u{e9}T / HTTP/1.1",
            "GET / HTTP/1.1\0",
            "G(T / HTTP/1.1",
            "/ GET HTTP/1.1",
            "HTTP/1.1 200 OK",
            "{\"jsonrpc\": \"2.0\"}",
            "<xml/>",
            "\u{16}\u{3}\u{1}\u{2}",
            "SSH-2.0-OpenSSH_9.2",
            "GET /\u{7f} HTTP/1.1",
            "GET /\u{1} HTTP/1.1",
            "GET /\0 HTTP/1.1",
            "GET http:// HTTP/1.1",
            "GET health HTTP/1.1",
            "GET http://[::1 HTTP/1.1",
            "PRI * HTTP/2.0",
        ] {
            self.add(format!("request line: {line:?}"), format!("{line}\r\nhost: x\r\n\r\n"), &[0, 400, 404, 405], true);
        }
        for bytes in ["\r", "\0", "G", "GET / HTTP/1.1\r\n", "GET / HTTP/1.1\r\nhost", "GET / HTTP/1.1\r\nhost: x\r\n"] {
            self.add(format!("cut: {bytes:?}"), bytes, &[0, 400, 408], true);
        }
        self.add("request line: OPTIONS *", "OPTIONS * HTTP/1.1\r\nhost: x\r\n\r\n", &[400, 404, 405], true);
        self.add("request line: CONNECT", "CONNECT x:443 HTTP/1.1\r\nhost: x\r\n\r\n", &[400, 404, 405], true);
    }

    fn headers(&mut self) {
        for header in [
            "x y: 1",
            "x\0: 1",
            ": 1",
            "x",
            "x : 1",
            " x: 1",
            "x: a\0b",
            "x: a\rb",
            "x\u{e9}: 1",
            "x: a\r\n folded",
            "(x): 1",
            "x\u{7f}: 1",
            "x: \u{1}",
        ] {
            self.add(format!("header: {header:?}"), format!("GET /nowhere HTTP/1.1\r\nhost: x\r\n{header}\r\n\r\n"), &[400], true);
        }
        self.add("header: no host", "GET /health HTTP/1.1\r\n\r\n", &[400], false);
        self.add("header: two hosts", "GET /health HTTP/1.1\r\nhost: x\r\nhost: y\r\n\r\n", &[400], false);
        for key in [String::new(), "x".repeat(256)] {
            let mut bytes = self.head("POST /api/v1/tickets", &format!("idempotency-key: {key}\r\ncontent-type: application/json\r\n"));
            bytes.extend(b"content-length: 2\r\n\r\n{}");
            self.add(format!("idempotency key of {} bytes", key.len()), bytes, &[422], false);
        }
        let mut twice = self.head("POST /api/v1/tickets", "idempotency-key: a\r\nidempotency-key: b\r\ncontent-type: application/json\r\n");
        twice.extend(b"content-length: 2\r\n\r\n{}");
        self.add("two idempotency keys", twice, &[422], false);
    }

    fn sizes(&mut self) {
        let get = |path: &str, headers: &str| format!("GET {path} HTTP/1.1\r\nhost: x\r\n{headers}\r\n");
        for kib in [9, 16, 32, 60] {
            self.add(format!("address of {kib} KiB"), get(&format!("/{}", "a".repeat(kib * 1024)), ""), &[414], false);
            let query = format!("/api/v1/tickets?q={}", "a".repeat(kib * 1024));
            self.add(format!("query of {kib} KiB"), get(&query, ""), &[414], false);
        }
        self.add("address of 70 KiB", get(&format!("/{}", "a".repeat(70 * 1024)), ""), &[414, 431], true);
        self.add("address of 1 MiB", get(&format!("/{}", "a".repeat(1024 * 1024)), ""), &[414, 431], true);
        for kib in [17, 24, 32, 48, 64] {
            self.add(format!("a header of {kib} KiB"), get("/health", &format!("x: {}\r\n", "a".repeat(kib * 1024))), &[431], false);
            let many = (0..64).map(|n| format!("x{n}: {}\r\n", "a".repeat(kib * 16))).collect::<Vec<_>>().concat();
            self.add(format!("headers of {kib} KiB"), get("/health", &many), &[431], false);
        }
        for kib in [100, 1024, 4096] {
            self.add(format!("a header of {kib} KiB"), get("/health", &format!("x: {}\r\n", "a".repeat(kib * 1024))), &[431], true);
        }
        self.add("200 headers", get("/health", &"x: y\r\n".repeat(200)), &[431], true);
        self.add("a method of 10 KiB", format!("{} / HTTP/1.1\r\nhost: x\r\n\r\n", "A".repeat(10 * 1024)), &[400, 404, 405, 431], true);
        let large = vec![b' '; 1024 * 1024 + 1];
        for path in ["/api/v1/tickets", "/api/v1/tickets/bulk", "/api/v1/auth/login", "/api/v1/auth/register"] {
            self.add(format!("large body: {path}"), self.with_body(&format!("POST {path}"), &large), &[413], false);
            self.add(format!("large chunked body: {path}"), self.in_chunks(&format!("POST {path}"), &large), &[413], false);
        }
        let announced = self.head("POST /api/v1/tickets", "content-type: application/json\r\ncontent-length: 9000000000000000000\r\n\r\n");
        self.add("a body announced as enormous", announced, &[400, 413], true);
    }

    fn framings(&mut self) {
        let hidden = "GET /api/v1/auth/me HTTP/1.1\r\nhost: x\r\n\r\n";
        for length in ["-1", "+5", "5 5", "5, 5", "abc", "1e3", "0x5", "", "5.0", "18446744073709551616", "٥"] {
            let bytes =
                self.head("POST /api/v1/tickets", &format!("content-type: application/json\r\ncontent-length: {length}\r\n\r\n{hidden}"));
            self.add(format!("content-length: {length}"), bytes, &[400], true);
        }
        for lengths in ["content-length: 5\r\ncontent-length: 6", "content-length: 0\r\ncontent-length: 50"] {
            let bytes = self.head("POST /api/v1/tickets", &format!("content-type: application/json\r\n{lengths}\r\n\r\n{hidden}"));
            self.add(format!("two lengths: {lengths:?}"), bytes, &[400], true);
        }
        for coding in ["identity", "xchunked", "gzip", "chunked, gzip", "chunked;x", "", "chunk", "chunked\u{b}"] {
            let bytes = self.head(
                "POST /api/v1/tickets",
                &format!("content-type: application/json\r\ntransfer-encoding: {coding}\r\n\r\n0\r\n\r\n{hidden}"),
            );
            self.add(format!("transfer-encoding: {coding:?}"), bytes, &[400], true);
        }
        for both in [
            "content-length: 5\r\ntransfer-encoding: chunked",
            "transfer-encoding: chunked\r\ncontent-length: 5",
            "Content-Length: 0\r\nTransfer-Encoding: Chunked",
            "content-length: 5\r\ntransfer-encoding:chunked",
            "transfer-encoding: chunked\r\nx: y\r\ncontent-length: 48",
        ] {
            let bytes = self.head("POST /api/v1/tickets", &format!("content-type: application/json\r\n{both}\r\n\r\n0\r\n\r\n{hidden}"));
            self.add(format!("two framings: {both:?}"), bytes, &[400], false);
        }
        // Further apart than what is read at once, and where it is no matter whether there is a body.
        for (first, second) in [("content-length: 5", "transfer-encoding: chunked"), ("transfer-encoding: chunked", "content-length: 5")] {
            let apart = format!("{first}\r\nx: {}\r\n{second}", "a".repeat(12 * 1024));
            let bytes = format!("GET /health HTTP/1.1\r\nhost: x\r\n{apart}\r\n\r\n0\r\n\r\n{hidden}");
            self.add(format!("two framings, far apart: {first:?}"), bytes, &[400], false);
        }
        for chunks in [
            "g\r\n",
            "-1\r\n",
            "1 1\r\n",
            "ffffffffffffffffff\r\nx",
            "5\r\nabcdefgh\r\n0\r\n\r\n",
            "1\nx\n0\n\n",
            "0x1\r\nx\r\n0\r\n\r\n",
            "\r\n",
            "5;\0\r\nabcde\r\n0\r\n\r\n",
        ] {
            let bytes =
                self.head("POST /api/v1/tickets", &format!("content-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n{chunks}"));
            self.add(format!("chunks: {chunks:?}"), bytes, &[0, 400, 408], true);
        }
        let long_extension = format!("1;{}\r\nx\r\n0\r\n\r\n", "e".repeat(100_000));
        let bytes = self
            .head("POST /api/v1/tickets", &format!("content-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n{long_extension}"));
        self.add("chunks: a long extension", bytes, &[0, 400], true);
        let old = format!("POST /api/v1/tickets HTTP/1.0\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n{hidden}");
        self.add("chunks in HTTP/1.0", old, &[400], true);
        for (name, sent) in [("nothing of a body", ""), ("half a body", "{\"title\":")] {
            let bytes = self.head("POST /api/v1/tickets", &format!("content-type: application/json\r\ncontent-length: 50\r\n\r\n{sent}"));
            self.add(format!("cut: {name}"), bytes, &[408], false);
        }
    }
}
