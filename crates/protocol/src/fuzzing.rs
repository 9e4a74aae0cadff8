//! What the fuzz targets compare with. Built for them (`cfg(fuzzing)`), and with the tests, so that clippy sees it.

use bytes::Bytes;

use crate::scan::{ScanError, Scanned, reference};

/// The scan in its first, plain form: one byte after the other.
pub fn plain_scan(raw: Bytes) -> Result<Scanned, ScanError> {
    reference::scan(raw)
}
