//! A job's key on the target: it is added without harm to the others; and what it runs: a receiver that a broken line has
//! left is ended by the next one, and nobody else. And what the source asks for before it sends.

use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use anyhow::{Context, ensure};
use tempfile::TempDir;

const TRANSFER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../workers/src/transfer.sh");

const PRELUDE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../workers/src/prelude.sh");

/// A job's folder on the target, with its receiver.
fn folder() -> anyhow::Result<TempDir> {
    let folder = tempfile::tempdir()?;
    let script = Command::new("sh")
        .args(["-euc", "R=; . \"$1\"; transfer_receiver", "test", TRANSFER])
        .output()?;
    ensure!(script.status.success(), "{script:?}");
    std::fs::write(folder.path().join("receive"), script.stdout)?;
    std::fs::write(folder.path().join("into"), "/nowhere\n")?;
    std::fs::write(folder.path().join("scratch"), "/nowhere\n")?;
    Ok(folder)
}

/// A process in a group of its own. Dropped, it is killed.
struct Process(Child);

impl Process {
    fn start(program: &str, args: &[&str]) -> anyhow::Result<Self> {
        let mut command = Command::new(program);
        command.args(args).stdin(Stdio::null()).process_group(0);
        Ok(Self(command.spawn()?))
    }

    /// When it started, as the kernel counts.
    fn start_time(&self) -> anyhow::Result<String> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.0.id()))?;
        let (_, fields) = stat.rsplit_once(") ").context("no name")?;
        Ok(fields.split(' ').nth(19).context("no start time")?.to_owned())
    }

    fn runs(&mut self) -> anyhow::Result<bool> {
        Ok(self.0.try_wait()?.is_none())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may be gone already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Somebody who has the lock, and lets it go after so many seconds.
fn holder(folder: &Path, seconds: &str) -> anyhow::Result<Process> {
    let lock = folder.join("lock");
    let process = Process::start(
        "flock",
        &["--no-fork", &lock.display().to_string(), "sleep", seconds],
    )?;
    // Until it has the lock, it is to be had.
    while Command::new("flock")
        .arg("-n")
        .arg(&lock)
        .arg("true")
        .status()?
        .success()
    {}
    Ok(process)
}

fn end(folder: &Path) -> anyhow::Result<bool> {
    let ended = Command::new("sh")
        .arg(folder.join("receive"))
        .arg(folder)
        .arg("end")
        .status()?;
    Ok(ended.success())
}

#[test]
fn a_receiver_that_was_left_is_ended() -> anyhow::Result<()> {
    let folder = folder()?;
    let mut left = holder(folder.path(), "1000")?;
    let said = format!("{} {}\n", left.0.id(), left.start_time()?);
    std::fs::write(folder.path().join("holder"), said)?;
    ensure!(end(folder.path())?, "it is not ended");
    ensure!(!left.runs()?, "it still runs");
    Ok(())
}

#[test]
fn a_process_that_has_got_the_number_of_a_receiver_is_left_alone() -> anyhow::Result<()> {
    let folder = folder()?;
    let mut bystander = Process::start("sleep", &["1000"])?;
    let _newer = holder(folder.path(), "2")?;
    std::fs::write(folder.path().join("holder"), format!("{} 1\n", bystander.0.id()))?;
    ensure!(end(folder.path())?, "the lock was never free");
    ensure!(bystander.runs()?, "it was killed");
    Ok(())
}

#[test]
fn authorized_keys_that_cannot_be_rewritten_stay_as_they_are() -> anyhow::Result<()> {
    let keys = "ssh-ed25519 AAAA root@master\nrestrict BBBB vsjob-1f2e3d4c\n";
    let host = tempfile::tempdir()?;
    let file = host.path().join("root/.ssh/authorized_keys");
    std::fs::create_dir_all(host.path().join("root/.ssh"))?;
    std::fs::write(&file, keys)?;
    let rewrite = |limit: &str| {
        let text = format!("R=$1; . \"$2\"; . \"$3\"; {limit}; transfer_authorized 1f2e3d4c");
        let mut shell = Command::new("sh");
        shell.args(["-c", &text, "test"]);
        shell.arg(host.path()).args([PRELUDE, TRANSFER]).output()
    };
    // No byte more can be written into any file, as on a full disk.
    let full = rewrite("trap '' XFSZ; ulimit -f 0")?;
    let said = String::from_utf8_lossy(&full.stderr);
    ensure!(
        full.status.code() == Some(75) && said.contains("VSJ0468"),
        "{full:?}"
    );
    ensure!(std::fs::read_to_string(&file)? == keys, "they are changed");
    ensure!(rewrite(":")?.status.success());
    ensure!(std::fs::read_to_string(&file)? == "ssh-ed25519 AAAA root@master\n");
    Ok(())
}

#[test]
fn a_key_of_a_job_can_do_nothing_but_write_its_tree() -> anyhow::Result<()> {
    let folder = folder()?;
    let outside = folder.path().join("outside");
    let asks = |command: &str| {
        Command::new("sh")
            .arg(folder.path().join("receive"))
            .arg(folder.path())
            .env("SSH_ORIGINAL_COMMAND", command)
            .stdin(Stdio::null())
            .output()
    };
    let touch = format!("touch {}", outside.display());
    for command in [
        "",
        "sh",
        &touch,
        &format!("rsync --server -logDtpre.iLsfxCIvu . /tree; {touch}"),
        &format!("rsync --server -logDtpre.iLsfxCIvu . $({touch})"),
        &format!("rsync --server -logDtpre.iLsfxCIvu . {}", outside.display()),
        "rsync --server -logDtpre.iLsfxCIvu . /tree ../../etc",
        "rsync --server --sender -logDtpre.iLsfxCIvu . /",
        "rsync --server --daemon .",
        "rsync --server --log-file=/etc/passwd . /tree",
        "rsync --server --partial-dir=/etc . /tree",
        "rsync --server --rsync-path=sh . /tree",
        "rsync --server -s . /tree",
        "rsync --server -logDtpre.iLsfxCIvu -Tlink . /tree",
        "rsync --server -TlogDtpre.iLsfxCIvu . /tree",
        "rsync --server -logDtpKre.iLsfxCIvu . /tree",
        "rsync --server - . /tree",
        "rsync --server --bwlimit=1k . /tree",
        "rsync --server --compress-choice=zstd . /tree",
        "rsync --server --compress-level=22 . /tree",
        "rsync --server --skip-compress=/etc . /tree",
        "rsync --server --new-compress . /tree",
        "rsync --server -zTlogDtpre.iLsfxCIvu . /tree",
        "end",
    ] {
        let answer = asks(command)?;
        let said = String::from_utf8_lossy(&answer.stderr).into_owned();
        ensure!(
            answer.status.code() == Some(4) && said.starts_with("refused: "),
            "{command}: {answer:?}"
        );
        ensure!(!outside.exists(), "{command}");
    }
    Ok(())
}

/// A pass of the tree $R/tree into $R/copy by the real sender, receiver and rsync; ssh alone is missing.
const PASS: &str = r#"
. "$2"; . "$3"; job=1f2e3d4c
transfer_folder "$job"
mkdir -p "$R/tree" "$R/copy" "$R/scratch"
yes compressible | head -c 2000000 >"$R/tree/file"
printf '%s\n' "$R/copy" >"$jobs/$job/into"
printf '%s\n' "$R/scratch" >"$jobs/$job/scratch"
transfer_receiver >"$jobs/$job/receive"
printf 'shift; SSH_ORIGINAL_COMMAND="$*" exec sh %s/receive %s\n' "$jobs/$job" "$jobs/$job" >"$R/line"
transfer_shell="sh $R/line" transfer_target=target
transfer_with 0 "$1"
transfer_send "$job" "$R/tree" 0 "a pass"
[ "$transfer_exit" = 0 ] || exit 1
diff -r "$R/tree" "$R/copy" >&2 || exit 9
out sent "$sent"
"#;

#[test]
fn a_pass_that_is_to_be_compressed_is_taken_and_sends_less() -> anyhow::Result<()> {
    let sent = |compress: &str| {
        let root = tempfile::tempdir()?;
        let output = Command::new("sh")
            .args(["-c", PASS, "test", compress, PRELUDE, TRANSFER])
            .env("R", root.path())
            .output()?;
        ensure!(output.status.success(), "{output:?}");
        let said = String::from_utf8(output.stdout)?;
        let sent = said.trim().strip_prefix("sent=").context("nothing")?;
        Ok(sent.parse::<u64>()?)
    };
    ensure!(sent("no")? > 2_000_000);
    ensure!(sent("yes")? < 20_000);
    Ok(())
}

#[test]
fn a_way_that_more_than_the_source_itself_can_enter_is_refused() -> anyhow::Result<()> {
    let enters = |address: &str| {
        let listener = std::net::TcpListener::bind((address, 0))?;
        let port = listener.local_addr()?.port().to_string();
        let text = ". \"$2\"; . \"$3\"; transfer_secluded \"$1\"";
        let mut shell = Command::new("sh");
        shell
            .args(["-euc", text, "test", &port, PRELUDE, TRANSFER])
            .env("R", "");
        shell.output()
    };
    for address in ["127.0.0.1", "::1"] {
        let alone = enters(address)?;
        ensure!(alone.status.success(), "{address}: {alone:?}");
    }
    for address in ["0.0.0.0", "::"] {
        let open = enters(address)?;
        let said = String::from_utf8_lossy(&open.stderr);
        ensure!(
            open.status.code() == Some(78) && said.starts_with("VSJ0469"),
            "{address}: {open:?}"
        );
    }
    Ok(())
}
