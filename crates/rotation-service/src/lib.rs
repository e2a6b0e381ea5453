//! rotation-service

pub mod files;
