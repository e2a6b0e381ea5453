//! rotation-service

pub mod config;
