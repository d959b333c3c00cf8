//! One budget of memory for the weights and caches of all models.

use std::sync::{Arc, Mutex, PoisonError};

/// What is promised to models, and how much there is.
#[derive(Debug)]
pub(super) struct Memory {
    bytes_max: Option<u64>,
    reserved: Mutex<u64>,
}

/// A model's share; given back when it is dropped.
#[derive(Debug)]
pub(super) struct Reserved {
    memory: Arc<Memory>,
    bytes: u64,
}

impl Memory {
    pub(super) fn new(bytes_max: Option<u64>) -> Arc<Self> {
        Arc::new(Self { bytes_max, reserved: Mutex::new(0) })
    }

    pub(super) fn reserved(&self) -> u64 {
        *self.reserved.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a share; answers how many bytes are left where they are too few.
    pub(super) fn reserve(self: &Arc<Self>, bytes: u64) -> Result<Reserved, u64> {
        let mut reserved = self.reserved.lock().unwrap_or_else(PoisonError::into_inner);
        let left = self.bytes_max.map_or(u64::MAX, |max| max.saturating_sub(*reserved));
        if bytes > left {
            return Err(left);
        }
        *reserved += bytes;
        Ok(Reserved { memory: self.clone(), bytes })
    }
}

impl Drop for Reserved {
    fn drop(&mut self) {
        *self.memory.reserved.lock().unwrap_or_else(PoisonError::into_inner) -= self.bytes;
    }
}
