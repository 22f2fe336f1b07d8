//! Optimisers that attacks drive: they ask for points and are told values.

pub mod lbfgsb;
