//! rotation-service

pub mod files;
pub mod report;
