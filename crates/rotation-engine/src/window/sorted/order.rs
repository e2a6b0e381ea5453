//! The order of a ring's values, as places in the ring.

use super::Cell;

/// Places in a ring by size of what lies there, in two bytes each, or four where the ring is too long for two.
#[derive(Clone, Debug)]
pub(super) enum Order {
    Short(Vec<u16>),
    Long(Vec<u32>),
}

/// The longest ring whose places take two bytes.
const SHORT_MAX: usize = 1 << 16;

/// How much room to ask for beyond `len` entries: as much again, never past `size`.
pub(super) fn growth(len: usize, size: usize) -> usize {
    len.max(4).min(size.saturating_sub(len)).max(1)
}

impl Order {
    /// No places yet, of a ring that will have `size`.
    pub(super) fn new(size: usize) -> Self {
        if size <= SHORT_MAX {
            Order::Short(Vec::new())
        } else {
            Order::Long(Vec::new())
        }
    }

    /// The order of a ring that begins with its oldest value and will have `size`.
    pub(super) fn of<T: Cell>(size: usize, ring: &[T]) -> Self {
        let mut places: Vec<usize> = (0..ring.len()).collect();
        places.sort_by(|left, right| ring[*left].value().total_cmp(&ring[*right].value()));
        match Order::new(size) {
            Order::Short(_) => Order::Short(places.into_iter().map(short).collect()),
            Order::Long(_) => Order::Long(places.into_iter().map(long).collect()),
        }
    }

    /// The place that holds the value of a rank.
    pub(super) fn place(&self, rank: usize) -> usize {
        match self {
            Order::Short(places) => places[rank].into(),
            Order::Long(places) => places[rank] as usize,
        }
    }

    /// The bytes that it has on the heap.
    #[cfg(test)]
    pub(super) fn bytes(&self) -> usize {
        match self {
            Order::Short(places) => places.capacity() * size_of::<u16>(),
            Order::Long(places) => places.capacity() * size_of::<u32>(),
        }
    }

    /// Gives a new place its rank, in a ring that will have `size`.
    pub(super) fn insert(&mut self, rank: usize, place: usize, size: usize) {
        match self {
            Order::Short(places) => insert(places, rank, short(place), size),
            Order::Long(places) => insert(places, rank, long(place), size),
        }
    }

    /// The place of rank `from` gets another value, which belongs before the one of rank `to`.
    pub(super) fn shift(&mut self, from: usize, to: usize) {
        match self {
            Order::Short(places) => shift(places, from, to),
            Order::Long(places) => shift(places, from, to),
        }
    }
}

fn short(place: usize) -> u16 {
    u16::try_from(place).expect("a short ring has places of two bytes")
}

fn long(place: usize) -> u32 {
    u32::try_from(place).expect("a window of four thousand million values was never asked for")
}

fn insert<P>(places: &mut Vec<P>, rank: usize, place: P, size: usize) {
    if places.len() == places.capacity() {
        places.reserve_exact(growth(places.len(), size));
    }
    places.insert(rank, place);
}

fn shift<P>(places: &mut [P], from: usize, to: usize) {
    if from < to {
        places[from..to].rotate_left(1);
    } else {
        places[to..=from].rotate_right(1);
    }
}
