//! The model, record by record.
