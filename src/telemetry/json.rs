//! One JSON object for each line of the log, without a map of its fields in between: a busy desk writes tens of thousands
//! of them in a second. First time, level and the event's own fields, then where it comes from, then the request that it
//! belongs to.

use std::fmt;

use serde::Serialize;
use tracing::{
    Event, Subscriber,
    field::{Field, Visit},
};
use tracing_subscriber::{
    field::RecordFields,
    fmt::{
        FmtContext, FormattedFields,
        format::{FormatEvent, FormatFields, Writer},
    },
    registry::LookupSpan,
};

use crate::types::Timestamp;

/// Room for the line of a request, in bytes.
const ROOM: usize = 512;

/// Writes events, and the fields of spans, as JSON.
#[derive(Debug, Clone, Copy)]
pub(super) struct JsonLines;

impl<S, N> FormatEvent<S, N> for JsonLines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, context: &FmtContext<'_, S, N>, out: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let about = event.metadata();
        let mut line = Line::new();
        line.text("{\"timestamp\":");
        line.value(&Timestamp::now_by_the_clock());
        line.field("level", about.level().as_str());
        event.record(&mut line);
        line.field("target", about.target());
        if let Some(span) = context.lookup_current() {
            line.text(",\"span\":{\"name\":");
            line.value(span.name());
            let extensions = span.extensions();
            let fields = extensions.get::<FormattedFields<N>>().map_or("", |fields| fields.fields.as_str());
            line.text(fields);
            line.text("}");
        }
        line.text("}\n");
        line.write(out)
    }
}

impl<'a> FormatFields<'a> for JsonLines {
    /// Each field after a comma: what stands before them is written by whoever tells of the span.
    fn format_fields<R: RecordFields>(&self, out: Writer<'a>, fields: R) -> fmt::Result {
        let mut line = Line::new();
        fields.record(&mut line);
        line.write(out)
    }
}

/// A line, or a part of one. It is put together here, as each piece that is given to a [`Writer`] is a call through a pointer.
struct Line {
    json: Vec<u8>,
    outcome: Result<(), serde_json::Error>,
}

impl Line {
    fn new() -> Self {
        Self { json: Vec::with_capacity(ROOM), outcome: Ok(()) }
    }

    /// Adds a text as it stands.
    fn text(&mut self, text: &str) {
        self.json.extend_from_slice(text.as_bytes());
    }

    /// Adds a value.
    fn value(&mut self, value: &(impl Serialize + ?Sized)) {
        if self.outcome.is_ok() {
            self.outcome = serde_json::to_writer(&mut self.json, value);
        }
    }

    /// Adds a field after what is there.
    fn field(&mut self, name: &str, value: &(impl Serialize + ?Sized)) {
        self.json.push(b',');
        self.value(name);
        self.json.push(b':');
        self.value(value);
    }

    fn write(self, mut out: Writer<'_>) -> fmt::Result {
        self.outcome.map_err(|_| fmt::Error)?;
        out.write_str(std::str::from_utf8(&self.json).map_err(|_| fmt::Error)?)
    }

    /// Adds a field of an event or a span.
    fn record(&mut self, field: &Field, value: &(impl Serialize + ?Sized)) {
        self.field(field.name().strip_prefix("r#").unwrap_or(field.name()), value);
    }
}

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.record(field, &format_args!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.record(field, value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.record(field, &value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.record(field, &value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.record(field, &value);
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        // What is no number is null.
        self.record(field, &value);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use parking_lot::Mutex;
    use serde_json::{Value, json};
    use tracing_subscriber::layer::SubscriberExt;

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
        let layer = tracing_subscriber::fmt::layer().event_format(JsonLines).fmt_fields(JsonLines);
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
