//! The registry: one file per client, one list.

use std::path::Path;

use crate::kind::ClientKind;

mod amp;
mod antigravity;
mod claude_code;
mod claude_desktop;
mod cline;
mod codex;
mod continue_dev;
mod copilot_cli;
mod cursor;
mod factory;
mod gemini_cli;
mod goose;
mod kimi;
mod kiro;
mod lm_studio;
mod opencode;
mod qoder;
mod roo;
mod trae;
mod vibe;
mod vscode;
mod windsurf;
mod zed;

static ALL: [ClientKind; 23] = [
    claude_desktop::KIND,
    claude_code::KIND,
    vscode::KIND,
    copilot_cli::KIND,
    cursor::KIND,
    windsurf::KIND,
    antigravity::KIND,
    gemini_cli::KIND,
    codex::KIND,
    vibe::KIND,
    zed::KIND,
    opencode::KIND,
    goose::KIND,
    continue_dev::KIND,
    cline::KIND,
    roo::KIND,
    amp::KIND,
    lm_studio::KIND,
    kiro::KIND,
    trae::KIND,
    kimi::KIND,
    factory::KIND,
    qoder::KIND,
];

/// Every client we know, in the order a list should show them.
pub fn all() -> &'static [ClientKind] {
    &ALL
}

/// The client with this id.
pub fn by_id(id: &str) -> Option<&'static ClientKind> {
    ALL.iter().find(|kind| kind.id == id)
}

/// The client whose file this path names. A path that fits several goes to the one that says most about it.
pub fn for_path(path: &Path) -> Option<&'static ClientKind> {
    let fits = ALL.iter().flat_map(|kind| kind.files.iter().map(move |file| (kind, file)));
    fits.filter(|(_, file)| file.is_tail_of(path))
        .rev()
        .max_by_key(|(_, file)| file.path.split('/').count())
        .map(|(kind, _)| kind)
}

#[cfg(test)]
mod tests;
