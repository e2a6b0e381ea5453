//! rotation-service

pub mod kafka;
pub mod stage;
