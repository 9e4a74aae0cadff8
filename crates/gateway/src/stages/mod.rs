//! The steps of the line, one file each.

pub(crate) mod acquaint;
pub(crate) mod admit;
pub(crate) mod authorize;
pub(crate) mod dispatch;
pub(crate) mod drive;
pub(crate) mod fallback;
pub(crate) mod record;
mod remirror;
pub(crate) mod resolve;
