//! Two requests of Kafka's protocol that the client library does not offer: moving replicas, and electing leaders.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

/// Longest wait for the answer to a request.
const ANSWER: Duration = Duration::from_secs(15);

/// Replicas by topic and partition, the preferred leader first.
pub(super) type Placement = BTreeMap<(String, i32), Vec<i32>>;

/// Asks for this placement of replicas.
pub(super) fn reassign(address: &str, placement: &Placement) -> Result<()> {
    let mut topics: BTreeMap<&str, Vec<(i32, &[i32])>> = BTreeMap::new();
    for ((topic, partition), replicas) in placement {
        topics
            .entry(topic)
            .or_default()
            .push((*partition, replicas));
    }
    let mut body = Vec::new();
    put(&mut body, 10_000_i32.to_be_bytes());
    length(&mut body, topics.len());
    for (topic, partitions) in topics {
        length(&mut body, topic.len());
        body.extend(topic.as_bytes());
        length(&mut body, partitions.len());
        for (partition, replicas) in partitions {
            put(&mut body, partition.to_be_bytes());
            length(&mut body, replicas.len());
            for replica in replicas {
                put(&mut body, replica.to_be_bytes());
            }
            body.push(0);
        }
        body.push(0);
    }
    body.push(0);
    // AlterPartitionReassignments 0: an answer of throttle time, error code, message and partitions.
    let answer = request(address, 45, 0, true, &body)?;
    let code = answer.get(5..7).context("the answer is too short")?;
    let code = i16::from_be_bytes([code[0], code[1]]);
    ensure!(code == 0, "moving replicas was refused with code {code}");
    Ok(())
}

/// Makes the preferred replica of every partition its leader, where that replica is in sync.
pub(super) fn elect_preferred(address: &str) -> Result<()> {
    let mut body = vec![0];
    // No list of partitions: all.
    put(&mut body, (-1_i32).to_be_bytes());
    put(&mut body, 10_000_i32.to_be_bytes());
    // ElectLeaders 1: an answer of throttle time, error code and partitions.
    let answer = request(address, 43, 1, false, &body)?;
    let code = answer.get(4..6).context("the answer is too short")?;
    let code = i16::from_be_bytes([code[0], code[1]]);
    ensure!(code == 0, "an election was refused with code {code}");
    Ok(())
}

fn put<const N: usize>(bytes: &mut Vec<u8>, value: [u8; N]) {
    bytes.extend(value);
}

/// The length of a compact array or text: one more than it is, seven bits a byte.
fn length(bytes: &mut Vec<u8>, length: usize) {
    let mut rest = length + 1;
    while rest > 0x7f {
        bytes.push((rest & 0x7f) as u8 | 0x80);
        rest >>= 7;
    }
    bytes.push(rest as u8);
}

/// Sends a request and returns the answer after its correlation number.
fn request(address: &str, api: i16, version: i16, flexible: bool, body: &[u8]) -> Result<Vec<u8>> {
    let mut head = Vec::new();
    put(&mut head, api.to_be_bytes());
    put(&mut head, version.to_be_bytes());
    put(&mut head, 1_i32.to_be_bytes());
    put(&mut head, 5_i16.to_be_bytes());
    head.extend(b"chaos");
    if flexible {
        head.push(0);
    }
    let size = i32::try_from(head.len() + body.len())?;
    let stream = TcpStream::connect(address);
    let mut stream = stream.with_context(|| format!("cannot connect to {address}"))?;
    stream.set_read_timeout(Some(ANSWER))?;
    stream.write_all(&[&size.to_be_bytes()[..], &head, body].concat())?;
    let mut size = [0; 4];
    let read = stream.read_exact(&mut size);
    read.with_context(|| format!("no answer from {address} to request {api}"))?;
    let mut answer = vec![0; usize::try_from(i32::from_be_bytes(size))?];
    stream.read_exact(&mut answer)?;
    ensure!(answer.len() >= 4, "the answer is too short");
    Ok(answer.split_off(4))
}
