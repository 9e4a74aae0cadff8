//! Which values look like credentials. A guess, made to offer help and to mask what is shown, never to decide
//! about access.

use crate::imported::ImportedServer;

/// Part of a server that holds a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SecretPart {
    /// An environment variable.
    Env,
    /// An HTTP header.
    Header,
    /// An argument of the program.
    Arg,
    /// The address: user information or a query parameter.
    Url,
}

/// Where a credential is written out. Carries no value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretPlace {
    /// Which part.
    pub part: SecretPart,
    /// Variable, header or parameter name; for arguments the index, from 0.
    pub key: String,
    /// A name for the environment variable to move it to, such as `GITHUB_AUTHORIZATION`.
    pub suggested_env: String,
}

/// Beginnings that vendors gave their tokens so that scanners can find them.
const PREFIXES: [&str; 26] = [
    "ghp_",
    "gho_",
    "ghs_",
    "ghu_",
    "github_pat_",
    "glpat-",
    "sk-",
    "sk_",
    "rk_live_",
    "xoxb-",
    "xoxp-",
    "xapp-",
    "AKIA",
    "ASIA",
    "AIza",
    "ya29.",
    "eyJ",
    "hf_",
    "npm_",
    "SG.",
    "dop_v1_",
    "sbp_",
    "ntn_",
    "secret_",
    "lin_api_",
    "tvly-",
];

/// Parts of a name that announce a credential.
const WORDS: [&str; 15] = [
    "token",
    "secret",
    "passwd",
    "password",
    "apikey",
    "api_key",
    "access_key",
    "private_key",
    "credential",
    "authorization",
    "auth_key",
    "cookie",
    "bearer",
    "passphrase",
    "session_key",
];

/// Names that contain such a word and hold something harmless.
const HARMLESS_ENDINGS: [&str; 8] =
    ["_file", "_path", "_url", "_endpoint", "_dir", "_env", "_name", "_tokens"];

/// The shortest value we take for a credential by its name alone; shorter ones are switches and numbers.
const SECRET_CHARS_MIN: usize = 6;

/// The shortest run of letters and digits that looks random rather than like a word.
const RANDOM_CHARS_MIN: usize = 32;

/// Whether `value`, found under `key`, looks like a credential written out.
pub(crate) fn is_secret(key: &str, value: &str) -> bool {
    let value = value.trim();
    if value.len() < SECRET_CHARS_MIN
        || value.contains("${")
        || value.contains("{env:")
        || value.starts_with("{file:")
        || value.starts_with('$')
    {
        return false;
    }
    if looks_like_token(value) {
        return true;
    }
    let key = key.trim_start_matches('-').to_ascii_lowercase().replace('-', "_");
    if HARMLESS_ENDINGS.iter().any(|ending| key.ends_with(ending)) {
        return false;
    }
    let named = WORDS.iter().any(|word| key.contains(word)) || key.ends_with("_pat") || key.ends_with("_key");
    let is_path = value.starts_with('/') || value.starts_with("~/");
    named && !is_path
}

fn looks_like_token(value: &str) -> bool {
    let scheme = ["Bearer ", "bearer ", "Basic ", "basic ", "token ", "Token "];
    let token = scheme.iter().find_map(|scheme| value.strip_prefix(scheme)).unwrap_or(value);
    if token.len() < value.len() && !token.trim().is_empty() {
        return true;
    }
    let prefixed = PREFIXES.iter().any(|prefix| token.starts_with(prefix) && token.len() >= prefix.len() + 8);
    prefixed || looks_random(token)
}

fn looks_random(value: &str) -> bool {
    value.len() >= RANDOM_CHARS_MIN
        && value.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+/=_-".contains(&byte))
        && value.bytes().filter(u8::is_ascii_digit).count() >= 4
        && value.bytes().any(|byte| byte.is_ascii_alphabetic())
        && !value.starts_with('/')
}

pub(crate) fn literal_secrets(server: &ImportedServer) -> Vec<SecretPlace> {
    let mut found = Vec::new();
    let mut add = |part, key: &str, suggested_env| {
        found.push(SecretPlace { part, key: key.to_owned(), suggested_env });
    };
    for (key, _) in server.env.iter().filter(|(key, value)| is_secret(key, value)) {
        add(SecretPart::Env, key, env_name(key));
    }
    for (key, _) in server.headers.iter().filter(|(key, value)| is_secret(key, value)) {
        add(SecretPart::Header, key, env_name(&format!("{}_{key}", server.name)));
    }
    let mut before = "";
    for (index, arg) in server.args.iter().enumerate() {
        let (key, value) = argument(before, arg);
        if is_secret(key, value) {
            let word = if key.is_empty() { "secret" } else { key.trim_start_matches('-') };
            add(SecretPart::Arg, &index.to_string(), env_name(&format!("{}_{word}", server.name)));
        }
        before = arg;
    }
    for key in server.url.as_deref().map(url_secrets).unwrap_or_default() {
        let suggested = env_name(&format!("{}_{key}", server.name));
        add(SecretPart::Url, &key, suggested);
    }
    found
}

/// An argument as key and value: `--key=value`, `Header: value`, or a value after `--key`.
fn argument<'a>(before: &'a str, arg: &'a str) -> (&'a str, &'a str) {
    if let Some((key, value)) = arg.split_once('=').filter(|_| arg.starts_with('-')) {
        return (key, value);
    }
    if let Some((key, value)) =
        arg.split_once(": ").or_else(|| arg.split_once(':')).filter(|_| !arg.contains("://"))
    {
        return (key, value);
    }
    let key = if before.starts_with('-') && !arg.starts_with('-') { before } else { "" };
    (key, arg)
}

/// The parameters of `url` that look like credentials; user information counts as `password`.
pub(crate) fn url_secrets(url: &str) -> Vec<String> {
    let mut found = Vec::new();
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    if let Some((user, _)) = authority.rsplit_once('@')
        && user.contains(':')
        && !user.contains("${")
    {
        found.push("password".to_owned());
    }
    if let Some((_, query)) = url.split_once('?') {
        let pairs = query.split(['&', '#']).filter_map(|pair| pair.split_once('='));
        found.extend(pairs.filter(|(key, value)| is_secret(key, value)).map(|(key, _)| key.to_owned()));
    }
    found
}

/// `name` as an environment variable: upper case, everything else an underscore.
pub(crate) fn env_name(name: &str) -> String {
    let mut out = String::with_capacity(name.len() + 1);
    for char in name.chars() {
        out.push(if char.is_ascii_alphanumeric() { char.to_ascii_uppercase() } else { '_' });
    }
    if out.is_empty() || out.starts_with(|char: char| char.is_ascii_digit()) {
        out.insert(0, '_');
    }
    out
}

#[cfg(test)]
mod tests;
