//! Access control lists, by Kafka's own protocol: librdkafka's binding does not speak of them.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};

use super::ANSWER;

/// What an entry is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i8)]
pub enum Resource {
    /// A topic.
    Topic = 2,
    /// A consumer group.
    Group = 3,
    /// A transactional id.
    TransactionalId = 5,
}

/// What an entry allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i8)]
pub enum Operation {
    /// Reading; includes describing.
    Read = 3,
    /// Writing; includes describing.
    Write = 4,
    /// Creating.
    Create = 5,
    /// Asking for its settings.
    DescribeConfigs = 10,
}

/// An entry that allows something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Acl {
    /// The kind of resource.
    pub resource: Resource,
    /// Its name.
    pub name: String,
    /// What is allowed.
    pub operation: Operation,
}

impl Acl {
    /// An entry on one resource.
    #[must_use]
    pub fn new(resource: Resource, name: &str, operation: Operation) -> Self {
        Self {
            resource,
            name: name.to_owned(),
            operation,
        }
    }
}

const LITERAL: i8 = 3;
const ALLOW: i8 = 3;
const ANY: i8 = 1;
const DESCRIBE_ACLS: i16 = 29;
const CREATE_ACLS: i16 = 30;
const DELETE_ACLS: i16 = 31;

/// Adds entries for a user and waits until the broker goes by them.
pub(super) fn allow(address: &str, user: &str, acls: &[Acl]) -> Result<()> {
    let principal = format!("User:{user}");
    let before = count(address, &principal)?;
    let mut body = Vec::new();
    body.extend(i32::try_from(acls.len())?.to_be_bytes());
    for acl in acls {
        body.extend((acl.resource as i8).to_be_bytes());
        put(&mut body, Some(&acl.name))?;
        body.extend(LITERAL.to_be_bytes());
        put(&mut body, Some(&principal))?;
        put(&mut body, Some("*"))?;
        body.extend((acl.operation as i8).to_be_bytes());
        body.extend(ALLOW.to_be_bytes());
    }
    let answer = ask(address, CREATE_ACLS, &body)?;
    let mut answer = Answer(&answer);
    answer.number::<4>()?;
    for acl in acls.iter().take(answer.count()?) {
        let code = answer.number::<2>()?;
        let message = answer.text()?;
        ensure!(
            code == 0,
            "cannot allow {user} {acl:?}: error {code} {message:?}"
        );
    }
    let deadline = Instant::now() + ANSWER;
    while count(address, &principal)? < before + acls.len() {
        ensure!(
            Instant::now() < deadline,
            "the broker does not go by the entries of {user}"
        );
    }
    Ok(())
}

/// Takes an entry away from a user and waits until the broker goes by that.
pub(super) fn forbid(address: &str, user: &str, acl: &Acl) -> Result<()> {
    let principal = format!("User:{user}");
    let before = count(address, &principal)?;
    let mut body = Vec::new();
    body.extend(1_i32.to_be_bytes());
    body.extend((acl.resource as i8).to_be_bytes());
    put(&mut body, Some(&acl.name))?;
    body.extend(LITERAL.to_be_bytes());
    put(&mut body, Some(&principal))?;
    put(&mut body, None)?;
    body.extend((acl.operation as i8).to_be_bytes());
    body.extend(ALLOW.to_be_bytes());
    ask(address, DELETE_ACLS, &body)?;
    let deadline = Instant::now() + ANSWER;
    while count(address, &principal)? >= before {
        ensure!(
            Instant::now() < deadline,
            "the broker still allows {user} {acl:?}"
        );
    }
    Ok(())
}

/// Number of entries of a user that the broker goes by.
fn count(address: &str, principal: &str) -> Result<usize> {
    let mut body = Vec::new();
    body.extend(ANY.to_be_bytes());
    put(&mut body, None)?;
    body.extend(ANY.to_be_bytes());
    put(&mut body, Some(principal))?;
    put(&mut body, None)?;
    body.extend([ANY.to_be_bytes(), ANY.to_be_bytes()].concat());
    let answer = ask(address, DESCRIBE_ACLS, &body)?;
    let mut answer = Answer(&answer);
    answer.number::<4>()?;
    let code = answer.number::<2>()?;
    let message = answer.text()?;
    ensure!(
        code == 0,
        "cannot ask for the entries of {principal}: error {code} {message:?}"
    );
    let mut found = 0;
    for _ in 0..answer.count()? {
        answer.number::<1>()?;
        answer.text()?;
        answer.number::<1>()?;
        let entries = answer.count()?;
        for _ in 0..entries {
            answer.text()?;
            answer.text()?;
            answer.number::<1>()?;
            answer.number::<1>()?;
        }
        found += entries;
    }
    Ok(found)
}

/// Sends a request of version 1 and returns the body of its answer.
fn ask(address: &str, request: i16, body: &[u8]) -> Result<Vec<u8>> {
    let mut stream = TcpStream::connect(address).with_context(|| address.to_owned())?;
    stream.set_read_timeout(Some(ANSWER))?;
    let mut message = Vec::new();
    message.extend(request.to_be_bytes());
    message.extend(1_i16.to_be_bytes());
    message.extend(7_i32.to_be_bytes());
    put(&mut message, Some("rotation-tests"))?;
    message.extend(body);
    stream.write_all(&i32::try_from(message.len())?.to_be_bytes())?;
    stream.write_all(&message)?;
    let mut length = [0; 4];
    stream.read_exact(&mut length)?;
    let mut answer = vec![0; usize::try_from(i32::from_be_bytes(length))?];
    stream.read_exact(&mut answer)?;
    ensure!(
        answer.get(..4) == Some(&7_i32.to_be_bytes()[..]),
        "an answer to another request"
    );
    Ok(answer.split_off(4))
}

fn put(message: &mut Vec<u8>, text: Option<&str>) -> Result<()> {
    let Some(text) = text else {
        message.extend((-1_i16).to_be_bytes());
        return Ok(());
    };
    message.extend(i16::try_from(text.len())?.to_be_bytes());
    message.extend(text.as_bytes());
    Ok(())
}

/// What is left of an answer.
struct Answer<'a>(&'a [u8]);

impl Answer<'_> {
    /// A signed number of so many bytes.
    fn number<const N: usize>(&mut self) -> Result<i64> {
        let bytes = self.take(N)?;
        let first = if bytes.first().is_some_and(|byte| *byte >= 0x80) {
            -1
        } else {
            0
        };
        Ok(bytes
            .iter()
            .fold(first, |number, byte| (number << 8) | i64::from(*byte)))
    }

    fn count(&mut self) -> Result<usize> {
        Ok(usize::try_from(self.number::<4>()?)?)
    }

    fn text(&mut self) -> Result<Option<String>> {
        match usize::try_from(self.number::<2>()?) {
            Ok(length) => Ok(Some(
                String::from_utf8_lossy(self.take(length)?).into_owned(),
            )),
            Err(_) => Ok(None),
        }
    }

    fn take(&mut self, length: usize) -> Result<&[u8]> {
        let Some((taken, rest)) = self.0.split_at_checked(length) else {
            bail!("the answer is too short");
        };
        self.0 = rest;
        Ok(taken)
    }
}
