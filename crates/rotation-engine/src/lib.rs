//! rotation-engine
