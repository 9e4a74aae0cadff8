//! `cargo xtask release`: the binary that is given to users, ordered by a profile.
//!
//! A call runs through much code once, and what it waits for most is code that is in no cache. A first build counts which
//! branches calls really take; the second puts what is taken together and leaves the rest aside ("Profile-guided
//! optimization", the rustc book).

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::build;

/// Makes the binary, and says where it is.
pub(crate) fn run(arguments: &[String]) -> Result<bool> {
    if !arguments.is_empty() {
        bail!("release takes no arguments");
    }
    let built = ordered()?;
    let size = std::fs::metadata(&built).with_context(|| built.display().to_string())?.len();
    println!("{} ({:.1} MB)", built.display(), size as f64 / 1e6);
    Ok(true)
}

/// Builds, plays, builds again.
pub(crate) fn ordered() -> Result<PathBuf> {
    let toolchain = Toolchain::find()?;
    let folder = build::target_dir().join("ordered");
    let (counts, profile) = (folder.join("counts"), folder.join("trunkline.profdata"));
    // Counts of another build would be taken for this one's.
    if counts.exists() {
        std::fs::remove_dir_all(&counts).with_context(|| format!("cannot empty {}", counts.display()))?;
    }
    std::fs::create_dir_all(&counts).with_context(|| format!("cannot make {}", counts.display()))?;

    println!("Building what plays the calls ...");
    done(build::cargo(&["build", "--quiet", "--release", "--package", "trunkline-bench"]), "the benchmark")?;
    println!("Building Trunkline to count (some minutes) ...");
    let counting =
        toolchain.gateway(&folder.join("counting"), &format!("-Cprofile-generate={}", counts.display()))?;
    println!("Playing every kind of call ...");
    let mut player = Command::new(build::target_dir().join("release/trunkline-bench"));
    player.arg("train").arg("--trunkline").arg(&counting);
    done(player, "playing")?;
    let mut merge = Command::new(&toolchain.profdata);
    merge.arg("merge").arg("--output").arg(&profile).arg(&counts);
    done(merge, "llvm-profdata")?;
    println!("Building Trunkline by what was counted (some minutes) ...");
    toolchain.gateway(&folder, &format!("-Cprofile-use={}", profile.display()))
}

/// The compiler in use, and its tool for profiles.
struct Toolchain {
    host: String,
    profdata: PathBuf,
}

impl Toolchain {
    fn find() -> Result<Self> {
        let rustc = std::env::var("RUSTC").unwrap_or_else(|_| "rustc".to_owned());
        let said = |arguments: &[&str]| -> Result<String> {
            let output = Command::new(&rustc).args(arguments).current_dir(build::root()).output();
            String::from_utf8(output.context("rustc")?.stdout).context("rustc prints text")
        };
        let verbose = said(&["-vV"])?;
        let host = verbose.lines().find_map(|line| line.strip_prefix("host: "));
        let host = host.context("rustc does not say its host")?.to_owned();
        let sysroot = said(&["--print", "sysroot"])?;
        let tools = Path::new(sysroot.trim()).join("lib/rustlib").join(&host).join("bin");
        let profdata = tools.join("llvm-profdata");
        if !profdata.exists() {
            bail!("{} is missing: rustup component add llvm-tools", profdata.display());
        }
        Ok(Self { host, profdata })
    }

    /// The gateway, compiled with one more flag.
    fn gateway(&self, folder: &Path, flag: &str) -> Result<PathBuf> {
        // With a target named, what runs while building (macros, build scripts) is compiled without the flag.
        let arguments = ["build", "--quiet", "--release", "--package", "trunkline", "--target", &self.host];
        let mut cargo = build::cargo(&arguments);
        let flags = std::env::var("RUSTFLAGS").unwrap_or_default();
        cargo.env("RUSTFLAGS", format!("{flags} {flag}")).env("CARGO_TARGET_DIR", folder);
        done(cargo, "the gateway")?;
        Ok(folder.join(&self.host).join("release/trunkline"))
    }
}

fn done(mut command: Command, what: &str) -> Result<()> {
    if command.status().with_context(|| what.to_owned())?.success() { Ok(()) } else { bail!("{what} failed") }
}
