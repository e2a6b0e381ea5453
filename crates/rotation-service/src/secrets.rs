//! Files that hold secrets: how they are read, and a warning where others may read them too.

use crate::config::{Config, Property};
use std::fs;
use std::io;
use std::path::Path;

/// Properties that name a file with a private key.
const KEY_FILES: &[&str] = &["ssl.key.location", "ssl.keystore.location"];

/// Reads a file that holds a secret, without the line break at its end.
///
/// # Errors
/// When it cannot be read, or is not text; the error does not carry what was read.
pub fn read(path: &Path) -> io::Result<String> {
    let text = fs::read_to_string(path)?;
    Ok(text.trim_end_matches(['\r', '\n']).to_owned())
}

/// A sentence for each file that holds a secret of this configuration and that others may read or write; the
/// configuration's own file among them, where it holds one.
pub fn warnings(config: &Config, file: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut look = |key: String, path: &Path| {
        found.extend(shared_mode(path).map(|mode| sentence(&key, path, mode)));
    };
    for (name, property) in config.kafka.properties.iter() {
        let key = || format!("kafka.properties.\"{name}\"");
        match property {
            Property::File(path) => look(key(), path),
            Property::Plain(path) if KEY_FILES.contains(&name) => look(key(), Path::new(path)),
            Property::Plain(_) if config.kafka.properties.is_secret(name) => look(key(), file),
            Property::Plain(_) | Property::Env(_) => {}
        }
    }
    for target in config.notify.iter().flat_map(|notify| &notify.targets) {
        for (key, value) in target.kind.secrets() {
            if let Property::File(path) = value {
                look(format!("notify.targets.{}.{key}", target.name), path);
            }
        }
    }
    if let Some(path) = &config.http.token_file {
        look("http.token_file".to_owned(), path);
    }
    found
}

fn sentence(key: &str, path: &Path, mode: u32) -> String {
    let path = path.display();
    format!(
        "{key}: others may read or write {path}, which holds a secret (mode {mode:04o}): chmod 600 {path}"
    )
}

/// The permissions of a file that group or others may read or write; none where only its owner may.
fn shared_mode(path: &Path) -> Option<u32> {
    use std::os::unix::fs::PermissionsExt;
    let mode = fs::metadata(path).ok()?.permissions().mode() & 0o7777;
    (mode & 0o066 != 0).then_some(mode)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn set_mode(file: &Path, mode: u32) {
        fs::set_permissions(file, fs::Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn only_files_that_others_may_read_or_write_are_shared() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("password");
        fs::write(&file, "hunter2\n").unwrap();
        for (mode, expected) in [
            (0o600, None),
            (0o400, None),
            (0o700, None),
            (0o640, Some(0o640)),
            (0o604, Some(0o604)),
            (0o602, Some(0o602)),
        ] {
            set_mode(&file, mode);
            assert_eq!(shared_mode(&file), expected, "{mode:o}");
        }
        assert_eq!(read(&file).unwrap(), "hunter2");
        assert_eq!(shared_mode(&folder.path().join("absent")), None);
    }

    #[test]
    fn every_place_of_a_secret_is_looked_at() {
        let folder = tempfile::tempdir().unwrap();
        let place = |name: &str| folder.path().join(name);
        for name in ["password", "key.pem", "token", "rotation.toml"] {
            fs::write(place(name), "0123456789abcdef\n").unwrap();
            set_mode(&place(name), 0o644);
        }
        let text = format!(
            "[kafka.properties]\n\"sasl.password\" = {{ file = {:?} }}\n\"ssl.key.location\" = {:?}\n\
             \"ssl.key.password\" = \"x\"\n\"sasl.username\" = \"rotation\"\n[http]\ntoken_file = {:?}\n\
             [universe.us.series]\nA = {{}}\nB = {{}}\n[universe.us.rules.r]\nkind = \"relative_streak\"\n\
             leader = \"A\"\nlaggard = \"B\"\n",
            place("password"),
            place("key.pem"),
            place("token"),
        );
        let config = Config::parse(&text, "rotation.toml").unwrap();
        let found = warnings(&config, &place("rotation.toml"));
        let expected = [
            ("kafka.properties.\"sasl.password\"", "password"),
            ("kafka.properties.\"ssl.key.location\"", "key.pem"),
            ("kafka.properties.\"ssl.key.password\"", "rotation.toml"),
            ("http.token_file", "token"),
        ];
        let expected: Vec<String> = expected
            .iter()
            .map(|(key, name)| sentence(key, &place(name), 0o644))
            .collect();
        assert_eq!(found, expected);
        for name in ["password", "key.pem", "token", "rotation.toml"] {
            set_mode(&place(name), 0o600);
        }
        assert!(warnings(&config, &place("rotation.toml")).is_empty());
    }
}
