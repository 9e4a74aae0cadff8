//! Moving credentials out of a server's entry, into the environment.

use trunkline_clients::{ImportedServer, SecretPart, SecretPlace};

/// Replaces every credential that is written out by a reference. Returns the variables to set, with the place each
/// value was in; never the values.
pub(super) fn to_variables(server: &mut ImportedServer) -> Vec<(String, String)> {
    let mut variables = Vec::new();
    for place in server.literal_secrets() {
        let reference = format!("${{{}}}", place.suggested_env);
        if let Some(place_name) = replace(server, &place, &reference) {
            variables.push((place.suggested_env, place_name));
        }
    }
    variables
}

fn replace(server: &mut ImportedServer, place: &SecretPlace, reference: &str) -> Option<String> {
    match place.part {
        SecretPart::Env => {
            let value = &mut server.env.iter_mut().find(|(key, _)| *key == place.key)?.1;
            reference.clone_into(value);
            Some(format!("env.{}", place.key))
        }
        SecretPart::Header => {
            let value = &mut server.headers.iter_mut().find(|(key, _)| *key == place.key)?.1;
            *value = behind_scheme(value, reference);
            Some(format!("headers.{}", place.key))
        }
        SecretPart::Arg => {
            let arg = server.args.get_mut(place.key.parse::<usize>().ok()?)?;
            *arg = match (arg.starts_with('-'), arg.split_once('='), arg.split_once(": ")) {
                (true, Some((option, _)), _) => format!("{option}={reference}"),
                (_, _, Some((header, value))) => format!("{header}: {}", behind_scheme(value, reference)),
                _ => reference.to_owned(),
            };
            Some(format!("args[{}]", place.key))
        }
        SecretPart::Url => {
            let url = server.url.as_mut()?;
            *url = in_url(url, &place.key, reference)?;
            Some(format!("url ({})", place.key))
        }
    }
}

/// `Bearer abc` becomes `Bearer ${NAME}`: the word is no secret, and people set tokens, not headers.
fn behind_scheme(value: &str, reference: &str) -> String {
    match value.split_once(' ') {
        Some((scheme, _)) if ["bearer", "basic", "token"].contains(&scheme.to_lowercase().as_str()) => {
            format!("{scheme} {reference}")
        }
        _ => reference.to_owned(),
    }
}

fn in_url(url: &str, key: &str, reference: &str) -> Option<String> {
    let parameter = url.find(&format!("{key}=")).filter(|at| url[..*at].ends_with(['?', '&']));
    let (start, end) = if let Some(at) = parameter {
        let start = at + key.len() + 1;
        (start, url[start..].find(['&', '#']).map_or(url.len(), |end| start + end))
    } else {
        let host = url.find("://")? + 3;
        let end = host + url[host..].find('@')?;
        (host + url[host..end].find(':')? + 1, end)
    };
    Some(format!("{}{reference}{}", &url[..start], &url[end..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_become_references_and_their_places_are_told() {
        let pair = |key: &str, value: &str| (key.to_owned(), value.to_owned());
        let mut server = ImportedServer {
            name: "git".to_owned(),
            env: vec![pair("GITHUB_TOKEN", "ghp_0123456789abcdef"), pair("LOG", "info")],
            headers: vec![pair("Authorization", "Bearer abcdef0123456789")],
            args: vec!["--api-key=abcdef012345".to_owned(), "plain".to_owned()],
            url: Some("https://h/mcp?api_key=abcdef012345&x=1".to_owned()),
            ..ImportedServer::default()
        };
        let variables = to_variables(&mut server);
        let shown = format!("{:?} {:?} {:?} {:?}", server.env, server.headers, server.args, server.url);
        assert!(!shown.contains("abcdef") && !shown.contains("ghp_"), "{shown}");
        assert!(shown.contains("Bearer ${GIT_AUTHORIZATION}") && shown.contains("\"info\""), "{shown}");
        assert!(shown.contains("&x=1"), "{shown}");
        assert_eq!(variables[0], pair("GITHUB_TOKEN", "env.GITHUB_TOKEN"));
        assert_eq!(variables.len(), 4);
        assert!(server.literal_secrets().is_empty());
    }
}
