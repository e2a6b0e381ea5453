//! The view without Kafka.
