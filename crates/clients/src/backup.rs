//! Writing a client's file so that nothing can get lost: a copy beside it, then one atomic rename.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

/// How many names to try for a backup when several are made in one second.
const BACKUP_NAMES_MAX: usize = 100;

/// Writes `new` to `path` and returns the backup's path, `<name>.bak-YYYYMMDDHHMMSS` in UTC. There is none when
/// the file did not exist (`old` is absent); it is then created readable for its owner only, since such files
/// come to hold credentials.
///
/// A symbolic link is followed: its target is rewritten, the link stays. The backup is made beside the link, not
/// beside the target, which may be in a repository of dot files. Permissions are kept, the owner where allowed.
///
/// # Errors
///
/// [`io::ErrorKind::InvalidData`] when the file is no longer what `old` says: somebody wrote it meanwhile. Any
/// error of the file system; the file is then as before.
pub fn write_with_backup(
    path: &Path,
    old: Option<&str>,
    new: &str,
    now: SystemTime,
) -> io::Result<Option<PathBuf>> {
    let is_link = fs::symlink_metadata(path).is_ok_and(|meta| meta.is_symlink());
    let target = if is_link { fs::canonicalize(path)? } else { path.to_owned() };
    refuse_if_changed(&target, old)?;
    let stamp = timestamp(now);
    let backup = if old.is_some() {
        Some(back_up(path, &target, &stamp)?)
    } else {
        path.parent().map_or(Ok(()), fs::create_dir_all)?;
        None
    };
    let draft = beside(&target, &format!(".trunkline-{stamp}-{}", std::process::id()))?;
    let written = replace(&draft, &target, new);
    if written.is_err() {
        // Best effort: the error that matters is the one of writing.
        let _ = fs::remove_file(&draft);
    }
    written.map(|()| backup)
}

fn refuse_if_changed(target: &Path, old: Option<&str>) -> io::Result<()> {
    let same = match (fs::read(target), old) {
        (Ok(bytes), Some(old)) => bytes == old.as_bytes(),
        (Ok(_), None) => false,
        (Err(error), None) if error.kind() == io::ErrorKind::NotFound => true,
        (Err(error), _) => return Err(error),
    };
    if same {
        return Ok(());
    }
    Err(io::Error::new(io::ErrorKind::InvalidData, "the file was changed by somebody else meanwhile"))
}

fn back_up(path: &Path, target: &Path, stamp: &str) -> io::Result<PathBuf> {
    for count in 0..BACKUP_NAMES_MAX {
        let suffix = if count == 0 { String::new() } else { format!("-{count}") };
        let backup = beside(path, &format!(".bak-{stamp}{suffix}"))?;
        match private_new(&backup) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
            Ok(mut file) => {
                io::copy(&mut File::open(target)?, &mut file)?;
                file.sync_all()?;
                keep_owner_and_mode(target, &backup)?;
                return Ok(backup);
            }
        }
    }
    Err(io::Error::new(io::ErrorKind::AlreadyExists, "too many backups were made this second"))
}

fn replace(draft: &Path, target: &Path, new: &str) -> io::Result<()> {
    let mut file = private_new(draft)?;
    file.write_all(new.as_bytes())?;
    file.sync_all()?;
    if target.exists() {
        keep_owner_and_mode(target, draft)?;
    }
    fs::rename(draft, target)
}

fn beside(path: &Path, suffix: &str) -> io::Result<PathBuf> {
    let no_name = || io::Error::new(io::ErrorKind::InvalidInput, "the path does not name a file");
    let mut name = OsString::from(path.file_name().ok_or_else(no_name)?);
    name.push(suffix);
    Ok(path.with_file_name(name))
}

/// Creates a file that did not exist, for its owner only.
fn private_new(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

fn keep_owner_and_mode(from: &Path, to: &Path) -> io::Result<()> {
    let meta = fs::metadata(from)?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::{MetadataExt, chown};
        let now = fs::metadata(to)?;
        if (now.uid(), now.gid()) != (meta.uid(), meta.gid()) {
            // Only the administrator may give files away; anybody else owns what they write.
            let _ = chown(to, Some(meta.uid()), Some(meta.gid()));
        }
    }
    fs::set_permissions(to, meta.permissions())
}

/// `YYYYMMDDHHMMSS` in UTC. Times before 1970 count as 1970.
fn timestamp(now: SystemTime) -> String {
    let seconds = now.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let (year, month, day) = civil(seconds / 86_400);
    let (hour, minute, second) = (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
    format!("{year:04}{month:02}{day:02}{hour:02}{minute:02}{second:02}")
}

/// Year, month and day of a number of days since 1970-01-01. Howard Hinnant, "chrono-compatible low-level date
/// algorithms", `civil_from_days`, for days after the epoch.
fn civil(days: u64) -> (u64, u64, u64) {
    let shifted = days + 719_468;
    let era = shifted / 146_097;
    let day_of_era = shifted % 146_097;
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    (year_of_era + era * 400 + u64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests;
