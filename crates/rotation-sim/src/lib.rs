//! rotation-sim
