//! The configuration: what is detected, and where the topics are.
//!
//! Two types of everything: as written, which mirrors the file, and as valid, which the program uses and nobody checks
//! again. A file is read to its end whatever it holds, so that all its faults are told at once, each with its line, its
//! key, the bound and what was given. How the process runs is not in the file but in flags and environment.

use rotation_engine::plan::UniversePlan;
use schemars::JsonSchema;
use serde::Deserialize;
use std::io::{self, Read};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

mod describe;
mod document;
mod error;
mod groups;
mod kafka;
pub mod notify;
mod reader;
mod reference;
mod universe;

pub use describe::describe;
pub use error::{ConfigError, ConfigErrors, Problem};
pub(crate) use kafka::check_given;
pub use kafka::{KafkaConfig, Properties, Property, SecretError, Topics};
pub use notify::NotifyConfig;
pub use reference::{reference, schema};

use document::{Document, KeyPath};
use reader::Reader;

/// A valid configuration.
#[derive(Clone, Debug)]
pub struct Config {
    /// Brokers, group, topics.
    pub kafka: KafkaConfig,
    /// Where metrics and health are served.
    pub http: HttpConfig,
    /// Where alerts go; none where the file has no such section.
    pub notify: Option<NotifyConfig>,
    /// The universes, ordered by name; at least one.
    pub universes: Vec<Arc<UniversePlan>>,
}

/// Where metrics and health are served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpConfig {
    /// Address and port; port 0 asks the system for a free one.
    pub listen: SocketAddr,
    /// The file that holds the token; without one nothing that changes something is served.
    pub token_file: Option<PathBuf>,
    /// Whether the page and its data are served.
    pub page: bool,
    /// Where people reach the page, without a slash at the end.
    pub public_url: Option<String>,
}

impl Default for HttpConfig {
    fn default() -> Self {
        HttpConfig {
            listen: LISTEN_DEFAULT
                .parse()
                .expect("the default is an address and a port"),
            token_file: None,
            page: true,
            public_url: None,
        }
    }
}

/// `[http]` as written.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct HttpSpec {
    /// Where the page, `/metrics`, `/healthz` and `/readyz` are served: an address and a port. Default
    /// `127.0.0.1:9464`.
    /// An address beyond loopback needs `token_file`, or to be said again by `--insecure-listen`.
    listen: Option<String>,
    /// A file whose one line is the token, 16 characters or more; read once, at start. With it every request but
    /// those of `/healthz` and `/readyz` has to bring `Authorization: Bearer TOKEN`; without it requests that would
    /// change something are refused. A relative path is looked for beside the configuration. Default: none.
    token_file: Option<PathBuf>,
    /// Whether the page and what it shows, `/api/v1`, are served. Default true.
    page: Option<bool>,
    /// Where people reach the page, such as `https://rotation.example`: links to episodes begin with it. Default: none.
    public_url: Option<String>,
}

/// The listening address of a configuration that names none.
pub const LISTEN_DEFAULT: &str = "127.0.0.1:9464";

/// The most bytes of a configuration, and of a file that it names.
pub const FILE_BYTES_MAX: usize = 4 << 20;

/// The most universes of a configuration.
pub const UNIVERSES_MAX: usize = 64;

/// The most faults that are told of a file.
pub const FAULTS_MAX: usize = 100;

/// Reads a text file, within its bound: something that is no file might never end.
fn read_bounded(path: &Path) -> io::Result<String> {
    let file = std::fs::File::open(path)?;
    let mut bytes = Vec::new();
    file.take(FILE_BYTES_MAX as u64 + 1)
        .read_to_end(&mut bytes)?;
    if bytes.len() > FILE_BYTES_MAX {
        let message = format!("expected at most {FILE_BYTES_MAX} bytes, found more");
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, message));
    }
    String::from_utf8(bytes).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
}

impl Config {
    /// Reads a file.
    ///
    /// # Errors
    /// Every fault of the file, or that it cannot be read.
    pub fn load(path: &Path) -> Result<Config, ConfigErrors> {
        let file = path.display().to_string();
        match read_bounded(path) {
            Ok(text) => Config::parse(&text, &file),
            Err(error) => {
                let problem = Problem::Unreadable(error.to_string());
                Err(ConfigErrors {
                    file,
                    errors: vec![ConfigError {
                        line: None,
                        key: String::new(),
                        problem,
                    }],
                })
            }
        }
    }

    /// Reads a text; `file` is its name in messages, and files that it names are looked for beside it.
    ///
    /// # Errors
    /// Every fault of the text.
    pub fn parse(text: &str, file: &str) -> Result<Config, ConfigErrors> {
        let failed = |errors| ConfigErrors {
            file: file.to_owned(),
            errors,
        };
        if text.len() > FILE_BYTES_MAX {
            let problem = Problem::Value {
                expected: format!("at most {FILE_BYTES_MAX} bytes"),
                found: text.len().to_string(),
            };
            return Err(failed(vec![ConfigError {
                line: None,
                key: String::new(),
                problem,
            }]));
        }
        let document = Document::parse(text).map_err(failed)?;
        let mut reader = Reader::new(&document);
        let folder = Path::new(file).parent().unwrap_or(Path::new("."));
        match read(&mut reader, document.values(), folder) {
            Some(config) if reader.faults() == 0 => Ok(config),
            _ => Err(failed(reader.into_errors())),
        }
    }

    /// The universe of that name.
    pub fn universe(&self, name: &str) -> Option<&Arc<UniversePlan>> {
        self.universes.iter().find(|universe| universe.name == name)
    }
}

fn read(reader: &mut Reader<'_>, mut root: toml::Table, folder: &Path) -> Option<Config> {
    let at = KeyPath::default();
    reader.only_known(&mut root, &at, &["kafka", "http", "notify", "universe"]);
    let kafka = reader
        .table(&mut root, &at, "kafka")
        .and_then(|table| kafka::read(reader, table, &at.key("kafka")));
    let http = reader
        .table(&mut root, &at, "http")
        .and_then(|table| read_http(reader, table, &at.key("http"), folder));
    let notify = match root.contains_key("notify") {
        false => Some(None),
        true => reader
            .table(&mut root, &at, "notify")
            .and_then(|table| notify::read(reader, table, &at.key("notify"), folder))
            .map(Some),
    };
    let universes = reader.table(&mut root, &at, "universe");
    let universes =
        universes.and_then(|table| universe::read_all(reader, table, &at.key("universe"), folder));
    Some(Config {
        kafka: kafka?,
        http: http?,
        notify: notify?,
        universes: universes?,
    })
}

fn read_http(
    reader: &mut Reader<'_>,
    table: toml::Table,
    at: &KeyPath,
    folder: &Path,
) -> Option<HttpConfig> {
    let spec: HttpSpec = reader.read(table, at)?;
    let listen = spec.listen.as_deref().unwrap_or(LISTEN_DEFAULT);
    let expected = "an address and a port such as \"127.0.0.1:9464\"";
    let address = listen.parse().ok();
    if address.is_none() {
        reader.bad_value(&at.key("listen"), expected, listen);
    }
    let public_url = spec
        .public_url
        .as_deref()
        .map(|url| url.trim_end_matches('/'));
    if let Some(url) = public_url.filter(|url| !is_base(url)) {
        let expected = "an address such as \"https://rotation.example\", without `?` or `#`";
        reader.bad_value(&at.key("public_url"), expected, url);
        return None;
    }
    Some(HttpConfig {
        listen: address?,
        token_file: spec.token_file.map(|path| folder.join(path)),
        page: spec.page.unwrap_or(true),
        public_url: public_url.map(str::to_owned),
    })
}

/// Whether links can begin with an address.
fn is_base(url: &str) -> bool {
    let host = ["https://", "http://"]
        .iter()
        .find_map(|scheme| url.strip_prefix(scheme));
    let is_plain = |byte: u8| byte.is_ascii_graphic() && !b"?#<>\"'\\`{}|^".contains(&byte);
    host.is_some_and(|host| {
        !host.is_empty() && !host.starts_with('/') && host.bytes().all(is_plain)
    })
}

#[cfg(test)]
mod tests;
