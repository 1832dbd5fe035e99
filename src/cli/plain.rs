//! Verbs that need no storage: `openapi`, `healthcheck`, `completions`, `version`.

use std::time::Duration;

use clap::{Args, CommandFactory};
use serde_json::json;

use super::{Cli, Context, Exit, Failure, block_on, desk, output};

/// How long a desk may take to say that it is ready.
const PATIENCE: Duration = Duration::from_secs(5);

pub(super) fn version(context: &Context) -> Result<Exit, Failure> {
    let version = env!("CARGO_PKG_VERSION");
    context.out.data(&json!({ "name": "taquilla", "version": version }), || format!("taquilla {version}"))?;
    Ok(Exit::Ok)
}

pub(super) fn openapi(_: &Context) -> Result<Exit, Failure> {
    output::print(&output::pretty(&crate::http::openapi())?)?;
    Ok(Exit::Ok)
}

#[derive(Debug, Args)]
pub(super) struct Completions {
    /// The shell.
    #[arg(value_enum)]
    shell: clap_complete::Shell,
}

impl Completions {
    pub(super) fn run(self, _: &Context) -> Result<Exit, Failure> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut Cli::command(), "taquilla", &mut script);
        output::print(&String::from_utf8_lossy(&script))?;
        Ok(Exit::Ok)
    }
}

#[derive(Debug, Args)]
pub(super) struct Healthcheck {
    /// The address of the desk, such as `http://127.0.0.1:8000`; the configured one when left out.
    #[arg(long, visible_alias = "server", value_name = "URL")]
    url: Option<String>,
}

impl Healthcheck {
    pub(super) fn run(self, context: &Context) -> Result<Exit, Failure> {
        let url = match self.url {
            Some(url) => url,
            None => desk::local(context.load(Vec::new())?.config.server.listen),
        };
        let has_path = url.splitn(4, '/').nth(3).is_some_and(|path| !path.is_empty());
        let url = if has_path { url } else { format!("{}/health/ready", url.trim_end_matches('/')) };
        let (ready, said) = block_on(ask(&url))?;
        let word = if ready { "ready" } else { "not ready" };
        context.out.data(&json!({ "ready": ready, "url": url, "detail": said }), || format!("{word}: {url}: {said}"))?;
        Ok(if ready { Exit::Ok } else { Exit::Failure })
    }
}

async fn ask(url: &str) -> (bool, String) {
    let client = crate::outgoing::client(url).no_proxy().timeout(PATIENCE).redirect(reqwest::redirect::Policy::none()).build();
    let answer = match client {
        Ok(client) => client.get(url).send().await,
        Err(error) => return (false, error.to_string()),
    };
    match answer {
        Ok(answer) => {
            let status = answer.status();
            let body = answer.text().await.unwrap_or_default();
            (status.is_success(), format!("{status} {body}").trim().to_owned())
        }
        Err(error) => {
            let cause = std::iter::successors(std::error::Error::source(&error), |cause| cause.source()).last();
            (false, cause.map_or_else(|| error.to_string(), |cause| format!("no answer: {cause}")))
        }
    }
}
