use super::*;
use std::sync::atomic::{AtomicU64, Ordering};

fn millis(number: u64) -> Duration {
    Duration::from_millis(number)
}

/// Three threads that note when they went on; returns the notes and the trace.
fn notes(seed: u64) -> (Vec<(u64, usize)>, u64) {
    let kernel = Kernel::new(seed);
    let noted: Arc<Mutex<Vec<(u64, usize)>>> = Arc::default();
    let process = kernel.process();
    for thread in 0..3 {
        let (within, noted) = (Arc::clone(&kernel), Arc::clone(&noted));
        let work = move || {
            for _ in 0..20 {
                within.sleep(millis(1 + within.roll(5)));
                noted.lock().unwrap().push((within.now(), thread));
            }
        };
        kernel
            .spawn(process, format!("noter {thread}"), Box::new(work))
            .unwrap();
    }
    while !kernel.is_over(process) {
        kernel.sleep(millis(10));
    }
    let notes = noted.lock().unwrap().clone();
    (notes, kernel.trace())
}

#[test]
fn equal_seeds_give_equal_runs_and_time_does_not_go_back() {
    let (notes_of_one, trace) = notes(1);
    assert_eq!((notes_of_one.clone(), trace), notes(1));
    assert_ne!(trace, notes(2).1);
    assert_eq!(notes_of_one.len(), 60);
    assert!(notes_of_one.is_sorted_by_key(|(at, _)| *at));
}

#[test]
fn a_killed_process_unwinds_where_it_waits() {
    struct Told(Arc<AtomicU64>);
    impl Drop for Told {
        fn drop(&mut self) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }
    let kernel = Kernel::new(3);
    let dropped = Arc::new(AtomicU64::new(0));
    let process = kernel.process();
    let (within, told) = (Arc::clone(&kernel), Told(Arc::clone(&dropped)));
    let work = move || {
        let _told = told;
        loop {
            within.sleep(millis(5));
        }
    };
    kernel
        .spawn(process, "sleeper".to_owned(), Box::new(work))
        .unwrap();
    kernel.sleep(millis(50));
    assert!(!kernel.is_over(process));
    kernel.kill_after(process, 2);
    kernel.sleep(millis(50));
    assert!(kernel.is_over(process));
    assert_eq!(dropped.load(Ordering::SeqCst), 1, "its values are dropped");
    assert!(kernel.panics().is_empty(), "to be killed is no panic");
}

#[test]
fn a_stopped_process_misses_time_and_a_panic_is_kept() {
    let kernel = Kernel::new(4);
    let process = kernel.process();
    let (within, woke) = (Arc::clone(&kernel), Arc::new(AtomicU64::new(0)));
    let noted = Arc::clone(&woke);
    let work = move || {
        within.sleep(millis(10));
        noted.store(within.now(), Ordering::SeqCst);
        panic!("on purpose");
    };
    kernel
        .spawn(process, "stopped".to_owned(), Box::new(work))
        .unwrap();
    kernel.sleep(millis(1));
    kernel.stop(process, millis(500));
    let life = kernel.life(process);
    kernel.sleep(millis(1_000));
    assert!(woke.load(Ordering::SeqCst) >= 500_000_000);
    assert_eq!(kernel.panics(), ["on purpose"]);
    let (from, until) = life.stopped.unwrap();
    assert_eq!(life.last_seen(from + 1), from, "stopped, it is not seen");
    assert_eq!(life.last_seen(until), until);
}
