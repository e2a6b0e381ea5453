//! rotation-wire
