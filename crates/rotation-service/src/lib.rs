//! rotation-service

pub mod config;
pub mod files;
pub mod http;
pub mod metrics;
pub mod replay;
pub mod report;
