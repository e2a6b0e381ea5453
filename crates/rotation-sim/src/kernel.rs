//! Threads that run one at a time, on a clock that only they move, in an order that follows from a seed.
//!
//! Blocking code runs here as it is: each thread is one of the operating system's, but holds the baton while it runs
//! and hands it on where it waits ([`Kernel::sleep`]). Time jumps to the next one that wakes. Threads belong to
//! processes, and a process can be killed or stopped at any such place: killed, its threads unwind there.

use std::any::Any;
use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::Thread;
use std::time::Duration;

use rand::Rng;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;

/// A process of the simulation; each start is another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Process(usize);

/// The process of whoever made the kernel. It is never killed.
pub const DIRECTOR: Process = Process(0);

/// What unwinds the threads of a process that was killed.
struct Killed;

/// Whether and since when a process runs, in nanoseconds of the simulation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Life {
    /// When it was killed or ended.
    pub dead: Option<u64>,
    /// From when until when it is stopped.
    pub stopped: Option<(u64, u64)>,
}

impl Life {
    /// When the process was last seen running, by `now`.
    #[must_use]
    pub fn last_seen(&self, now: u64) -> u64 {
        match (self.dead, self.stopped) {
            (Some(dead), _) => dead.min(now),
            (None, Some((from, until))) if (from..until).contains(&now) => from,
            _ => now,
        }
    }
}

struct Slot {
    process: Process,
    /// When it goes on.
    wake: u64,
    /// Decides between threads that wake at one instant.
    order: u64,
    thread: Option<Thread>,
    done: bool,
}

#[derive(Default)]
struct ProcessState {
    life: Life,
    /// Places at which it has waited or called.
    calls: u64,
    /// It is killed at this one.
    killed_at: Option<u64>,
}

struct State {
    now: u64,
    running: usize,
    slots: Vec<Slot>,
    processes: Vec<ProcessState>,
    generator: ChaCha8Rng,
    panics: Vec<String>,
    trace: u64,
}

/// The baton, the clock and the dice.
pub struct Kernel {
    state: Mutex<State>,
}

thread_local! {
    static CURRENT: RefCell<Option<usize>> = const { RefCell::new(None) };
}

impl Kernel {
    /// A kernel at instant 0; the calling thread becomes the director and holds the baton.
    #[must_use]
    pub fn new(seed: u64) -> Arc<Kernel> {
        CURRENT.set(Some(0));
        let director = Slot {
            process: DIRECTOR,
            wake: 0,
            order: 0,
            thread: Some(std::thread::current()),
            done: false,
        };
        Arc::new(Kernel {
            state: Mutex::new(State {
                now: 0,
                running: 0,
                slots: vec![director],
                processes: vec![ProcessState::default()],
                generator: ChaCha8Rng::seed_from_u64(seed),
                panics: Vec::new(),
                trace: 0,
            }),
        })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Nanoseconds since the beginning.
    pub fn now(&self) -> u64 {
        self.lock().now
    }

    /// A number from the range `0..sides`.
    pub fn roll(&self, sides: u64) -> u64 {
        self.lock().generator.random_range(0..sides.max(1))
    }

    /// True in so many cases of a thousand.
    pub fn chance(&self, thousandths: u64) -> bool {
        self.roll(1000) < thousandths
    }

    /// A number that says how everything came about so far: equal runs have equal ones.
    pub fn trace(&self) -> u64 {
        self.lock().trace
    }

    /// What threads panicked with, not counting those that were killed.
    pub fn panics(&self) -> Vec<String> {
        self.lock().panics.clone()
    }

    /// A new process.
    pub fn process(&self) -> Process {
        let mut state = self.lock();
        state.processes.push(ProcessState::default());
        Process(state.processes.len() - 1)
    }

    /// Whether and since when a process runs.
    pub fn life(&self, process: Process) -> Life {
        self.lock().processes[process.0].life
    }

    /// Kills a process: its threads unwind where they are.
    pub fn kill(&self, process: Process) {
        let mut state = self.lock();
        let now = state.now;
        state.processes[process.0].life.dead.get_or_insert(now);
    }

    /// Kills a process at so many waits or calls from now.
    pub fn kill_after(&self, process: Process, calls: u64) {
        let mut state = self.lock();
        let process = &mut state.processes[process.0];
        process.killed_at = Some(process.calls + calls.max(1));
    }

    /// Stops a process for a while; its threads do not run meanwhile.
    pub fn stop(&self, process: Process, time: Duration) {
        let mut state = self.lock();
        let now = state.now;
        state.processes[process.0].life.stopped = Some((now, now + nanos(time)));
    }

    /// Whether no thread of the process is left.
    pub fn is_over(&self, process: Process) -> bool {
        let state = self.lock();
        let mut own = state.slots.iter().filter(|slot| slot.process == process);
        own.all(|slot| slot.done)
    }

    /// The process of the calling thread.
    pub fn current(&self) -> Process {
        let state = self.lock();
        state.slots[this_thread()].process
    }

    /// A place where the process may be killed, at which nothing waits.
    pub fn pass(&self) {
        if std::thread::panicking() {
            return; // as below
        }
        let me = this_thread();
        let mut state = self.lock();
        state.count_call(me);
        if state.is_dead(me) {
            drop(state);
            resume_unwind(Box::new(Killed));
        }
    }

    /// Waits, while others run.
    pub fn sleep(&self, time: Duration) {
        let me = this_thread();
        let mut state = self.lock();
        if std::thread::panicking() {
            return; // what is dropped while a killed thread unwinds may come here
        }
        state.count_call(me);
        if !state.is_dead(me) {
            let order = state.generator.random();
            let wake = state.now + nanos(time);
            let slot = &mut state.slots[me];
            (slot.wake, slot.order) = (wake, order);
            state = self.hand_over(state, Some(me));
        }
        if state.is_dead(me) {
            drop(state);
            resume_unwind(Box::new(Killed));
        }
    }

    /// Starts a thread of a process.
    ///
    /// # Errors
    ///
    /// When the operating system has none.
    pub fn spawn(
        self: &Arc<Self>,
        process: Process,
        name: String,
        work: Box<dyn FnOnce() + Send>,
    ) -> std::io::Result<()> {
        let mut state = self.lock();
        let me = state.slots.len();
        let order = state.generator.random();
        let wake = state.now + state.generator.random_range(0..200_000);
        let kernel = Arc::clone(self);
        let handle = std::thread::Builder::new().name(name).spawn(move || {
            CURRENT.set(Some(me));
            kernel.await_baton(me);
            let result = if kernel.lock().is_dead(me) {
                Ok(())
            } else {
                catch_unwind(AssertUnwindSafe(work))
            };
            let mut state = kernel.lock();
            if let Err(payload) = result
                && !payload.is::<Killed>()
            {
                state.panics.push(text_of(&*payload));
            }
            state.slots[me].done = true;
            drop(kernel.hand_over(state, None));
        })?;
        state.slots.push(Slot {
            process,
            wake,
            order,
            thread: Some(handle.thread().clone()),
            done: false,
        });
        Ok(())
    }

    /// Kills all that is left and waits for its end.
    pub fn finish(&self) {
        let mut state = self.lock();
        let now = state.now;
        for process in state.processes.iter_mut().skip(1) {
            process.life.dead.get_or_insert(now);
            process.life.stopped = None;
        }
        while state.slots.iter().skip(1).any(|slot| !slot.done) {
            drop(state);
            self.sleep(Duration::from_millis(1));
            state = self.lock();
        }
    }

    /// Chooses who runs next; `me` then waits for its turn.
    fn hand_over<'a>(
        &'a self,
        mut state: MutexGuard<'a, State>,
        me: Option<usize>,
    ) -> MutexGuard<'a, State> {
        let next = state.next();
        state.running = next;
        if Some(next) == me {
            return state;
        }
        if let Some(thread) = &state.slots[next].thread {
            thread.unpark();
        }
        drop(state);
        if let Some(me) = me {
            self.await_baton(me);
        }
        self.lock()
    }

    fn await_baton(&self, me: usize) {
        while self.lock().running != me {
            std::thread::park();
        }
    }
}

impl State {
    /// The thread that wakes first; the clock moves there.
    fn next(&mut self) -> usize {
        let when = |slot: &Slot| {
            let process = &self.processes[slot.process.0];
            let wake = match process.life {
                Life { dead: Some(_), .. } => 0,
                Life {
                    stopped: Some((from, until)),
                    ..
                } if slot.wake >= from => slot.wake.max(until),
                _ => slot.wake,
            };
            (wake, slot.order)
        };
        let ready = self.slots.iter().enumerate().filter(|(_, slot)| !slot.done);
        let (at, (wake, order)) = ready
            .map(|(at, slot)| (at, when(slot)))
            .min_by_key(|&(_, when)| when)
            .expect("the director is never done while it hands over");
        self.now = self.now.max(wake);
        self.trace =
            (self.trace ^ self.now ^ order ^ at as u64).wrapping_mul(0x0000_0100_0000_01b3);
        at
    }

    fn is_dead(&self, thread: usize) -> bool {
        let process = self.slots[thread].process;
        self.processes[process.0].life.dead.is_some()
    }

    fn count_call(&mut self, thread: usize) {
        let now = self.now;
        let process = &mut self.processes[self.slots[thread].process.0];
        process.calls += 1;
        if process.killed_at.is_some_and(|at| process.calls >= at) {
            process.life.dead.get_or_insert(now);
        }
    }
}

fn this_thread() -> usize {
    CURRENT
        .with_borrow(|current| *current)
        .expect("only threads of the kernel wait in it")
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX / 4)
}

fn text_of(payload: &(dyn Any + Send)) -> String {
    let text = payload
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned());
    text.or_else(|| payload.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "a panic without words".to_owned())
}

#[cfg(test)]
mod tests;
