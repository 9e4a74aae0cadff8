//! nginx: a bare proxy like the floor, in C. Passes both eras on without reading them.

use std::fmt::Write as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, ensure};

use super::peer::{Claims, Installed, Peer, Stage, Wire};
use super::shelf::{Shelf, said_version};
use crate::era::Era;

#[derive(Debug)]
pub(super) struct Nginx;

impl Peer for Nginx {
    fn claims(&self) -> &'static Claims {
        &Claims {
            name: "nginx",
            title: "nginx",
            wires: &[Wire::Http],
            eras: &[Era::Modern, Era::Legacy],
            progress: &[(Wire::Http, Era::Modern), (Wire::Http, Era::Legacy)],
            path: "/mcp",
            prefix: "",
        }
    }

    fn find(&self, shelf: &Shelf) -> anyhow::Result<Installed> {
        let program = match on_path() {
            Some(program) => program,
            None => shelf.file("nginx/usr/sbin/nginx", "nginx")?,
        };
        let version = said_version(&program, "-v")?;
        Ok(Installed { program, script: None, version })
    }

    fn command(&self, installed: &Installed, stage: Stage<'_>) -> anyhow::Result<Command> {
        let authority = stage.upstream.http()?.authority().context("the upstream's URL has no host")?;
        let folder = stage.folder.to_str().context("the folder's name is not UTF-8")?;
        ensure!(!folder.contains(['"', '\\', '$']), "nginx cannot be told of the folder {folder}");
        let file = stage.folder.join("nginx.conf");
        let as_root = std::fs::metadata(stage.folder)?.uid() == 0;
        std::fs::write(&file, configuration(stage.port, authority.as_str(), folder, as_root))?;
        let mut command = Command::new(&installed.program);
        // Before the file is read it would complain to a log of the system's.
        command.args(["-e", "stderr", "-p", folder, "-c"]).arg(file);
        Ok(command)
    }
}

/// Where a user's search path leads, and where Debian puts it.
fn on_path() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain([Path::new("/usr/sbin").to_owned()])
        .map(|folder| folder.join("nginx"))
        .find(|program| program.is_file())
}

fn configuration(port: u16, upstream: &str, folder: &str, as_root: bool) -> String {
    let mut text = String::new();
    if as_root {
        // Its workers would otherwise change to a user who may not enter the folder.
        text.push_str("user root;\n");
    }
    let _ = write!(
        text,
        r#"daemon off;
worker_processes 2;
pid "{folder}/nginx.pid";
error_log stderr crit;
events {{ worker_connections 4096; }}
http {{
    access_log off;
    client_body_temp_path "{folder}/body";
    proxy_temp_path "{folder}/proxy";
    fastcgi_temp_path "{folder}/fastcgi";
    uwsgi_temp_path "{folder}/uwsgi";
    scgi_temp_path "{folder}/scgi";
    client_max_body_size 64m;
    keepalive_requests 1000000000;
    upstream bench {{
        server {upstream};
        keepalive 256;
        keepalive_requests 1000000000;
    }}
    server {{
        listen 127.0.0.1:{port};
        location / {{
            proxy_pass http://bench;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            # A stream is passed on as it comes.
            proxy_buffering off;
        }}
    }}
}}
"#
    );
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_listens_on_loopback_only_and_keeps_to_its_folder() {
        let text = configuration(81, "127.0.0.1:82", "/tmp/a b", false);
        assert!(text.contains("listen 127.0.0.1:81;") && text.contains("server 127.0.0.1:82;"), "{text}");
        assert_eq!(text.matches("\"/tmp/a b/").count(), 6, "{text}");
        assert_eq!(text.matches('{').count(), text.matches('}').count());
        assert!(text.starts_with("daemon off;"));
    }

    #[test]
    fn only_root_names_the_user_of_its_workers() {
        assert!(configuration(81, "127.0.0.1:82", "/tmp/a", true).starts_with("user root;\n"));
    }
}
