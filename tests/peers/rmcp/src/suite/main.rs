//! The conformance suite's fixture on rmcp: the tools, prompts and resources that the suite calls, and the extensions
//! that no other SDK serves as a whole, tasks (SEP-2663) and skills (SEP-2640).
//!
//! `rmcp-suite --port N` serves Streamable HTTP on loopback, both eras at one address, and prints
//! `{"ready":true,"url":...}`; `rmcp-suite --stdio` serves its own standard input and output.

#![expect(deprecated, reason = "logging and sampling are deprecated, and the suite asks for them")]

mod asks;
mod call;
mod documents;
mod handler;
mod media;
mod skills;
mod tasks;
mod tools;

use rmcp::{ServiceExt, transport::stdio};
use trunkline_peer_rmcp::{Failure, http};

use handler::{Server, Shared};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let shared = Shared::new();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["--stdio"] => {
            Server::new(shared).serve(stdio()).await?.waiting().await?;
            Ok(())
        }
        ["--port", port] => http::serve(port.parse()?, move || Server::new(shared.clone())).await,
        _ => Err("usage: rmcp-suite --stdio | --port N".into()),
    }
}
