//! A proxy between the desk and PostgreSQL that reads the protocol and cuts connections at a COMMIT.

use std::{
    io,
    net::SocketAddr,
    path::PathBuf,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream, UnixStream},
    sync::Notify,
    task::JoinHandle,
};

/// Where a COMMIT is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    /// It never reaches the server.
    Before,
    /// It is carried out, and the answer never comes back.
    After,
    /// The same, and from then on nobody reaches the server.
    AfterAndAway,
    /// It is carried out and answered, and from then on nobody reaches the server.
    Behind,
}

#[derive(Default)]
struct State {
    cut: Mutex<Option<(Cut, String)>>,
    away: AtomicBool,
    /// Ends every connection.
    end_all: Notify,
}

/// The proxy; it ends when dropped.
pub struct Proxy {
    state: Arc<State>,
    /// Where it listens.
    pub address: SocketAddr,
    task: JoinHandle<()>,
}

impl Proxy {
    /// Begins to carry between a port of its own and the server's socket.
    pub async fn start(socket: PathBuf) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(State::default());
        let task = tokio::spawn({
            let state = state.clone();
            async move {
                loop {
                    let Ok((client, _)) = listener.accept().await else { continue };
                    let (state, socket) = (state.clone(), socket.clone());
                    if !state.away.load(Ordering::SeqCst) {
                        tokio::spawn(async move {
                            tokio::select! {
                                _ = carry(&state, client, socket) => {}
                                () = state.end_all.notified() => {}
                            }
                        });
                    }
                }
            }
        });
        Self { state, address, task }
    }

    /// Cuts the COMMIT of the next transaction in which this word is written.
    pub fn cut_next(&self, cut: Cut, word: &str) {
        *self.state.cut.lock().unwrap() = Some((cut, word.to_owned()));
    }

    /// Whether a COMMIT that shall be cut has not come yet.
    pub fn waits(&self) -> bool {
        self.state.cut.lock().unwrap().is_some()
    }

    /// Whether the server can be reached.
    pub fn set_away(&self, away: bool) {
        self.state.away.store(away, Ordering::SeqCst);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
        self.state.end_all.notify_waiters();
    }
}

/// Reads a message with its head; the first one of a connection has no kind.
async fn message(from: &mut (impl AsyncReadExt + Unpin), first: bool) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; if first { 4 } else { 5 }];
    from.read_exact(&mut bytes).await?;
    let length: [u8; 4] = bytes[bytes.len() - 4..].try_into().map_err(io::Error::other)?;
    let rest = (u32::from_be_bytes(length) as usize).checked_sub(4).ok_or_else(|| io::Error::other("a message of no length"))?;
    let head = bytes.len();
    bytes.resize(head + rest, 0);
    from.read_exact(&mut bytes[head..]).await?;
    Ok(bytes)
}

fn is_commit(message: &[u8]) -> bool {
    message.first() == Some(&b'Q') && message.get(5..).is_some_and(|text| text.eq_ignore_ascii_case(b"COMMIT\0"))
}

/// Carries one connection until either side ends it, or it is cut.
async fn carry(state: &State, client: TcpStream, socket: PathBuf) -> io::Result<()> {
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = UnixStream::connect(socket).await?.into_split();
    let (silent, last) = (AtomicBool::new(false), AtomicBool::new(false));
    let forwards = async {
        let (mut first, mut written) = (true, false);
        loop {
            let message = message(&mut from_client, first).await?;
            first = false;
            let cut = {
                let mut cut = state.cut.lock().unwrap();
                written |= cut.as_ref().is_some_and(|(_, word)| message.windows(word.len()).any(|bytes| bytes == word.as_bytes()));
                let ends = message.first() == Some(&b'Q');
                let cut = if is_commit(&message) && written { cut.take().map(|(cut, _)| cut) } else { None };
                written &= !ends;
                cut
            };
            match cut {
                None => {}
                Some(Cut::Behind) => last.store(true, Ordering::SeqCst),
                Some(Cut::Before) => return Ok(()),
                Some(Cut::After) => silent.store(true, Ordering::SeqCst),
                Some(Cut::AfterAndAway) => {
                    silent.store(true, Ordering::SeqCst);
                    state.away.store(true, Ordering::SeqCst);
                }
            }
            to_server.write_all(&message).await?;
        }
    };
    let backwards = async {
        let mut bytes = vec![0; 16 * 1024];
        loop {
            let n = from_server.read(&mut bytes).await?;
            // The answer to the COMMIT is there, and nobody hears it.
            if n == 0 || silent.load(Ordering::SeqCst) {
                return Ok::<(), io::Error>(());
            }
            to_client.write_all(&bytes[..n]).await?;
            if last.load(Ordering::SeqCst) {
                state.away.store(true, Ordering::SeqCst);
                return Ok(());
            }
        }
    };
    let ended = tokio::select! { ended = forwards => ended, ended = backwards => ended };
    if state.away.load(Ordering::SeqCst) {
        state.end_all.notify_waiters();
    }
    ended
}
