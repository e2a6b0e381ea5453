//! rotation-service

pub mod config;
pub mod files;
