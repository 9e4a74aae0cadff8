//! The wires against real sockets and processes.
