//! What the suite starts in client mode: the gateway in front of the suite's mock server, and a known-good client in
//! front of the gateway. So what the suite sees, the gateway sent.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::front;
use crate::build;

/// The word by which xtask is called for this.
pub(crate) const COMMAND: &str = "conformance-behind";

/// For the gateway to be up, its upstream included.
const START_LIMIT: Duration = Duration::from_secs(20);
/// For the client to take all its steps; the slowest scenario takes two seconds.
const CLIENT_LIMIT: Duration = Duration::from_secs(20);
/// What the suite should allow: everything here ends before it, so that it never has to kill, which would leave the
/// gateway behind.
pub(crate) const LIMIT: Duration = Duration::from_mins(1);

/// The command line for the suite, which adds the address of its server to it.
pub(crate) fn command_line(gateway: &Path, node: &Path, dir: &Path) -> Result<String> {
    let this = std::env::current_exe().context("where xtask itself is")?;
    let words =
        [this.as_path(), Path::new(COMMAND), gateway, node, dir].map(|word| quoted(&word.to_string_lossy()));
    Ok(words.join(" "))
}

/// One word for the shell by which the suite starts it.
fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', "'\\''"))
}

/// `xtask conformance-behind GATEWAY NODE DIR URL`: whether the client reached its end.
pub(crate) fn run(arguments: &[String]) -> Result<bool> {
    let [gateway, node, dir, url] = arguments else { bail!("usage: {COMMAND} GATEWAY NODE DIR URL") };
    let dir = PathBuf::from(dir);
    let (gateway, front) = front::start(Path::new(gateway), url, &dir, START_LIMIT)?;
    let client = Command::new(node)
        .arg(build::root().join("tests/peers/clients/suite.mjs"))
        .arg(&front)
        .spawn()
        .context("cannot start the client")?;
    let ended = ended(client);
    fs::write(dir.join("gateway.log"), gateway.drain().join("\n"))?;
    Ok(ended?.success())
}

fn ended(mut client: Child) -> Result<ExitStatus> {
    let deadline = Instant::now() + CLIENT_LIMIT;
    loop {
        if let Some(status) = client.try_wait()? {
            return Ok(status);
        }
        if Instant::now() > deadline {
            client.kill()?;
            client.wait()?;
            bail!("the client was not done within {CLIENT_LIMIT:?}");
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_reaches_the_program_as_it_is() {
        for word in ["plain", "a b", "it's $HOME"] {
            let said =
                Command::new("sh").args(["-c", &format!("printf %s {}", quoted(word))]).output().unwrap();
            assert_eq!(String::from_utf8(said.stdout).unwrap(), word);
        }
    }
}
