//! `cargo xtask test`: everything, in the order in which problems are cheapest to find.

use anyhow::{Context, Result, bail};

use crate::peers::Peers;
use crate::report::{Counts, Report};
use crate::{build, conformance, e2e, fuzz, instructions, matrix, soak};

/// Cells that the quick run keeps: each era once on either side, and the plain case.
const QUICK: [(&str, &str); 3] =
    [("2025-11-25", "modern-only"), ("2026-07-28", "legacy-only"), ("2026-07-28", "dual")];

/// Runs all parts, whatever becomes of the earlier ones.
pub(crate) fn run(arguments: &[String]) -> Result<bool> {
    let quick = match arguments {
        [] => false,
        [flag] if flag == "--quick" => true,
        _ => bail!("usage: cargo xtask test [--quick]"),
    };
    println!("target folder: {}", build::target_dir().display());
    let mut report = Report::default();

    let mut peers = None;
    report.part("peers", || {
        peers = Some(Peers::install()?);
        Ok(Counts::whole(true))
    });
    report.part("format", || {
        let fuzz = build::root().join("fuzz/Cargo.toml");
        let fuzz = fuzz.to_str().context("the checkout's name is text")?;
        let whole = step(&["fmt", "--all", "--check"])?;
        let apart = step(&["fmt", "--manifest-path", fuzz, "--check"])?;
        Ok(Counts::whole(whole.failed + apart.failed == 0))
    });
    report.part("lint", || {
        step(&["clippy", "--quiet", "--workspace", "--all-targets", "--", "-D", "warnings"])
    });
    report.part("unit", unit);
    if !quick {
        report.part("doc", || step(&["test", "--quiet", "--doc", "--workspace"]));
    }

    let mut gateway = None;
    report.part("build", || {
        gateway = Some(build::gateway()?);
        Ok(Counts::whole(true))
    });
    report.part("e2e", || {
        gateway.as_ref().context("the gateway was not built")?;
        peers.as_ref().context("the peers are not installed")?;
        e2e::tests(&[])
    });
    report.part("faults", || {
        gateway.as_ref().context("the gateway was not built")?;
        e2e::faults(&[])
    });
    report.part("hostile", || {
        gateway.as_ref().context("the gateway was not built")?;
        peers.as_ref().context("the peers are not installed")?;
        e2e::hostile(&[])
    });
    if !quick {
        report.part("soak", || {
            let gateway = gateway.as_ref().context("the gateway was not built")?;
            Ok(Counts::whole(soak::short(gateway)?))
        });
    }
    if !quick {
        fuzz::test(&mut report);
        instructions::test(&mut report);
    }
    for cell in
        conformance::cells(None, None).filter(|cell| !quick || QUICK.contains(&(cell.front, cell.back)))
    {
        let (Some(gateway), Some(peers)) = (&gateway, &peers) else {
            report.part(&cell.name(), || bail!("there is no gateway or no peers"));
            continue;
        };
        let outcome = cell.run(peers, gateway, &build::target_dir().join("conformance"));
        conformance::note(&cell.name(), outcome, &mut report);
    }
    if let (Some(gateway), Some(peers)) = (&gateway, &peers) {
        let out = build::target_dir().join("conformance");
        conformance::clients(None, peers, gateway, &out, &mut report);
        if !quick {
            report.part("matrix", || matrix::default_cells(peers, gateway));
        }
    }
    Ok(report.close())
}

fn step(arguments: &[&str]) -> Result<Counts> {
    let status = build::cargo(arguments).status().context("cargo")?;
    Ok(Counts::whole(status.success()))
}

/// Unit and integration tests of all crates but those that need the binary.
fn unit() -> Result<Counts> {
    e2e::runner(&["--workspace", "--exclude", "trunkline-e2e", "--exclude", "trunkline-faults"], None, &[])
}
