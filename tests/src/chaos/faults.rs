//! What breaks: the kinds of fault, their order, and how each is done.

use std::time::Duration;

use anyhow::{Context, Result};
use rand::Rng;
use rand::seq::{IndexedRandom, SliceRandom};
use rand_chacha::ChaCha8Rng;

use super::Scene;
use crate::cluster::NODES;
use crate::proxy::Mode;

/// A kind of fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A process of the service is killed (-9) and started again.
    KillProcess,
    /// A process is stopped for longer than its session and then goes on: a zombie.
    StopProcess,
    /// Another process joins.
    AddProcess,
    /// A process is asked to stop and stays away.
    RemoveProcess,
    /// A broker is killed (-9) and started again on its data.
    KillBroker,
    /// A broker is stopped and goes on.
    FreezeBroker,
    /// Every partition gets another leader, the coordinators' too.
    MoveLeaders,
    /// Every connection of the service is cut at once.
    Cut,
    /// Every connection is cut, and new ones are refused for a while.
    Refuse,
    /// Connections stay, and nothing goes through for a while.
    Stall,
    /// A broker's disk is full, until it is given room and started again.
    FillDisk,
}

/// All kinds, with how each is named in the table.
pub const KINDS: [(Kind, &str); 11] = [
    (Kind::KillProcess, "process killed (-9)"),
    (Kind::StopProcess, "process stopped beyond its session"),
    (Kind::AddProcess, "process added"),
    (Kind::RemoveProcess, "process removed (SIGTERM)"),
    (Kind::KillBroker, "broker killed (-9)"),
    (Kind::FreezeBroker, "broker stopped for a while"),
    (Kind::MoveLeaders, "every leader moved"),
    (Kind::Cut, "every connection cut"),
    (Kind::Refuse, "connections refused for a while"),
    (Kind::Stall, "connections stalled for a while"),
    (Kind::FillDisk, "disk of a broker full"),
];

impl Kind {
    /// Whether a broker is away afterwards, so that the next such fault has to wait until replicas are in sync.
    fn harms_replicas(self) -> bool {
        matches!(
            self,
            Kind::KillBroker | Kind::FreezeBroker | Kind::MoveLeaders | Kind::FillDisk
        )
    }
}

/// Faults in the order of a seed: kinds so often, shuffled, processes never fewer than two.
pub(super) fn order(counts: &[(Kind, usize)], dice: &mut ChaCha8Rng) -> Vec<Kind> {
    let mut order: Vec<Kind> = counts
        .iter()
        .flat_map(|&(kind, count)| std::iter::repeat_n(kind, count))
        .collect();
    order.shuffle(dice);
    // A process is removed after one was added: as many of each, in turns.
    let mut adding = true;
    for kind in &mut order {
        if matches!(kind, Kind::AddProcess | Kind::RemoveProcess) {
            *kind = match adding {
                true => Kind::AddProcess,
                false => Kind::RemoveProcess,
            };
            adding = !adding;
        }
    }
    order
}

fn millis(dice: &mut ChaCha8Rng, range: std::ops::Range<u64>) -> Duration {
    Duration::from_millis(dice.random_range(range))
}

impl Scene<'_> {
    /// Does a fault and undoes it; whether the service has got over it is for the caller to see.
    pub(super) fn strike(&mut self, kind: Kind) -> Result<()> {
        if kind.harms_replicas() {
            self.cluster.await_whole()?;
        }
        match kind {
            Kind::KillProcess => self.kill_process(),
            Kind::StopProcess => self.stop_process(),
            Kind::AddProcess => {
                self.added += 1;
                self.fleet.add(&format!("added-{}", self.added))
            }
            Kind::RemoveProcess => {
                let name = self.some_process()?;
                self.fleet.remove(&name)
            }
            Kind::KillBroker => self.kill_broker(),
            Kind::FreezeBroker => {
                let node = self.dice.random_range(0..NODES);
                self.cluster.freeze(node, true)?;
                std::thread::sleep(millis(&mut self.dice, 2_000..9_000));
                self.cluster.freeze(node, false)
            }
            Kind::MoveLeaders => self.cluster.move_leaders(&mut self.dice),
            Kind::Cut => {
                for proxy in self.cluster.proxies() {
                    proxy.cut();
                }
                Ok(())
            }
            Kind::Refuse => self.proxies(Mode::Refuse, true),
            Kind::Stall => self.proxies(Mode::Stall, false),
            Kind::FillDisk => self.fill_disk(),
        }
        .with_context(|| format!("{kind:?}"))
    }

    fn some_process(&mut self) -> Result<String> {
        let running = self.fleet.running();
        running
            .choose(&mut self.dice)
            .cloned()
            .context("no process runs")
    }

    /// Most are back soon, as from a supervisor; some only when others have taken over.
    fn kill_process(&mut self) -> Result<()> {
        let name = self.some_process()?;
        let back = match self.dice.random_range(0..6) {
            0 => self.session + millis(&mut self.dice, 500..2_000),
            _ => millis(&mut self.dice, 50..1_500),
        };
        self.fleet.kill(&name, back)
    }

    fn stop_process(&mut self) -> Result<()> {
        let name = self.some_process()?;
        self.fleet.freeze(&name, true)?;
        std::thread::sleep(self.session + millis(&mut self.dice, 1_500..5_000));
        self.fleet.freeze(&name, false)
    }

    /// In every third outage a process dies, too.
    fn kill_broker(&mut self) -> Result<()> {
        let node = self.dice.random_range(0..NODES);
        self.cluster.kill(node);
        std::thread::sleep(millis(&mut self.dice, 300..4_000));
        if self.dice.random_range(0..3) == 0 {
            self.kill_process()?;
            self.count_aside(Kind::KillProcess);
        }
        std::thread::sleep(millis(&mut self.dice, 300..2_000));
        self.cluster.restart(node)
    }

    fn proxies(&mut self, mode: Mode, cut: bool) -> Result<()> {
        for proxy in self.cluster.proxies() {
            proxy.set(mode);
            if cut {
                proxy.cut();
            }
        }
        std::thread::sleep(millis(&mut self.dice, 1_000..7_000));
        for proxy in self.cluster.proxies() {
            proxy.set(Mode::Pass);
        }
        Ok(())
    }

    /// A broker that cannot write shuts itself down; then it gets room and is started again.
    fn fill_disk(&mut self) -> Result<()> {
        let node = self.dice.random_range(0..NODES);
        self.cluster.fill(node, true)?;
        let patience = std::time::Instant::now() + Duration::from_secs(20);
        while self.cluster.runs(node) && std::time::Instant::now() < patience {
            std::thread::sleep(Duration::from_millis(50));
        }
        let gone = !self.cluster.runs(node);
        self.cluster.kill(node);
        self.cluster.fill(node, false)?;
        self.cluster.restart(node)?;
        anyhow::ensure!(gone, "the broker did not notice that its disk was full");
        Ok(())
    }
}
