//! rotation-service
