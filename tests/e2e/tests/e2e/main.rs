//! The real binary between real and scripted peers.
