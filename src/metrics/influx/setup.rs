//! What is done once: making the database, and trying whether writing works.

use reqwest::{Method, RequestBuilder, StatusCode};
use serde_json::{Value, json};

use super::{
    answer::{Answer, brief},
    target::{Dialect, Target, causes},
};
use crate::types::Timestamp;

/// Makes the database or bucket, if it is not there.
///
/// # Errors
/// What is wrong, for people.
pub async fn init(target: &Target) -> Result<(), String> {
    match target.dialect() {
        Dialect::V1 => {
            let name = target.bucket().replace('\\', "\\\\").replace('"', "\\\"");
            let request = target.request(Method::POST, "query").form(&[("q", format!("CREATE DATABASE \"{name}\""))]);
            let (status, text) = answered(request).await?;
            // InfluxDB 1.x answers 200 with an error inside.
            let refused = serde_json::from_str::<Value>(&text).is_ok_and(|body| !body["results"][0]["error"].is_null());
            if status.is_success() && !refused { Ok(()) } else { Err(refusal(status, &text)) }
        }
        Dialect::V2 => init_bucket(target).await,
        Dialect::V3 => {
            let request = target.request(Method::POST, "api/v3/configure/database").json(&json!({ "db": target.bucket() }));
            let (status, text) = answered(request).await?;
            let there = status == StatusCode::CONFLICT;
            if status.is_success() || there { Ok(()) } else { Err(refusal(status, &text)) }
        }
    }
}

async fn init_bucket(target: &Target) -> Result<(), String> {
    let org = target.org().unwrap_or_default();
    let (status, text) = answered(target.request(Method::GET, "api/v2/orgs").query(&[("org", org)])).await?;
    if !status.is_success() && status != StatusCode::NOT_FOUND {
        return Err(refusal(status, &text));
    }
    let orgs: Value = serde_json::from_str(&text).unwrap_or_default();
    let Some(id) = orgs["orgs"][0]["id"].as_str().filter(|_| status.is_success()) else {
        return Err(brief(&format!("influxdb.org: there is no organisation {org:?}, or the token may not see it ({text})")));
    };
    let (status, text) = answered(target.request(Method::GET, "api/v2/buckets").query(&[("orgID", id), ("name", target.bucket())])).await?;
    let known: Value = serde_json::from_str(&text).unwrap_or_default();
    if status.is_success() && known["buckets"].as_array().is_some_and(|buckets| !buckets.is_empty()) {
        return Ok(());
    }
    let bucket = json!({ "orgID": id, "name": target.bucket(), "retentionRules": [] });
    let (status, text) = answered(target.request(Method::POST, "api/v2/buckets").json(&bucket)).await?;
    if status.is_success() { Ok(()) } else { Err(refusal(status, &text)) }
}

/// What an answer that is no success tells people.
fn refusal(status: StatusCode, text: &str) -> String {
    let said = brief(&format!("status {}: {text}", status.as_u16()));
    match status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => denied(&said),
        StatusCode::NOT_FOUND => {
            format!("that address is none of InfluxDB in this dialect: look at influxdb.url and influxdb.api ({said})")
        }
        _ => said,
    }
}

fn denied(said: &str) -> String {
    format!("the token or the password is refused: look at influxdb.token, or influxdb.username and influxdb.password ({said})")
}

async fn answered(request: RequestBuilder) -> Result<(StatusCode, String), String> {
    let response = request.send().await.map_err(|error| unreached(&causes(&error.without_url())))?;
    let status = response.status();
    Ok((status, response.text().await.unwrap_or_default()))
}

fn unreached(why: &str) -> String {
    format!("it cannot be reached: look at influxdb.url ({})", brief(why))
}

/// Writes one point of the measurement `taquilla_test`, to see whether that works.
///
/// # Errors
/// Why it does not, for people.
pub async fn trial(target: &Target, now: Timestamp) -> Result<(), String> {
    let (answer, text) = target.send_plain(now).await;
    Err(match answer {
        // A receiver that keeps only what is recent has understood all the same.
        Answer::Stored | Answer::Partly(_) => return Ok(()),
        Answer::NoDatabase => {
            format!("there is no such database, bucket or address: `taquilla influx init` makes {} ({text})", target.bucket())
        }
        Answer::Denied => denied(&text),
        Answer::Refused | Answer::TooLarge => format!("a plain line is refused: is that an address of InfluxDB? ({text})"),
        Answer::Later(_) if text.starts_with("status ") => format!("it does not take points now ({text})"),
        Answer::Later(_) => unreached(&text),
    })
}
