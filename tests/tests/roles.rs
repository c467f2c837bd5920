//! Who may do what at the master's socket. The kernel says who they are; a thread of the test becomes somebody else for
//! the time of a connection.

use std::fs::{self, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use anyhow::{Context, ensure};
use rustix::process::{Gid, Uid};
use rustix::thread::{set_thread_gid, set_thread_groups, set_thread_uid};
use serde_json::Value;
use vsjob_tests::house::House;
use vsjob_tests::needs;
use vsjob_tests::program::Said;

/// Nobody, and a group that has no member.
const SOMEBODY: u32 = 65_534;

/// A job that there is not: whoever may look only is not told that.
const JOB: &str = "01890000-0000-7000-8000-000000000000";

/// What one answers to METHOD PATH, as somebody who has no right but those of their group.
fn ask(socket: &Path, method: &str, path: &str) -> anyhow::Result<(u16, String)> {
    let socket = PathBuf::from(socket);
    let request = format!(
        "{method} {path} HTTP/1.1\r\nhost: vsjob\r\nconnection: close\r\ncontent-type: application/json\r\n\
         content-length: 2\r\n\r\n{{}}"
    );
    let asked = thread::spawn(move || -> io::Result<String> {
        set_thread_groups(&[])?;
        set_thread_gid(Gid::from_raw(SOMEBODY))?;
        set_thread_uid(Uid::from_raw(SOMEBODY))?;
        let mut stream = UnixStream::connect(socket)?;
        stream.write_all(request.as_bytes())?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer)
    });
    let answer = asked.join().ok().context("it panicked")??;
    let status = answer.split(' ').nth(1).context("no status")?.parse()?;
    Ok((status, answer))
}

/// Returns once the journal says of each host which machine it is: a master writes that by itself.
fn all_are_met(run: &impl Fn(&[&str]) -> anyhow::Result<Said>) -> anyhow::Result<()> {
    for host in ["vsh-01", "vsh-02"] {
        for look in 0.. {
            let known = run(&["host", "show", host, "--json"])?.json()?;
            if known["machine"].is_string() {
                break;
            }
            ensure!(look < 1000, "{host} is never met: {known}");
            thread::park_timeout(Duration::from_millis(20));
        }
    }
    Ok(())
}

#[test]
fn others_cannot_connect_and_the_sockets_group_may_look_and_change_nothing() -> anyhow::Result<()> {
    if !rustix::process::geteuid().is_root() {
        needs::skip("root (to be somebody else)");
        return Ok(());
    }
    let house = House::new()?;
    let folder = tempfile::tempdir()?;
    fs::set_permissions(folder.path(), Permissions::from_mode(0o755))?;
    let socket = folder.path().join("vsjob.sock");
    let at = format!("--socket={}", socket.display());
    let run = |args: &[&str]| house.program.run(&[args, &[&at]].concat());
    let _master = house.program.master_with(&[&at])?;
    run(&["guest", "adopt"])?.ok()?;
    all_are_met(&run)?;
    let before = run(&["audit", "verify"])?.ok()?;

    let state = fs::metadata(&socket)?;
    ensure!(state.mode() & 0o7777 == 0o660, "{:o}", state.mode());
    let refused = ask(&socket, "GET", "/v1/locks")
        .err()
        .context("a stranger got in")?;
    let why = refused.downcast_ref::<io::Error>().map(io::Error::kind);
    ensure!(why == Some(io::ErrorKind::PermissionDenied), "{refused}");

    chown(&socket, None, Some(SOMEBODY))?;
    let (status, answer) = ask(&socket, "GET", "/openapi.json")?;
    ensure!(status == 200, "{answer}");
    let (_, description) = answer.split_once("\r\n\r\n").context("no body")?;
    let description: Value = serde_json::from_str(description)?;
    let mut changing = 0;
    for (path, methods) in description["paths"].as_object().context("no paths")? {
        let path = path.replace("{job}", JOB).replace("{host}", "vsh-01");
        // It runs nothing, and keeps nothing.
        if methods.get("post").is_some() && path != "/v1/plan" {
            let (status, answer) = ask(&socket, "POST", &path)?;
            ensure!(status == 403 && answer.contains("VSJ0507"), "{path}: {answer}");
            changing += 1;
        }
    }
    ensure!(changing >= 10, "only {changing} requests that change something");
    for path in ["/v1/jobs", "/v1/locks", "/v1/guests", "/v1/hosts"] {
        let (status, answer) = ask(&socket, "GET", path)?;
        ensure!(status == 200, "{path}: {answer}");
    }
    let after = run(&["audit", "verify"])?.ok()?;
    ensure!(before == after, "{before}\n{after}");
    Ok(())
}
