//! Two skills (SEP-2640): one with a manifest of its files and a folder, one that is made up as it is read.

use rmcp::ErrorData;
use rmcp::model::{SkillResource, skill_name_from_uri};
use serde_json::{Value, json};

const NOTES: &str = "skill://peer/tidy-notes";
const DIGEST: &str = "skill://peer/daily-digest";

/// A file of a skill.
pub struct File {
    uri: &'static str,
    pub mime: &'static str,
    pub text: &'static str,
}

const FILES: [File; 3] = [
    File {
        uri: "skill://peer/tidy-notes/SKILL.md",
        mime: "text/markdown",
        text: "---\nname: tidy-notes\ndescription: Sorts loose notes under headings\n---\n\nSee references/style.md.\n",
    },
    File {
        uri: "skill://peer/tidy-notes/references/style.md",
        mime: "text/markdown",
        text: "Headings are nouns. Notes are sentences.\n",
    },
    File {
        uri: "skill://peer/daily-digest/SKILL.md",
        mime: "text/markdown",
        text: "---\nname: daily-digest\ndescription: Writes what happened today\n---\n\nAsk for the day.\n",
    },
];

/// A file by its URI.
pub fn file(uri: &str) -> Option<&'static File> {
    FILES.iter().find(|file| file.uri == uri)
}

fn folder_of(uri: &str) -> &str {
    uri.rsplit_once('/').map_or(uri, |(folder, _)| folder)
}

fn description(uri: &str) -> &'static str {
    if uri.starts_with(NOTES) { "Sorts loose notes under headings" } else { "Writes what happened today" }
}

/// The `SKILL.md` files as resources.
pub fn manifests() -> impl Iterator<Item = Value> {
    FILES.iter().filter_map(|file| {
        let name = skill_name_from_uri(file.uri)?;
        Some(json!({ "uri": file.uri, "name": name, "description": description(file.uri), "mimeType": file.mime }))
    })
}

fn entry(folder: &str) -> Value {
    let uri = format!("{folder}/SKILL.md");
    let inside = format!("{folder}/");
    let files: Vec<_> = FILES
        .iter()
        .filter(|file| file.uri.starts_with(&inside))
        .map(|file| json!(SkillResource::from_bytes(file.uri, file.text.as_bytes())))
        .collect();
    let resources = if folder == DIGEST { json!("dynamic") } else { json!(files) };
    let frontmatter = json!({ "name": skill_name_from_uri(&uri), "description": description(&uri) });
    json!({ "uri": uri, "frontmatter": frontmatter, "resources": resources })
}

/// A page of `skills/list`; one skill a page, so that the cursor has something to do.
///
/// # Errors
/// A cursor that is not ours.
pub fn page(cursor: Option<&str>) -> Result<Value, ErrorData> {
    match cursor {
        None => Ok(json!({ "skills": [entry(NOTES)], "nextCursor": "second" })),
        Some("second") => Ok(json!({ "skills": [entry(DIGEST)] })),
        Some(_) => Err(ErrorData::invalid_params("Unknown cursor", None)),
    }
}

/// `skills/get`.
///
/// # Errors
/// No skill of ours.
pub fn get(uri: &str) -> Result<Value, ErrorData> {
    let folder = [NOTES, DIGEST].into_iter().find(|folder| uri == format!("{folder}/SKILL.md"));
    let folder =
        folder.ok_or_else(|| ErrorData::invalid_params("Unknown skill", Some(json!({ "uri": uri }))))?;
    Ok(json!({ "skill": entry(folder) }))
}

/// `resources/directory/read`.
///
/// # Errors
/// No folder of ours.
pub fn directory(uri: &str) -> Result<Value, ErrorData> {
    let uri = uri.trim_end_matches('/');
    let mut children: Vec<Value> = Vec::new();
    for file in &FILES {
        let folder = folder_of(file.uri);
        if folder == uri {
            let name = file.uri.rsplit('/').next();
            children.push(json!({ "uri": file.uri, "name": name, "mimeType": file.mime }));
        } else if folder_of(folder) == uri && folder != NOTES && folder != DIGEST {
            let name = folder.rsplit('/').next();
            children.push(json!({ "uri": folder, "name": name, "mimeType": "inode/directory" }));
        }
    }
    if children.is_empty() {
        return Err(ErrorData::invalid_params("Not a directory", Some(json!({ "uri": uri }))));
    }
    Ok(json!({ "resources": children }))
}
