//! Planted faults, to show that the simulation finds such faults. Without the cargo feature `mutants`, which only its
//! own test asks for, [`Mutant::lives`] is false at compile time and none of this is in the program.

/// A fault that can be planted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Mutant {
    /// Outputs are sent after the transaction that holds their positions.
    CommitBeforeProduce = 1,
    /// Positions are committed without the state that belongs to them.
    OffsetsWithoutState = 2,
    /// A revocation is answered without a last commit, and the tasks go on.
    DroppedRevoke = 3,
    /// The horizon follows the wall clock.
    WallClockHorizon = 4,
    /// Outputs follow the order of a hash map.
    HashedOrder = 5,
}

impl Mutant {
    /// All of them.
    pub const ALL: [Mutant; 5] = [
        Mutant::CommitBeforeProduce,
        Mutant::OffsetsWithoutState,
        Mutant::DroppedRevoke,
        Mutant::WallClockHorizon,
        Mutant::HashedOrder,
    ];
}

#[cfg(feature = "mutants")]
mod planted {
    use super::Mutant;
    use std::sync::atomic::{AtomicU8, Ordering};

    static PLANTED: AtomicU8 = AtomicU8::new(0);

    impl Mutant {
        /// Whether this fault is planted in the process.
        #[must_use]
        pub fn lives(self) -> bool {
            PLANTED.load(Ordering::SeqCst) == self as u8
        }

        /// Plants one fault, or none.
        pub fn plant(mutant: Option<Mutant>) {
            PLANTED.store(mutant.map_or(0, |mutant| mutant as u8), Ordering::SeqCst);
        }
    }
}

#[cfg(not(feature = "mutants"))]
impl Mutant {
    /// Whether this fault is planted: it cannot be.
    #[must_use]
    pub const fn lives(self) -> bool {
        false
    }
}
