//! `serve`: opens the storage, listens, and stops when it is told to.

use std::{io::Write, net::SocketAddr};

use clap::{Args, ValueEnum};
use tokio::{
    net::TcpSocket,
    signal::unix::{Signal, SignalKind, signal},
};
use tokio_util::sync::CancellationToken;

use super::{Context, Exit, Failure, block_on, desk};
use crate::{
    app::{App, AppState, Clock},
    config::{Flag, Loaded, LogFormat, without_password},
    http::server::raise_descriptors,
    telemetry,
};

/// Connections that may wait to be accepted.
const BACKLOG: u32 = 1024;

#[derive(Debug, Args)]
pub(super) struct Serve {
    /// Address and port to listen on [setting server.listen; 127.0.0.1:8000].
    #[arg(long, value_name = "ADDRESS:PORT")]
    listen: Option<String>,
    /// How log lines look [setting log.format; text on a terminal, else JSON].
    #[arg(long, value_enum)]
    log_format: Option<LogFormat>,
}

impl Serve {
    pub(super) fn run(self, context: &Context) -> Result<Exit, Failure> {
        let format = self.log_format.and_then(|format| format.to_possible_value()).map(|value| value.get_name().to_owned());
        let given = [("--listen", "server.listen", self.listen), ("--log-format", "log.format", format)];
        let flags = given.into_iter().filter_map(|(name, key, value)| Some(Flag { name, key, value: value? }));
        let loaded = context.load(flags.collect())?;
        telemetry::start(loaded.config.log.format, &loaded.config.log.level);
        telemetry::log_panics();
        raise_descriptors();
        for warning in &loaded.warnings {
            tracing::warn!("{warning}");
        }
        block_on(serve(context, loaded))??;
        Ok(Exit::Ok)
    }
}

async fn serve(context: &Context, loaded: Loaded) -> Result<(), Failure> {
    // Before anything else, so that a stop that comes early is an orderly one, too.
    let mut signals = Signals::new()?;
    let listen = loaded.config.server.listen;
    let asked_by = loaded.origin("server.listen").to_owned();
    let unheard = |error: &std::io::Error| {
        let way_out = if asked_by == "default" { "; --listen ADDRESS:PORT takes another one" } else { "" };
        Failure::new(Exit::Failure, format!("server.listen: cannot listen on {listen}: {error} ({asked_by}){way_out}"))
    };
    // Before the storage is touched, so that a desk whose port somebody listens on already leaves nothing behind; nobody can
    // connect before the storage is open.
    let socket = bound(listen).map_err(|error| unheard(&error))?;
    let app = App::build(loaded.config, Clock::System).await.map_err(|error| desk::unopened(&error, None))?;
    let listener = match socket.listen(BACKLOG) {
        Ok(listener) => listener,
        Err(error) => {
            desk::close(&app).await?;
            return Err(unheard(&error));
        }
    };
    let address = listener.local_addr().map_err(|error| Failure::new(Exit::Failure, format!("server.listen: {error}")))?;
    announce(context, &app, address);
    let stop = CancellationToken::new();
    let mut run = std::pin::pin!(app.run(listener, stop.clone().cancelled_owned()));
    loop {
        tokio::select! {
            ended = &mut run => {
                ended.map_err(|error| Failure::new(Exit::Failure, format!("{error:#}")))?;
                tracing::info!("stopped");
                return Ok(());
            }
            name = signals.next() => {
                if stop.is_cancelled() {
                    return Err(Failure::new(Exit::Failure, format!("{name} again: stopped at once, without finishing what was under way")));
                }
                tracing::info!(signal = name, "stopping");
                stop.cancel();
            }
        }
    }
}

/// Takes an address, without listening yet.
fn bound(address: SocketAddr) -> std::io::Result<TcpSocket> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    // A desk that was stopped a moment ago does not keep the next one from its port.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    Ok(socket)
}

/// Says what runs and where.
fn announce(context: &Context, app: &AppState, address: SocketAddr) {
    let (version, url) = (env!("CARGO_PKG_VERSION"), app.public_url(address));
    let store = without_password(&app.config.storage.url);
    let docs = format!("{url}/docs");
    if telemetry::is_json(app.config.log.format) {
        tracing::info!(version, store, address = %address, url, docs, "listening");
    } else if !context.out.quiet {
        let text = format!("Taquilla {version}\n  store    {store}\n  address  {url} (listening on {address})\n  docs     {docs}\n");
        let _ = std::io::stderr().write_all(text.as_bytes());
    }
}

/// What tells the desk to stop.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn new() -> Result<Self, Failure> {
        let of = |kind| signal(kind).map_err(|error| Failure::new(Exit::Failure, format!("signals cannot be received: {error}")));
        Ok(Self { terminate: of(SignalKind::terminate())?, interrupt: of(SignalKind::interrupt())? })
    }

    async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}
