//! rsync, run on the master, that makes a tree of the master's equal to one on a host, or the other way round. Killed in
//! the middle and run again it goes on where it was; one that a killed master left behind holds its lock for as long as it
//! lives.

use std::ffi::OsStr;
use std::io;
use std::path::Path;
use std::process::Stdio;

use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::Command;
use tokio::sync::watch;
use vsjob_engine::{Class, Failure, Progress};
use vsjob_workers::coded;

/// So much of what rsync says is kept.
const WORDS: usize = 16_384;

/// One run of rsync.
pub(crate) struct Rsync<'a> {
    /// What stands before a path of the host.
    pub host: &'a str,
    /// The remote shell; empty: the paths are the master's own.
    pub shell: &'a str,
    /// How rsync is called on the host.
    pub remote: &'a str,
    /// Held as long as anything of it lives.
    pub lock: &'a Path,
    /// How many bytes there are in all, for people: about so many. Once there are more, nobody knows.
    pub total: u64,
    /// What it does, for people; empty if it goes on beside another, of which they are told.
    pub note: &'a str,
    /// Its source is not a picture that stands still: what vanishes from it is no failure.
    pub lives: bool,
}

/// What rsync counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counted {
    /// The files of the source that are to be there.
    pub files: u64,
    /// Their bytes.
    pub size: u64,
    /// The bytes that came over the line.
    pub received: u64,
}

impl Rsync<'_> {
    /// Makes `to` equal to `from` on the host, with these options besides.
    pub(crate) async fn pull(
        &self,
        from: &str,
        to: &Path,
        options: &[&OsStr],
        tell: &watch::Sender<Progress>,
    ) -> Result<Counted, Failure> {
        let from = format!("{}{from}", self.host);
        self.run(from.as_ref(), to.as_ref(), options, tell).await
    }

    /// Makes `to` on the host equal to `from`, with these options besides.
    pub(crate) async fn push(
        &self,
        from: &Path,
        to: &str,
        options: &[&OsStr],
        tell: &watch::Sender<Progress>,
    ) -> Result<Counted, Failure> {
        let to = format!("{}{to}", self.host);
        self.run(from.as_ref(), to.as_ref(), options, tell).await
    }

    async fn run(
        &self,
        from: &OsStr,
        to: &OsStr,
        options: &[&OsStr],
        tell: &watch::Sender<Progress>,
    ) -> Result<Counted, Failure> {
        let mut command = Command::new("flock");
        command
            .args(["--no-fork", "--nonblock", "--shared"])
            .arg(self.lock)
            .args(["rsync", "-aHAXS", "--numeric-ids", "--modify-window=-1"])
            .args(["--no-human-readable", "--stats", "--info=progress2", "--outbuf=N"])
            .args(options);
        if !self.shell.is_empty() {
            command.arg("-e").arg(self.shell);
            command.arg("--rsync-path").arg(self.remote);
        }
        command
            .arg("--")
            .arg(from)
            .arg(to)
            .env("LC_ALL", "C")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        self.tell(tell, 0);
        let mut child = command.spawn().map_err(|why| cannot_run(&why))?;
        let (out, errors) = (child.stdout.take(), child.stderr.take());
        let (stats, said) = tokio::join!(self.listen(out, tell), words(errors));
        let status = child.wait().await.map_err(|why| cannot_run(&why))?;
        match status.code() {
            code if is_well(code, self.lives) => Ok(stats),
            code => Err(failure(code, said)),
        }
    }

    fn tell(&self, tell: &watch::Sender<Progress>, bytes: u64) {
        if self.note.is_empty() {
            return;
        }
        tell.send_modify(|progress| {
            progress.bytes = bytes;
            progress.total = Some(self.total).filter(|total| *total > 0 && *total >= bytes);
            self.note.clone_into(&mut progress.note);
        });
    }

    /// Follows its progress, and reads what it counts at its end.
    async fn listen(&self, out: Option<impl AsyncRead + Unpin>, tell: &watch::Sender<Progress>) -> Counted {
        let (mut stats, mut line, mut buffer) = (Counted::default(), Vec::new(), [0; 4096]);
        let Some(mut out) = out else { return stats };
        while let Ok(read @ 1..) = out.read(&mut buffer).await {
            for byte in buffer.iter().take(read) {
                match byte {
                    b'\r' | b'\n' => {
                        let text = String::from_utf8_lossy(&line).into_owned();
                        line.clear();
                        stats.take(&text);
                        if let Some(bytes) = progress(&text) {
                            self.tell(tell, bytes);
                        }
                    }
                    // A host may send a line without an end.
                    _ if line.len() < 1000 => line.push(*byte),
                    _ => {}
                }
            }
        }
        stats
    }
}

impl Counted {
    fn take(&mut self, line: &str) {
        let Some((what, rest)) = line.split_once(": ") else {
            return;
        };
        let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
        let Ok(number) = digits.parse() else { return };
        match what {
            "Number of files" => self.files = number,
            "Total file size" => self.size = number,
            // Between two folders of one machine rsync takes itself for the sender.
            "Total bytes received" | "Total bytes sent" => self.received = self.received.max(number),
            _ => {}
        }
    }
}

/// The bytes of a line such as `  1234567  45%   12.34MB/s    0:00:12`.
fn progress(line: &str) -> Option<u64> {
    let mut words = line.split_ascii_whitespace();
    let bytes = words.next()?.parse().ok()?;
    words.next()?.ends_with('%').then_some(bytes)
}

async fn words(errors: Option<impl AsyncRead + Unpin>) -> String {
    let (mut said, mut buffer) = (Vec::new(), [0; 4096]);
    let Some(mut errors) = errors else {
        return String::new();
    };
    // Read to its end, or rsync would wait for somebody to listen.
    while let Ok(read @ 1..) = errors.read(&mut buffer).await {
        said.extend(buffer.iter().take(read.min(WORDS.saturating_sub(said.len()))));
    }
    String::from_utf8_lossy(&said).into_owned()
}

fn cannot_run(why: &io::Error) -> Failure {
    Failure::new(Class::Permanent, "VSJ0495", format!("rsync cannot run: {why}"))
}

/// From what lives, files may vanish.
fn is_well(code: Option<i32>, lives: bool) -> bool {
    code == Some(0) || code == Some(24) && lives
}

/// `said` is what rsync wrote, and what the script on the host did that stands before its other half.
fn failure(code: Option<i32>, said: String) -> Failure {
    if let Some((code, message)) = coded(&said) {
        return Failure {
            detail: said.clone(),
            ..Failure::new(Class::Permanent, code, message)
        };
    }
    let (class, what) = match code {
        // Its source is a picture that does not change: what is missing in it was taken away.
        Some(10 | 12 | 30 | 35 | 255) | None => {
            (Class::Transient, "the line to the host was lost".to_owned())
        }
        Some(23) => (
            Class::Partial,
            "some files could not be copied (rsync 23)".to_owned(),
        ),
        Some(code) => (Class::Permanent, format!("rsync ended with {code}")),
    };
    let mut failure = Failure::new(class, "VSJ0495", what);
    failure.detail = said;
    failure
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_rsync_counts_is_read_from_its_own_words() {
        let mut counted = Counted::default();
        for line in [
            "Number of files: 10003 (reg: 10000, dir: 2, link: 1)",
            "Total file size: 20480001 bytes",
            "Total bytes received: 4711",
            "Total bytes sent: 5",
            "a file: 7",
        ] {
            counted.take(line);
        }
        let wanted = Counted {
            files: 10_003,
            size: 20_480_001,
            received: 4711,
        };
        assert_eq!(counted, wanted);
        assert_eq!(
            progress("      1234567  45%   12.34MB/s    0:00:12"),
            Some(1_234_567)
        );
        assert_eq!(progress("Number of files: 1"), None);
    }

    fn rsync(total: u64, note: &str) -> Rsync<'_> {
        Rsync {
            host: "",
            shell: "",
            remote: "",
            lock: Path::new("lock"),
            total,
            note,
            lives: false,
        }
    }

    #[tokio::test]
    async fn people_are_told_how_far_it_is_unless_it_goes_on_beside_another() {
        let said = [
            &b"        100  10%   12.34MB/s    0:00:12\r"[..],
            b"        400  40%   12.34MB/s    0:00:12\r",
            // Nobody keeps what has no end.
            b"        900  ",
            &[b'9'; 5000],
            b"%\nNumber of files: 7\n",
        ];
        for (total, note) in [
            (1000, "receiving"),
            (400, "receiving"),
            (399, "receiving"),
            (0, "receiving"),
            (1000, ""),
        ] {
            let (tell, told) = watch::channel(Progress::default());
            let counted = rsync(total, note).listen(Some(&*said.concat()), &tell).await;
            assert_eq!(counted.files, 7);
            let wanted = match note {
                "" => Progress::default(),
                note => Progress {
                    bytes: 400,
                    // What there was in all before tells nothing any more.
                    total: (total >= 400).then_some(total),
                    note: note.to_owned(),
                },
            };
            assert_eq!(*told.borrow(), wanted);
        }
        // Of what has no total nobody is told that all of it is there.
        let (tell, told) = watch::channel(Progress::default());
        rsync(0, "receiving").tell(&tell, 0);
        assert_eq!(told.borrow().total, None);
    }

    #[tokio::test]
    async fn so_much_of_what_rsync_says_is_kept() {
        for length in [10, WORDS, WORDS + 5000] {
            let said = words(Some(&*vec![b'x'; length])).await;
            assert_eq!(said.len(), length.min(WORDS));
        }
    }

    #[test]
    fn what_vanishes_is_a_failure_unless_it_lived_and_a_lost_line_may_be_there_again() {
        for (code, lives, well) in [
            (Some(0), false, true),
            (Some(24), true, true),
            (Some(24), false, false),
            (Some(23), true, false),
            (None, true, false),
        ] {
            assert_eq!(is_well(code, lives), well, "{code:?}");
        }
        let class = |code| failure(code, String::new()).class;
        for code in [Some(10), Some(12), Some(30), Some(35), Some(255), None] {
            assert_eq!(class(code), Class::Transient, "{code:?}");
        }
        assert_eq!(
            (class(Some(23)), class(Some(11))),
            (Class::Partial, Class::Permanent)
        );
        let told = failure(Some(12), "VSJ0474: it is gone\n".to_owned());
        assert_eq!((told.class, &*told.code), (Class::Permanent, "VSJ0474"));
        assert_eq!(told.detail, "VSJ0474: it is gone\n");
    }
}
