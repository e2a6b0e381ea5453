//! Random markets.
