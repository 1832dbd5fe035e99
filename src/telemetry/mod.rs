//! The log: on the standard error stream, text on a terminal and JSON otherwise, at the level that the configuration
//! says. Whoever logs leaves secrets out; the types that hold them have no readable form.

mod json;
mod lines;

use std::io::{self, IsTerminal};

use tracing_subscriber::{EnvFilter, Layer, fmt, layer::SubscriberExt, util::SubscriberInitExt};

use crate::config::LogFormat;

pub use lines::REQUESTS;

/// Whether log lines, and messages beside them, are JSON.
#[must_use]
pub fn is_json(format: LogFormat) -> bool {
    match format {
        LogFormat::Auto => !io::stderr().is_terminal(),
        LogFormat::Text => false,
        LogFormat::Json => true,
    }
}

/// Whether colours are wanted on the standard error stream: on a terminal, unless `NO_COLOR` is set to something.
#[must_use]
pub fn is_colourful() -> bool {
    io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|set| set.is_empty())
}

/// Starts the log. A second start changes nothing.
pub fn start(format: LogFormat, level: &str) {
    let layer = if is_json(format) {
        fmt::layer().event_format(json::JsonLines).fmt_fields(json::JsonLines).with_writer(lines::to_stderr()).boxed()
    } else {
        fmt::layer().with_ansi(is_colourful()).with_target(false).with_writer(lines::to_stderr()).boxed()
    };
    let filter = EnvFilter::builder().parse(level).unwrap_or_else(|_| EnvFilter::new("info"));
    let _ = tracing_subscriber::registry().with(layer.with_filter(filter)).try_init();
}

/// Writes the lines that are still on their way.
pub fn flush() {
    lines::flush();
}

/// Makes every panic a log line, with its place.
pub fn log_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let payload = panic.payload();
        let message = payload.downcast_ref::<String>().map(String::as_str).or_else(|| payload.downcast_ref::<&str>().copied());
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        tracing::error!(panic = message.unwrap_or("unknown"), place, "something panicked");
    }));
}
