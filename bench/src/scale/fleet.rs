//! All the nodes: how they join, and what is waited for at all of them.

use super::node::{News, Search, Simulated, Sought, Told};
use anyhow::{Context, Result, bail, ensure};
use hadron_node::Identity;
use hadron_tests::process::Server;
use hadron_wire::RowKey;
use std::collections::{BTreeSet, HashSet};
use std::net::Ipv4Addr;
use std::path::Path;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::{Mutex, mpsc};
use tokio::task::JoinHandle;

const PATIENCE: Duration = Duration::from_secs(120);
/// Nodes that join at a time.
const JOINS: usize = 4;

/// The nodes of a cloud.
pub struct Fleet {
    nodes: Vec<Arc<Mutex<Simulated>>>,
    tasks: Vec<JoinHandle<()>>,
    search: Search,
    told: mpsc::UnboundedReceiver<Told>,
}

/// The name of a node, which is `binding:host_id` of its ports.
pub fn name_of(number: usize) -> String {
    format!("node{number}")
}

impl Fleet {
    /// Has `count` nodes join, each with a ticket of its own.
    pub async fn join(server: &Server, count: usize) -> Result<Self> {
        let directory = tempfile::tempdir()?;
        let search = Search::default();
        let (sender, told) = mpsc::unbounded_channel();
        let mut nodes = Vec::new();
        for first in (0..count).step_by(JOINS) {
            let joins =
                (first..count.min(first + JOINS)).map(|number| join(server, number, directory.path()));
            for (identity, number) in
                futures_util::future::try_join_all(joins).await?.into_iter().zip(first..)
            {
                let (search, told) = (search.clone(), sender.clone());
                let (held, ports) = Default::default();
                let node = Simulated { identity, number, search, told, held, ports, position: None };
                nodes.push(Arc::new(Mutex::new(node)));
            }
        }
        Ok(Self { nodes, tasks: Vec::new(), search, told })
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Begins to follow the server's streams with the first `count` nodes, all at once.
    pub fn connect(&mut self, count: usize) {
        self.drain();
        for node in self.nodes.iter().take(count) {
            let node = node.clone();
            self.tasks.push(tokio::spawn(async move { node.lock().await.live().await }));
        }
    }

    /// Ends every stream without a word.
    pub async fn disconnect(&mut self) {
        for task in std::mem::take(&mut self.tasks) {
            task.abort();
            let _ = task.await;
        }
    }

    /// What the nodes hold, they have lost.
    pub async fn forget_all(&self) {
        for node in &self.nodes {
            node.lock().await.forget_all();
        }
    }

    /// The keys that each node holds. No stream may be up.
    pub async fn held(&self) -> Vec<HashSet<RowKey>> {
        let mut all = Vec::new();
        for node in &self.nodes {
            all.push(node.lock().await.held.clone());
        }
        all
    }

    /// Waits until `count` nodes hold everything that there was for them when their streams began; when the last one did.
    pub async fn until_current(&mut self, count: usize) -> Result<Instant> {
        Ok(self.until(count, |news| news == News::Current).await?.0)
    }

    /// From now on the nodes look for it.
    pub fn seek(&mut self, sought: Sought) {
        self.drain();
        *self.search.write().unwrap_or_else(PoisonError::into_inner) = Some(sought);
    }

    /// Waits until `count` nodes have found what is sought; when the last one did, and the key under which they did.
    pub async fn until_found(&mut self, count: usize) -> Result<(Instant, RowKey)> {
        let (at, news) = self.until(count, |news| matches!(news, News::Found(_))).await?;
        let News::Found(key) = news else { bail!("nothing was found") };
        Ok((at, key))
    }

    async fn until(&mut self, count: usize, is_it: impl Fn(News) -> bool) -> Result<(Instant, News)> {
        let mut seen = BTreeSet::new();
        let mut last = None;
        while seen.len() < count {
            let told = tokio::time::timeout(PATIENCE, self.told.recv()).await;
            let Ok(Some(told)) = told else {
                bail!("only {} of {count} nodes within {PATIENCE:?}", seen.len())
            };
            if is_it(told.news) && seen.insert(told.node) {
                last = last.filter(|(at, _)| *at > told.at).or(Some((told.at, told.news)));
            }
        }
        last.context("no node was waited for")
    }

    /// What has been told so far is of no interest.
    pub fn drain(&mut self) {
        while self.told.try_recv().is_ok() {}
    }
}

async fn join(server: &Server, number: usize, directory: &Path) -> Result<Identity> {
    let name = name_of(number);
    let ticket = tokio::task::block_in_place(|| server.admin(&["host", "ticket", "--name", &name]))?;
    let ticket = ticket.trim().parse().context("the ticket")?;
    let underlay = Ipv4Addr::from_bits(Ipv4Addr::new(198, 18, 0, 1).to_bits() + number as u32);
    let identity = hadron_node::join(&ticket, &name, underlay.into(), &directory.join(&name)).await?;
    ensure!(identity.host_name == name, "joined as {}", identity.host_name);
    Ok(identity)
}
