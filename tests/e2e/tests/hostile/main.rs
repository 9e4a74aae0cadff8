//! The cases of the security catalogue, byte by byte against the real binary. `catalogue` is the table; a case with the
//! id S-01 is the test `s_01`. After each a plain call must succeed within two seconds.

mod bench;
mod catalogue;
mod edge;
mod framing;
mod load;
mod messages;
mod metadata;
mod page;
mod sessions;
mod surfaces;
mod upstreams;
