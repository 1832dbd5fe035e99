//! Requests to other systems: how they are made safe.

use reqwest::ClientBuilder;

/// Installs the cryptography of outgoing TLS, once for the process; without it no client can be built.
pub fn install_tls() {
    // Refused when there is one already, which serves as well.
    let _ = rustls::crypto::ring::default_provider().install_default();
}

/// A client for this address. The authorities that the machine trusts are loaded for `https` only: a machine may have none.
pub fn client(url: &str) -> ClientBuilder {
    install_tls();
    let builder = ClientBuilder::new();
    if url.get(..6).is_some_and(|scheme| scheme.eq_ignore_ascii_case("https:")) { builder } else { builder.tls_certs_only([]) }
}
