//! One JSON object for each line of the log, written straight into the line's buffer: a busy desk writes tens of thousands
//! of them in a second. First time, level and the event's own fields, then where it comes from, then the request that it
//! belongs to.

use std::fmt::{self, Write};

use tracing::{
    Event, Subscriber,
    field::{Field, Visit},
};
use tracing_subscriber::{
    fmt::{
        FmtContext, FormattedFields,
        format::{FormatEvent, FormatFields, Writer},
    },
    registry::LookupSpan,
};

use crate::types::Timestamp;

/// Writes events as JSON.
#[derive(Debug, Clone, Copy)]
pub(super) struct JsonLines;

impl<S, N> FormatEvent<S, N> for JsonLines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, context: &FmtContext<'_, S, N>, mut line: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let about = event.metadata();
        write!(line, "{{\"timestamp\":\"{}\",\"level\":\"{}\"", Timestamp::now_by_the_clock(), about.level())?;
        let mut fields = Fields { line: line.by_ref(), outcome: Ok(()) };
        event.record(&mut fields);
        fields.outcome?;
        line.write_str(",\"target\":")?;
        text(&mut line, about.target())?;
        if let Some(span) = context.lookup_current() {
            let extensions = span.extensions();
            // An object, as the layer's formatter of fields has written it.
            let inner = extensions.get::<FormattedFields<N>>().map_or("", |fields| fields.fields.as_str());
            let inner = inner.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')).unwrap_or_default();
            write!(line, ",\"span\":{{{inner}{}\"name\":", if inner.is_empty() { "" } else { "," })?;
            text(&mut line, span.name())?;
            line.write_char('}')?;
        }
        line.write_str("}\n")
    }
}

/// Writes each field of an event after what is there.
struct Fields<'a> {
    line: Writer<'a>,
    outcome: fmt::Result,
}

impl Fields<'_> {
    fn put(&mut self, field: &Field, value: impl FnOnce(&mut Writer<'_>) -> fmt::Result) {
        if self.outcome.is_ok() {
            let name = field.name().strip_prefix("r#").unwrap_or(field.name());
            let name = self.line.write_char(',').and_then(|()| text(&mut self.line, name)).and_then(|()| self.line.write_char(':'));
            self.outcome = name.and_then(|()| value(&mut self.line));
        }
    }
}

impl Visit for Fields<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.put(field, |line| {
            line.write_char('"')?;
            write!(Escaped(line), "{value:?}")?;
            line.write_char('"')
        });
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, |line| text(line, value));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, |line| write!(line, "{value}"));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, |line| write!(line, "{value}"));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, |line| write!(line, "{value}"));
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        // JSON has no words for what is no number.
        self.put(field, |line| if value.is_finite() { write!(line, "{value:?}") } else { line.write_str("null") });
    }
}

/// Writes a text in quotes.
fn text(line: &mut Writer<'_>, text: &str) -> fmt::Result {
    line.write_char('"')?;
    Escaped(line).write_str(text)?;
    line.write_char('"')
}

/// What is within quotes: quotes, backslashes and control characters are written as escapes.
struct Escaped<'a, 'b>(&'a mut Writer<'b>);

impl Write for Escaped<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let mut plain = 0;
        for (at, byte) in text.bytes().enumerate() {
            if byte >= b' ' && byte != b'"' && byte != b'\\' {
                continue;
            }
            self.0.write_str(&text[plain..at])?;
            plain = at + 1;
            match byte {
                b'"' => self.0.write_str("\\\"")?,
                b'\\' => self.0.write_str("\\\\")?,
                b'\n' => self.0.write_str("\\n")?,
                b'\t' => self.0.write_str("\\t")?,
                b'\r' => self.0.write_str("\\r")?,
                control => write!(self.0, "\\u{control:04x}")?,
            }
        }
        self.0.write_str(&text[plain..])
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use parking_lot::Mutex;
    use serde_json::{Value, json};
    use tracing_subscriber::{fmt::format::JsonFields, layer::SubscriberExt};

    use super::*;

    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<u8>>>);

    impl std::io::Write for Kept {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    /// The lines of what `work` logs.
    fn lines(work: impl FnOnce()) -> Vec<Value> {
        let kept = Kept::default();
        let writer = kept.clone();
        let layer = tracing_subscriber::fmt::layer().event_format(JsonLines).fmt_fields(JsonFields::new());
        let log = tracing_subscriber::registry().with(layer.with_writer(move || writer.clone()));
        tracing::subscriber::with_default(log, work);
        let text = String::from_utf8(kept.0.lock().clone()).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))).collect()
    }

    #[test]
    fn fields_of_every_kind_are_json_under_their_names() {
        let strange = "\"\\ \u{0}\u{1f}\u{7f}\n\r\t é 🦊 \u{2028}";
        let all = lines(|| {
            tracing::info!(
                text = strange,
                shown = %strange,
                debug = ?strange,
                no = None::<&str>,
                some = Some("x"),
                i = i64::MIN,
                u = u64::MAX,
                half = 0.5,
                whole = 2.0,
                endless = f64::INFINITY,
                yes = true,
                r#type = "raw",
                "said {strange}"
            );
        });
        let line = &all[0];
        let expected = json!({
            "level": "INFO", "message": format!("said {strange}"), "text": strange, "shown": strange, "debug": format!("{strange:?}"),
            "some": "x", "i": i64::MIN, "u": u64::MAX, "half": 0.5, "whole": 2.0, "endless": null, "yes": true, "type": "raw",
            "target": module_path!(), "timestamp": line["timestamp"],
        });
        assert_eq!(*line, expected);
        assert!(line["timestamp"].as_str().unwrap().parse::<Timestamp>().is_ok());
    }

    #[test]
    fn within_a_request_its_id_is_told() {
        let all = lines(|| {
            let _request = tracing::info_span!("request", id = "a \"b\"").entered();
            tracing::warn!("one");
            let _bare = tracing::info_span!("bare").entered();
            tracing::warn!("two");
        });
        assert_eq!(all[0]["span"], json!({ "id": "a \"b\"", "name": "request" }));
        assert_eq!(all[1]["span"], json!({ "name": "bare" }));
    }
}
