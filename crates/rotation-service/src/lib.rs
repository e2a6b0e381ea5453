//! rotation-service

pub mod files;
pub mod http;
pub mod metrics;
