//! The client's address: the peer's, or the one that a trusted proxy tells.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    str::FromStr,
};

use axum::{
    extract::{ConnectInfo, FromRequestParts},
    http::{HeaderMap, request::Parts},
};

use crate::app::AppState;

/// The address of whoever made the request, IPv4 in its own form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClientAddress(pub IpAddr);

impl FromRequestParts<AppState> for ClientAddress {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, app: &AppState) -> Result<Self, Self::Rejection> {
        Ok(Self(address(peer(parts), &parts.headers, &networks(&app.config.server.trusted_proxies))))
    }
}

/// The other end of the connection, as it is, whatever any header says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Peer {
    /// Its address, IPv4 in its own form; unspecified when it is not known.
    pub address: IpAddr,
    /// Whether a header tells that a proxy stands between.
    pub forwarded: bool,
}

impl FromRequestParts<AppState> for Peer {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &AppState) -> Result<Self, Self::Rejection> {
        let forwarded = ["x-forwarded-for", "forwarded"].iter().any(|name| parts.headers.contains_key(*name));
        Ok(Self { address: peer(parts).to_canonical(), forwarded })
    }
}

/// The peer's address.
fn peer(parts: &Parts) -> IpAddr {
    parts.extensions.get::<ConnectInfo<SocketAddr>>().map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |info| info.0.ip())
}

/// The networks of the configuration, which has been checked.
#[must_use]
pub fn networks(texts: &[String]) -> Vec<Network> {
    texts.iter().filter_map(|text| text.parse().ok()).collect()
}

/// Whether an address is in one of these networks.
#[must_use]
pub fn is_among(address: IpAddr, networks: &[Network]) -> bool {
    let address = address.to_canonical();
    networks.iter().any(|network| network.contains(address))
}

/// Walks `X-Forwarded-For` from its end, the part that the nearest proxy wrote, for as long as the address before was a
/// trusted proxy's. No other header is believed, and none of a stranger.
#[must_use]
pub fn address(peer: IpAddr, headers: &HeaderMap, trusted: &[Network]) -> IpAddr {
    let mut address = peer.to_canonical();
    if trusted.is_empty() {
        return address;
    }
    let sent = headers.get_all("x-forwarded-for").iter().filter_map(|value| value.to_str().ok()).collect::<Vec<_>>().join(",");
    for hop in sent.rsplit(',') {
        if !is_among(address, trusted) {
            break;
        }
        let Some(told) = read_address(hop.trim()) else { break };
        address = told.to_canonical();
    }
    address
}

/// An address, perhaps in brackets or with a port, as proxies write it.
fn read_address(text: &str) -> Option<IpAddr> {
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    bare.parse().ok().or_else(|| text.parse::<SocketAddr>().ok().map(|address| address.ip()))
}

/// An address or a network in CIDR form (`10.0.0.0/8`, `fd00::/8`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    bits: u32,
}

/// A text that names no address and no network.
#[derive(Debug, thiserror::Error)]
#[error("not an address or a network such as 10.0.0.0/8")]
pub struct BadNetwork;

impl FromStr for Network {
    type Err = BadNetwork;

    fn from_str(text: &str) -> Result<Self, BadNetwork> {
        let (address, bits) = text.split_once('/').map_or((text, None), |(address, bits)| (address, Some(bits)));
        let address: IpAddr = address.parse().map_err(|_| BadNetwork)?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        let bits = bits.map_or(Ok(most), |bits| bits.parse().map_err(|_| BadNetwork))?;
        if bits > most { Err(BadNetwork) } else { Ok(Self { address, bits }) }
    }
}

impl Network {
    /// Whether `address` lies in it.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address) {
            (IpAddr::V4(net), IpAddr::V4(one)) => (net.to_bits() ^ one.to_bits()).leading_zeros() >= self.bits,
            (IpAddr::V6(net), IpAddr::V6(one)) => (net.to_bits() ^ one.to_bits()).leading_zeros() >= self.bits,
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(peer: &str, forwarded: &[&str], trusted: &[&str]) -> String {
        let mut headers = HeaderMap::new();
        for value in forwarded {
            headers.append("x-forwarded-for", value.parse().unwrap());
        }
        let trusted: Vec<Network> = trusted.iter().map(|text| text.parse().unwrap()).collect();
        address(peer.parse().unwrap(), &headers, &trusted).to_string()
    }

    #[test]
    fn a_strangers_header_is_not_believed() {
        assert_eq!(seen("9.9.9.9", &["1.2.3.4"], &[]), "9.9.9.9");
        assert_eq!(seen("9.9.9.9", &["1.2.3.4"], &["10.0.0.0/8"]), "9.9.9.9");
        assert_eq!(seen("::ffff:9.9.9.9", &[], &[]), "9.9.9.9");
    }

    #[test]
    fn a_trusted_proxys_word_counts_from_the_right() {
        let trusted = &["10.0.0.0/8", "::1"];
        assert_eq!(seen("10.1.2.3", &["6.6.6.6, 1.2.3.4"], trusted), "1.2.3.4");
        assert_eq!(seen("::1", &["6.6.6.6", "1.2.3.4:5678, 10.9.9.9"], trusted), "1.2.3.4");
        assert_eq!(seen("10.1.2.3", &["[2001:db8::1]"], trusted), "2001:db8::1");
        assert_eq!(seen("10.1.2.3", &["1.2.3.4, nonsense"], trusted), "10.1.2.3");
        assert_eq!(seen("10.1.2.3", &[], trusted), "10.1.2.3");
    }

    #[test]
    fn networks_are_read_and_compared_by_their_bits() {
        let net = |text: &str| text.parse::<Network>().unwrap();
        assert!(net("10.0.0.0/8").contains([10, 255, 0, 1].into()));
        assert!(!net("10.0.0.0/8").contains([11, 0, 0, 1].into()));
        assert!(net("0.0.0.0/0").contains([1, 2, 3, 4].into()));
        assert!(net("192.168.1.7").contains([192, 168, 1, 7].into()));
        assert!(!net("::/0").contains([1, 2, 3, 4].into()));
        for bad in ["", "10.0.0.0/33", "10.0.0/8", "::/129", "10.0.0.0/x", "host"] {
            assert!(bad.parse::<Network>().is_err(), "{bad}");
        }
    }
}
