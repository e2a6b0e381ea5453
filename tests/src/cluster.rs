//! Three nodes of Apache Kafka on loopback, each broker and controller, to be killed, frozen and started again.
//!
//! Every partition has three replicas, of which two must have a record before it is acknowledged; so the cluster loses
//! nothing and goes on while one node is down. Whoever is tested connects through a [`Proxy`] a node, at
//! [`Cluster::outside`]; whoever watches connects to the nodes themselves, by [`Cluster::broker`].
//!
//! Ports are below those that the system gives to outgoing connections: a node that was down must find its own free.

use std::collections::BTreeSet;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use rand::Rng;
use rand::seq::SliceRandom;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::metadata::Metadata;

use crate::broker::{Broker, kafka_libs};
use crate::proxy::Proxy;

mod disk;
mod node;
mod wire;

use node::Node;
use wire::Placement;

/// Number of nodes.
pub const NODES: usize = 3;

/// Longest wait for all nodes to answer, three Java machines on few cores.
const START: Duration = Duration::from_secs(180);
/// Longest wait for every replica to be in sync again.
const WHOLE: Duration = Duration::from_secs(120);
const PAUSE: Duration = Duration::from_millis(50);

/// A running cluster; it ends when dropped.
#[derive(Debug)]
pub struct Cluster {
    nodes: Vec<Node>,
    proxies: Vec<Proxy>,
    /// Keeps the data of the nodes.
    _folder: tempfile::TempDir,
}

/// The ports of a node.
#[derive(Clone, Copy, Debug)]
struct Ports {
    /// Among nodes, and for whoever watches.
    inside: u16,
    /// Behind the proxy.
    outside: u16,
    controller: u16,
    proxy: u16,
}

impl Cluster {
    /// Starts a cluster; `None` where Apache Kafka cannot be had.
    ///
    /// # Errors
    ///
    /// When a node does not start; the error carries its log.
    pub fn start() -> Result<Option<Self>> {
        let Some(libs) = kafka_libs()? else {
            return Ok(None);
        };
        let folder = tempfile::Builder::new()
            .prefix("rotation-cluster-")
            .tempdir()?;
        let ports = free_ports()?;
        let proxies = ports
            .iter()
            .map(|ports| Proxy::start(ports.proxy, ports.outside))
            .collect::<Result<_>>()?;
        let mut nodes: Vec<Node> = (0..NODES)
            .map(|at| Node::new(&libs, folder.path(), at, &ports))
            .collect::<Result<_>>()?;
        for node in &mut nodes {
            node.start()?;
        }
        let cluster = Self {
            nodes,
            proxies,
            _folder: folder,
        };
        cluster.await_nodes(START)?;
        Ok(Some(cluster))
    }

    /// The cluster as whoever watches sees it: past the proxies.
    #[must_use]
    pub fn broker(&self) -> Broker {
        let inside: Vec<String> = self.nodes.iter().map(Node::address).collect();
        Broker::at(&inside.join(","))
    }

    /// The addresses clients connect to first to go through the proxies.
    #[must_use]
    pub fn outside(&self) -> String {
        let addresses: Vec<String> = self
            .proxies
            .iter()
            .map(|proxy| proxy.address().to_string())
            .collect();
        addresses.join(",")
    }

    /// The proxies, one a node.
    #[must_use]
    pub fn proxies(&self) -> &[Proxy] {
        &self.proxies
    }

    /// Kills a node as `kill -9` does.
    pub fn kill(&mut self, node: usize) {
        self.nodes[node].kill();
    }

    /// Starts a node on the data that it left.
    ///
    /// # Errors
    ///
    /// When it cannot be started.
    pub fn restart(&mut self, node: usize) -> Result<()> {
        self.nodes[node].start()
    }

    /// Stops a node in its tracks, or lets it go on.
    ///
    /// # Errors
    ///
    /// When it does not run.
    pub fn freeze(&self, node: usize, frozen: bool) -> Result<()> {
        self.nodes[node].freeze(frozen)
    }

    /// Takes what is left of a node's disk, or gives it back.
    ///
    /// # Errors
    ///
    /// When the node's disk is not one of limited size, see [`Cluster::disks`].
    pub fn fill(&self, node: usize, full: bool) -> Result<()> {
        self.nodes[node].fill(full)
    }

    /// Why disks cannot be filled; `None` where they can.
    #[must_use]
    pub fn disks(&self) -> Option<&str> {
        self.nodes.iter().find_map(Node::unlimited)
    }

    /// Whether a node's process runs.
    #[must_use]
    pub fn runs(&self, node: usize) -> bool {
        self.nodes[node].runs()
    }

    /// Places the replicas of all topics anew, so that each has another leader, those of the group and transaction
    /// coordinators too.
    ///
    /// # Errors
    ///
    /// When the cluster refuses or does not answer.
    pub fn move_leaders(&self, dice: &mut impl Rng) -> Result<()> {
        let mut placement = Placement::new();
        for topic in self.metadata()?.topics() {
            for partition in topic.partitions() {
                let mut replicas = partition.replicas().to_vec();
                while replicas.first() == Some(&partition.leader()) && replicas.len() > 1 {
                    replicas.shuffle(dice);
                }
                placement.insert((topic.name().to_owned(), partition.id()), replicas);
            }
        }
        let running = self.nodes.iter().find(|node| node.runs());
        let address = running.context("no node runs")?.address();
        wire::reassign(&address, &placement)?;
        wire::elect_preferred(&address)
    }

    /// Waits until every replica of every partition is in sync.
    ///
    /// # Errors
    ///
    /// When that takes too long.
    pub fn await_whole(&self) -> Result<()> {
        let deadline = Instant::now() + WHOLE;
        loop {
            match self.metadata() {
                Ok(metadata) if metadata.brokers().len() == NODES && is_whole(&metadata) => {
                    return Ok(());
                }
                _ if Instant::now() > deadline => {
                    let logs: Vec<String> = self.nodes.iter().map(Node::log_tail).collect();
                    bail!(
                        "not every replica is in sync after {WHOLE:?}; the nodes' logs end\n{}",
                        logs.join("\n---\n")
                    );
                }
                _ => std::thread::sleep(PAUSE),
            }
        }
    }

    fn await_nodes(&self, patience: Duration) -> Result<()> {
        let deadline = Instant::now() + patience;
        loop {
            if self
                .metadata()
                .is_ok_and(|metadata| metadata.brokers().len() == NODES)
            {
                return Ok(());
            }
            for node in &self.nodes {
                ensure!(
                    node.runs(),
                    "a node ended; its log ends\n{}",
                    node.log_tail()
                );
            }
            ensure!(
                Instant::now() < deadline,
                "the cluster did not start in {patience:?}"
            );
            std::thread::sleep(PAUSE);
        }
    }

    fn metadata(&self) -> Result<Metadata> {
        let consumer: BaseConsumer = self.broker().config().create()?;
        Ok(consumer.fetch_metadata(None, Duration::from_secs(5))?)
    }
}

fn is_whole(metadata: &Metadata) -> bool {
    let mut partitions = metadata
        .topics()
        .iter()
        .flat_map(rdkafka::metadata::MetadataTopic::partitions);
    partitions.all(|partition| partition.isr().len() == partition.replicas().len())
}

/// Ports for all nodes that are free now, below those of outgoing connections.
fn free_ports() -> Result<[Ports; NODES]> {
    const RANGE: std::ops::Range<u16> = 15_000..32_000;
    let mut dice = rand::rng();
    let mut taken = BTreeSet::new();
    let mut next = || -> Result<u16> {
        for _ in 0..1000 {
            let port = dice.random_range(RANGE);
            if taken.insert(port) && TcpListener::bind(("127.0.0.1", port)).is_ok() {
                return Ok(port);
            }
        }
        bail!("no free port of 127.0.0.1 in {RANGE:?}")
    };
    let mut node = || -> Result<Ports> {
        Ok(Ports {
            inside: next()?,
            outside: next()?,
            controller: next()?,
            proxy: next()?,
        })
    };
    Ok([node()?, node()?, node()?])
}

/// Where a node keeps its data.
fn data(folder: &Path, at: usize) -> PathBuf {
    folder.join(format!("node-{at}"))
}
