//! Programs wrapped in a shell for Windows' sake.

use crate::imported::ImportedServer;

/// Turns `cmd /c npx -y server` into `npx -y server`: we find `npx.cmd` ourselves, and elsewhere there is no
/// `cmd`.
pub(super) fn unwrap(server: &mut ImportedServer) {
    let Some(command) = &server.command else { return };
    let file = command.rsplit(['\\', '/']).next().unwrap_or_default().to_ascii_lowercase();
    if file != "cmd" && file != "cmd.exe" {
        return;
    }
    let switches = server.args.iter().take_while(|arg| arg.starts_with('/')).count();
    let runs = server.args[..switches].iter().any(|arg| arg.eq_ignore_ascii_case("/c"));
    let Some(program) = server.args.get(switches).filter(|_| runs).cloned() else { return };
    server.args.drain(..=switches);
    server.notes.push(format!("`cmd /c {program}` became `{program}`"));
    server.command = Some(program);
}
