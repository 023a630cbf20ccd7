//! Files by HTTPS from the model hub.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::Path;
use std::time::Duration;

use crate::{Error, KnownFile, Progress};

/// The public hub. `HF_ENDPOINT` names a mirror, as it does for the hub's own clients.
pub(crate) const PUBLIC_ENDPOINT: &str = "https://huggingface.co";

/// Long enough for a slow link's handshake; short, because behind many firewalls nothing ever answers.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long the server may think before it sends the first byte of an answer.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(30);

/// Downloads `file` of `repo` at `revision` into `folder`. The caller verifies it.
pub(crate) fn download(
    endpoint: &str,
    repo: &str,
    revision: &str,
    file: &KnownFile,
    folder: &Path,
    report: &dyn Fn(Progress<'_>),
) -> Result<(), Error> {
    let url = format!("{}/{repo}/resolve/{revision}/{}", endpoint.trim_end_matches('/'), file.path);
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .timeout_connect(Some(CONNECT_TIMEOUT))
        .timeout_resolve(Some(CONNECT_TIMEOUT))
        .timeout_recv_response(Some(RESPONSE_TIMEOUT))
        .user_agent(concat!("heatseek/", env!("CARGO_PKG_VERSION")))
        .build()
        .into();
    let response = agent
        .get(&url)
        .call()
        .map_err(|source| Error::Download { url: url.clone(), source: Box::new(source) })?;

    let path = folder.join(file.path);
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent).map_err(Error::io("create", parent))?;
    }
    let mut out = File::create(&path).map_err(Error::io("create", &path))?;
    let mut body = response.into_body().into_reader();
    let mut block = vec![0u8; 1 << 16];
    let mut done_bytes = 0u64;
    loop {
        report(Progress::Bytes { file: file.path, done: done_bytes, total: file.size_bytes });
        let len = body.read(&mut block).map_err(|source| Error::CutOff {
            url: url.clone(),
            got_bytes: done_bytes,
            expected_bytes: file.size_bytes,
            source,
        })?;
        if len == 0 {
            return Ok(());
        }
        out.write_all(&block[..len]).map_err(Error::io("write", &path))?;
        done_bytes += len as u64;
    }
}
