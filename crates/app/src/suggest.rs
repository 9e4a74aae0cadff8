//! "Did you mean".

/// The name nearest to `wanted`, if one is near enough.
pub(crate) fn nearest<'a>(wanted: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let wanted = wanted.to_lowercase();
    let score = |name: &str| {
        let name = name.to_lowercase();
        // People leave the prefix out: the end of a name counts like the name.
        let end = name.rsplit("__").next().unwrap_or_default().to_owned();
        strsim::jaro_winkler(&wanted, &name).max(strsim::jaro_winkler(&wanted, &end) - 0.01)
    };
    let near = known.into_iter().map(|name| (score(name), name)).filter(|(score, _)| *score > 0.8);
    near.max_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, name)| name)
}

/// A message that `what` `wanted` does not exist, with a suggestion or the names that do.
pub(crate) fn unknown<'a>(what: &str, wanted: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    const SHOWN: usize = 24;
    let known: Vec<&str> = known.into_iter().collect();
    let wanted = crate::terminal::one_line(wanted);
    if let Some(near) = nearest(&wanted, known.iter().copied()) {
        return format!("there is no {what} \"{wanted}\"\ndid you mean \"{near}\"?");
    }
    if known.is_empty() {
        return format!("there is no {what} \"{wanted}\"; there are none at all");
    }
    let more = if known.len() > SHOWN { ", ..." } else { "" };
    let list = known.iter().take(SHOWN).copied().collect::<Vec<_>>().join(", ");
    format!("there is no {what} \"{wanted}\"\nknown: {list}{more}")
}

#[cfg(test)]
mod tests {
    use super::{nearest, unknown};

    #[test]
    fn a_slip_and_a_missing_prefix_are_understood() {
        let known = ["github__create_issue", "time__now"];
        assert_eq!(nearest("github__creat_issue", known), Some("github__create_issue"));
        assert_eq!(nearest("create_issue", known), Some("github__create_issue"));
        assert_eq!(nearest("zzz", known), None);
    }

    #[test]
    fn without_a_near_name_the_known_ones_are_listed() {
        assert_eq!(unknown("server", "zzz", ["a", "b"]), "there is no server \"zzz\"\nknown: a, b");
    }
}
