//! Where a document comes from, and in which format it is written.

/// Largest document that is read at all, in bytes. A configuration with hundreds of servers stays far below;
/// more would only give a hostile file room.
pub(crate) const SOURCE_BYTES_MAX: usize = 1 << 20;

/// The formats a document may be written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// YAML 1.2.
    Yaml,
    /// JSON with comments, trailing commas and the JSON5 spellings of strings and numbers.
    Json,
    /// TOML 1.1.
    Toml,
}

/// One document and what the caller knows about its file. Nothing here touches the file system.
#[derive(Clone, Debug)]
pub struct Source {
    /// The name shown in problems, usually the path of the file.
    pub name: String,
    /// The whole text.
    pub text: String,
    /// The format, or `None` to go by the extension of `name` and then by the content.
    pub format: Option<Format>,
    /// Everybody on the machine may read the file; literal secrets in it are then worth a note.
    pub world_readable: bool,
}

impl Source {
    /// A document named `name`, its format to be found out.
    pub fn new(name: impl Into<String>, text: impl Into<String>) -> Self {
        Self { name: name.into(), text: text.into(), format: None, world_readable: false }
    }

    /// The format the text is read as.
    pub fn format(&self) -> Format {
        self.format.or_else(|| by_extension(&self.name)).unwrap_or_else(|| by_content(&self.text))
    }
}

fn by_extension(name: &str) -> Option<Format> {
    let extension = name.rsplit(['/', '\\']).next()?.rsplit_once('.')?.1;
    match extension.to_ascii_lowercase().as_str() {
        "yaml" | "yml" => Some(Format::Yaml),
        "json" | "jsonc" | "json5" => Some(Format::Json),
        "toml" => Some(Format::Toml),
        _ => None,
    }
}

fn by_content(text: &str) -> Format {
    let first = text
        .trim_start_matches('\u{feff}')
        .lines()
        .map(str::trim)
        .find(|line| !line.is_empty() && !line.starts_with('#') && !line.starts_with("//"))
        .unwrap_or_default();
    if first.starts_with('{') || first.starts_with("/*") {
        return Format::Json;
    }
    let table = first.starts_with('[') && first.ends_with(']');
    let key = first.split(['=', ':']).next().unwrap_or_default();
    if table || first[key.len()..].starts_with('=') { Format::Toml } else { Format::Yaml }
}

#[cfg(test)]
mod tests {
    use super::{Format, Source};

    #[test]
    fn the_extension_decides_before_the_content() {
        assert_eq!(Source::new("a/b.yml", "{}").format(), Format::Yaml);
        assert_eq!(Source::new("a.d/settings.json5", "x = 1").format(), Format::Json);
    }

    #[test]
    fn without_an_extension_the_content_decides() {
        assert_eq!(Source::new("-", "// hi\n{ }").format(), Format::Json);
        assert_eq!(Source::new("-", "# hi\n[mcp_servers.a]\n").format(), Format::Toml);
        assert_eq!(Source::new("-", "listen = 80").format(), Format::Toml);
        assert_eq!(Source::new("-", "listen: 'a=b'").format(), Format::Yaml);
    }
}
