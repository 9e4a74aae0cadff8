use std::fs;
use std::io::ErrorKind;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::{timestamp, write_with_backup};

/// 2026-11-23 07:04:01 UTC.
fn now() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_795_417_441)
}

#[test]
fn timestamps_are_calendar_time_in_utc() {
    assert_eq!(timestamp(now()), "20261123070401");
    assert_eq!(timestamp(UNIX_EPOCH), "19700101000000");
    assert_eq!(timestamp(UNIX_EPOCH + Duration::from_secs(951_782_399)), "20000228235959");
    assert_eq!(timestamp(UNIX_EPOCH + Duration::from_secs(951_782_401)), "20000229000001");
}

#[test]
fn the_old_text_is_kept_beside_the_new_one() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("mcp.json");
    fs::write(&path, "old").unwrap();
    let backup = write_with_backup(&path, Some("old"), "new", now()).unwrap().unwrap();
    assert_eq!(backup.file_name().unwrap(), "mcp.json.bak-20261123070401");
    assert_eq!(fs::read_to_string(&backup).unwrap(), "old");
    assert_eq!(fs::read_to_string(&path).unwrap(), "new");
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2);
}

#[test]
fn two_backups_in_one_second_do_not_overwrite_each_other() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("mcp.json");
    fs::write(&path, "1").unwrap();
    let first = write_with_backup(&path, Some("1"), "2", now()).unwrap();
    let second = write_with_backup(&path, Some("2"), "3", now()).unwrap();
    assert_ne!(first, second);
    assert_eq!(fs::read_to_string(second.unwrap()).unwrap(), "2");
}

#[test]
fn a_file_that_changed_meanwhile_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("mcp.json");
    fs::write(&path, "theirs").unwrap();
    for old in [Some("old"), None] {
        let error = write_with_backup(&path, old, "new", now()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidData);
    }
    assert_eq!(fs::read_to_string(&path).unwrap(), "theirs");
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
}

#[test]
fn a_new_file_gets_its_folders_and_no_backup() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a/b/mcp.json");
    assert_eq!(write_with_backup(&path, None, "new", now()).unwrap(), None);
    assert_eq!(fs::read_to_string(&path).unwrap(), "new");
}

#[cfg(unix)]
#[test]
fn permissions_stay_and_links_are_followed() {
    use std::os::unix::fs::{PermissionsExt, symlink};
    let dir = tempfile::tempdir().unwrap();
    let (real, link) = (dir.path().join("dotfiles/mcp.json"), dir.path().join("mcp.json"));
    fs::create_dir(dir.path().join("dotfiles")).unwrap();
    fs::write(&real, "old").unwrap();
    fs::set_permissions(&real, fs::Permissions::from_mode(0o640)).unwrap();
    symlink(&real, &link).unwrap();
    let backup = write_with_backup(&link, Some("old"), "new", now()).unwrap().unwrap();
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    assert_eq!(fs::read_to_string(&real).unwrap(), "new");
    assert_eq!(backup.parent(), link.parent());
    for path in [&real, &backup] {
        assert_eq!(fs::metadata(path).unwrap().permissions().mode() & 0o777, 0o640);
    }
}
