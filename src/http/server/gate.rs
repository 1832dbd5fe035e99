//! How many connections there may be, altogether and for one client. When there is no room, the connection that has
//! waited longest without a request gives way to the new one; whoever has a request never does.

use std::{
    collections::HashMap,
    hash::Hash,
    net::{IpAddr, Ipv6Addr},
    sync::Arc,
    time::Duration,
};

use parking_lot::Mutex;
use tokio::{task::AbortHandle, time::Instant};

use super::watch::Watch;
use crate::{
    config,
    http::client::{self, Network},
};

/// Whom a bound counts: an IPv4 address, or the /64 network of an IPv6 address, which one client has for itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Client(IpAddr);

impl From<IpAddr> for Client {
    fn from(address: IpAddr) -> Self {
        Self(match address.to_canonical() {
            IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() & !u128::from(u64::MAX)).into(),
            v4 @ IpAddr::V4(_) => v4,
        })
    }
}

/// Counts of what each has at a time.
#[derive(Debug)]
pub struct Counts<K>(Arc<Mutex<HashMap<K, usize>>>);

impl<K> Default for Counts<K> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

/// One of what is counted; given back when dropped.
#[derive(Debug)]
pub struct Place<K: Eq + Hash = Client> {
    counts: Arc<Mutex<HashMap<K, usize>>>,
    key: K,
}

impl<K: Eq + Hash + Copy> Counts<K> {
    /// Takes one more for `key`, unless it has `most` already.
    pub fn take(&self, key: K, most: usize) -> Option<Place<K>> {
        let mut counts = self.0.lock();
        let count = counts.entry(key).or_default();
        if *count >= most {
            return None;
        }
        *count += 1;
        Some(Place { counts: self.0.clone(), key })
    }
}

impl<K: Eq + Hash> Drop for Place<K> {
    fn drop(&mut self) {
        let mut counts = self.counts.lock();
        if let Some(count) = counts.get_mut(&self.key) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.key);
            }
        }
    }
}

#[derive(Debug)]
struct Entry {
    /// `None` for a trusted proxy, behind which are many clients.
    client: Option<Client>,
    watch: Arc<Watch>,
    task: Option<AbortHandle>,
}

#[derive(Debug, Default)]
struct Inside {
    entries: HashMap<u64, Entry>,
    by_client: HashMap<Client, usize>,
    next: u64,
}

impl Inside {
    fn remove(&mut self, id: u64) -> Option<Entry> {
        let entry = self.entries.remove(&id)?;
        if let Some(client) = entry.client
            && let Some(count) = self.by_client.get_mut(&client)
        {
            *count -= 1;
            if *count == 0 {
                self.by_client.remove(&client);
            }
        }
        Some(entry)
    }

    /// Gives up the connection that has waited longest, of this client or of anybody. Whether there was one.
    fn evict(&mut self, of: Option<Client>, at_least: Duration) -> bool {
        let now = Instant::now();
        let candidates = self.entries.iter().filter(|(_, entry)| of.is_none() || entry.client == of);
        let waiting = candidates.filter_map(|(id, entry)| Some((entry.watch.waiting(now)?, *id)));
        let Some((waited, id)) = waiting.max() else { return false };
        if waited < at_least || !self.entries.get(&id).is_some_and(|entry| entry.watch.evict()) {
            return false;
        }
        if let Some(task) = self.remove(id).and_then(|entry| entry.task) {
            task.abort();
        }
        true
    }
}

/// The bounds and who is inside.
#[derive(Debug)]
pub(super) struct Gate {
    inside: Arc<Mutex<Inside>>,
    most: usize,
    most_by_client: usize,
    proxies: Vec<Network>,
    yields: Duration,
}

/// A connection's room; given back when dropped.
#[derive(Debug)]
pub(super) struct Slot {
    inside: Arc<Mutex<Inside>>,
    id: u64,
}

impl Slot {
    pub(super) fn id(&self) -> u64 {
        self.id
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.inside.lock().remove(self.id);
    }
}

impl Gate {
    /// With the bounds of the configuration, and those of the system.
    pub(super) fn new(server: &config::Server, most_by_system: usize, yields: Duration) -> Self {
        let most = usize::try_from(server.max_connections).unwrap_or(usize::MAX);
        if most_by_system < most {
            tracing::warn!(most = most_by_system, "server.max_connections is more than the system grants descriptors for");
        }
        Self {
            inside: Arc::default(),
            most: most.min(most_by_system),
            most_by_client: usize::try_from(server.max_connections_per_address).unwrap_or(usize::MAX),
            proxies: client::networks(&server.trusted_proxies),
            yields,
        }
    }

    /// Lets a connection in, if there is room or room can be made.
    pub(super) fn enter(&self, peer: IpAddr, watch: &Arc<Watch>) -> Option<Slot> {
        let client = (!client::is_among(peer, &self.proxies)).then(|| Client::from(peer));
        let mut inside = self.inside.lock();
        let full = |inside: &Inside| client.is_some_and(|c| inside.by_client.get(&c).is_some_and(|n| *n >= self.most_by_client));
        if full(&inside) && !inside.evict(client, self.yields) {
            return None;
        }
        if inside.entries.len() >= self.most && !inside.evict(None, self.yields) {
            return None;
        }
        let id = inside.next;
        inside.next += 1;
        if let Some(client) = client {
            *inside.by_client.entry(client).or_default() += 1;
        }
        inside.entries.insert(id, Entry { client, watch: watch.clone(), task: None });
        Some(Slot { inside: self.inside.clone(), id })
    }

    /// Tells which task serves a connection. One that has ended already is not noted.
    pub(super) fn attach(&self, id: u64, task: AbortHandle) {
        if let Some(entry) = self.inside.lock().entries.get_mut(&id) {
            entry.task = Some(task);
        }
    }

    /// Closes a connection that waits without a request, if there is one.
    pub(super) fn make_room(&self) {
        self.inside.lock().evict(None, Duration::ZERO);
    }

    /// Closes every connection, whatever it is doing, and tells how many there were.
    pub(super) fn cut(&self) -> usize {
        let mut inside = self.inside.lock();
        let ids: Vec<u64> = inside.entries.keys().copied().collect();
        for task in ids.iter().filter_map(|id| inside.remove(*id)).filter_map(|entry| entry.task) {
            task.abort();
        }
        ids.len()
    }
}
