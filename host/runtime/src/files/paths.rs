//! Where a guest's path leads inside its worker's directory.

use std::io;
use std::path::{Component, Path, PathBuf};

/// The canonical name, relative to `root`, of what `path` leads to from the directory `base` (itself such a name).
///
/// Only for naming what wasmtime-wasi has opened or will open: it alone decides what may be reached.
/// `root` must be canonical. With `follow` unset, a symbolic link in the last place names itself.
///
/// # Errors
/// When nothing is there (with `follow` unset: when its directory is not there), or it lies outside.
pub(crate) fn locate(root: &Path, base: &str, path: &str, follow: bool) -> io::Result<String> {
    if Path::new(path).is_absolute() {
        return Err(io::ErrorKind::PermissionDenied.into());
    }
    let path = root.join(base).join(path);
    let found = if follow { path.canonicalize()? } else { canonical_name(&path)? };
    let inside = found.strip_prefix(root).map_err(|_| io::ErrorKind::PermissionDenied)?;
    inside.to_str().map(str::to_owned).ok_or_else(|| io::ErrorKind::InvalidData.into())
}

fn canonical_name(path: &Path) -> io::Result<PathBuf> {
    match (path.components().next_back(), path.parent()) {
        (Some(Component::Normal(name)), Some(parent)) => Ok(parent.canonicalize()?.join(name)),
        _ => path.canonicalize(),
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "this module owns the files of workers")]
mod tests {
    use super::*;

    fn root() -> (tempfile::TempDir, PathBuf) {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path().canonicalize().unwrap();
        std::fs::create_dir_all(root.join("a/b")).unwrap();
        std::os::unix::fs::symlink("a/b", root.join("link")).unwrap();
        (directory, root)
    }

    #[test]
    fn one_place_has_one_name() {
        let (_directory, root) = root();
        for (base, path) in [("", "a/b"), ("a", "b"), ("a", "./b/../b"), ("", "link"), ("a/b", ".")]
        {
            assert_eq!(locate(&root, base, path, true).unwrap(), "a/b", "{base:?} {path:?}");
        }
        assert_eq!(locate(&root, "", ".", true).unwrap(), "");
    }

    #[test]
    fn an_unfollowed_link_and_a_missing_file_name_themselves() {
        let (_directory, root) = root();
        assert_eq!(locate(&root, "", "link", false).unwrap(), "link");
        assert_eq!(locate(&root, "link", "new", false).unwrap(), "a/b/new");
        assert!(locate(&root, "", "new", true).is_err());
    }

    #[test]
    fn nothing_outside_has_a_name() {
        let (_directory, root) = root();
        assert!(locate(&root, "", "..", true).is_err());
        assert!(locate(&root, "", "../x", false).is_err());
        assert!(locate(&root, "", "/etc", true).is_err());
    }
}
