//! Actions of the master, on its own disk and at its desk: what they answer, and what is there then.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};

use tempfile::TempDir;
use tokio::sync::watch;
use vsjob_engine::{
    ActionRef, Class, Epoch, Failure, JobId, Mode, Outcome, Outputs, Progress, StepNo, SystemClock, Work,
};
use vsjob_workers::{Action, Context, Desk, Doing, Successor, boot_id};

use super::registry;

/// What it answers to everything, and which operations were submitted.
#[derive(Default)]
struct Answering {
    trouble: Mutex<Option<Failure>>,
    lives: Mutex<Option<String>>,
    submitted: Mutex<Vec<String>>,
}

impl Answering {
    fn answer<T: Send + 'static>(&self, value: T) -> Doing<T> {
        let answer = self.trouble.lock().unwrap().take().map_or(Ok(value), Err);
        Box::pin(async { answer })
    }
}

impl Desk for Answering {
    fn submit(&self, successor: Successor) -> Doing<JobId> {
        self.submitted.lock().unwrap().push(successor.operation);
        self.answer("00000000-0000-7000-8000-000000000002".parse().unwrap())
    }

    fn rest(&self, _: JobId) -> Doing<String> {
        self.answer("succeeded".to_owned())
    }

    fn take_back(&self, _: String, _: JobId) -> Doing<()> {
        self.answer(())
    }

    fn is_off(&self, _: String) -> Doing<()> {
        self.answer(())
    }

    fn lives(&self, _: String) -> Doing<Option<String>> {
        self.answer(self.lives.lock().unwrap().clone())
    }

    fn keep_away(&self, _: String, _: JobId) -> Doing<()> {
        self.answer(())
    }
}

fn failure(outcome: Outcome) -> Failure {
    match outcome {
        Outcome::Failed(failure) => failure,
        outcome => panic!("{outcome:?}"),
    }
}

/// A job about the guest ldap, and what the master keeps of that.
struct Job {
    kept: TempDir,
    desk: Arc<Answering>,
    id: JobId,
    epoch: Epoch,
    attempt: u32,
    resume: bool,
    name: String,
}

impl Job {
    fn new() -> Self {
        let epoch = r#"{"counter": 1, "id": "01234567-89ab-cdef-0123-456789abcdef"}"#;
        Self {
            kept: tempfile::tempdir().unwrap(),
            desk: Arc::default(),
            id: "00000000-0000-7000-8000-00001f2e3d4c".parse().unwrap(),
            epoch: serde_json::from_str(epoch).unwrap(),
            attempt: 1,
            resume: false,
            name: String::new(),
        }
    }

    /// One whose generation is begun.
    async fn begun() -> Self {
        let mut job = Self::new();
        job.begin().await;
        job
    }

    async fn begin(&mut self) {
        let begun = self.done("begin-generation", &[("host", "vsh-01"), ("excludes", "[]")]);
        self.name = begun.await["name"].clone();
    }

    /// What the desk refuses next.
    fn refused(&self, class: Class, code: &str) {
        *self.desk.trouble.lock().unwrap() = Some(Failure::new(class, code, "no"));
    }

    async fn perform(&self, action: &str, mode: Mode, args: &[(&str, &str)]) -> Outcome {
        let all = registry();
        let of_the_master = all.iter().filter_map(|known| match known {
            Action::Master(known) => Some(known),
            Action::Host(_) => None,
        });
        let mut found = of_the_master.filter(|known| known.name == action);
        let found = found.next().unwrap();
        let folder = self.kept.path().to_str().unwrap();
        let common = [
            ("folder", folder),
            ("tree", "dir"),
            ("guest", "ldap"),
            ("name", &self.name),
        ];
        let args = args.iter().chain(&common);
        let work = Work {
            job: self.id,
            step: StepNo(0),
            action: ActionRef {
                name: action.to_owned(),
                version: found.version,
            },
            mode,
            attempt: self.attempt,
            resume: self.resume,
            args: args
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect(),
            hosts: vec![],
            claims: vec![],
            epoch: self.epoch,
            progress: watch::channel(Progress::default()).0,
        };
        let context = Context::new(Arc::new(SystemClock));
        context.open_desk(self.desk.clone());
        (found.run)(context, work).await
    }

    async fn done(&self, action: &str, args: &[(&str, &str)]) -> Outputs {
        match self.perform(action, Mode::Do, args).await {
            Outcome::Done(outputs) => outputs,
            outcome => panic!("{action}: {outcome:?}"),
        }
    }

    async fn failed(&self, action: &str, args: &[(&str, &str)]) -> Failure {
        failure(self.perform(action, Mode::Do, args).await)
    }

    fn guest(&self) -> PathBuf {
        self.kept.path().join("ldap")
    }

    /// Where it is received.
    fn incoming(&self) -> PathBuf {
        self.guest().join(format!("incoming-{}", self.id.short()))
    }

    /// What was received, of which so much was sent, is a generation now.
    async fn seal(&self, files: &str, size: &str) -> PathBuf {
        let sent = [("files", files), ("size", size), ("still", "yes")];
        self.done("complete-generation", &sent).await;
        self.done("seal-generation", &[]).await;
        self.guest().join(&self.name)
    }

    /// With one file of four bytes.
    async fn sealed(&self) -> PathBuf {
        fs::write(self.incoming().join("tree/file"), "text").unwrap();
        self.seal("2", "4").await
    }

    /// Its guest, in a first generation; a second one is begun.
    async fn receive_first(&mut self) {
        let Outcome::Done(told) = pass(self, "1", "yes").await else {
            panic!("it is not received");
        };
        self.seal(&told["files"], &told["size"]).await;
        self.begin().await;
    }
}

#[tokio::test]
async fn a_generation_of_which_another_count_was_sent_is_not_complete() {
    let job = Job::begun().await;
    fs::write(job.incoming().join("tree/file"), "text").unwrap();
    for (files, size) in [("3", "4"), ("2", "5")] {
        let sent = [("files", files), ("size", size), ("still", "yes")];
        assert_eq!(job.failed("complete-generation", &sent).await.code, "VSJ0481");
        assert!(!job.incoming().join("manifest").exists());
    }
    // Of a guest that went on nobody can have counted.
    let sent = [("files", "3"), ("size", "5"), ("still", "no")];
    assert!(!job.done("complete-generation", &sent).await["manifest"].is_empty());
}

#[tokio::test]
async fn a_manifest_that_is_damaged_marks_its_generation_and_one_that_cannot_be_read_does_not() {
    let job = Job::begun().await;
    let sealed = job.sealed().await;
    let whole = job.done("check-generation", &[]).await;
    assert!(whole["bytes"].parse::<u64>().unwrap() >= 4, "{whole:?}");

    let manifest = sealed.join("manifest");
    let bytes = fs::read(&manifest).unwrap();
    fs::remove_file(&manifest).unwrap();
    fs::create_dir(&manifest).unwrap();
    assert_eq!(job.failed("check-generation", &[]).await.code, "VSJ0496");
    assert!(!sealed.join("damaged").exists());

    fs::remove_dir(&manifest).unwrap();
    fs::write(&manifest, &bytes[1..]).unwrap();
    let failure = job.failed("check-generation", &[]).await;
    assert_eq!(failure.code, "VSJ0498");
    assert!(failure.message.contains("manifest is damaged"), "{failure:?}");
    assert!(sealed.join("damaged").exists());
}

#[tokio::test]
async fn a_prune_tells_how_many_generations_it_deleted() {
    let mut job = Job::begun().await;
    let mut sealed = vec![job.sealed().await];
    for _ in 0..2 {
        job.begin().await;
        sealed.push(job.sealed().await);
    }
    for (keep, pruned) in [("", "0"), ("1d", "2"), ("1d", "0")] {
        let told = job.done("prune-generations", &[("keep", keep)]).await;
        assert_eq!(told["pruned"], pruned);
    }
    assert_eq!(sealed.iter().filter(|folder| folder.exists()).count(), 1);
    assert!(sealed[2].exists());
}

#[tokio::test]
async fn a_copy_gets_its_name_once_and_takes_it_from_nobody() {
    let job = Job::new();
    let to = job.kept.path().join("copy");
    let partial = job.kept.path().join(format!("copy.partial-{}", job.id.short()));
    let args = [("to", to.to_str().unwrap())];
    assert_eq!(job.failed("name-files", &args).await.code, "VSJ0479");
    fs::create_dir(&partial).unwrap();
    fs::create_dir(&to).unwrap();
    assert_eq!(job.failed("name-files", &args).await.code, "VSJ0479");
    fs::remove_dir(&to).unwrap();
    for _ in 0..2 {
        job.done("name-files", &args).await;
        assert!(to.is_dir() && !partial.exists());
    }
}

#[tokio::test]
async fn a_purge_that_cannot_begin_is_put_off_only_if_its_guest_lives_nowhere() {
    let job = Job::new();
    job.done("begin-purge", &[]).await;
    job.refused(Class::Permanent, "VSJ0405");
    job.done("begin-purge", &[]).await;
    job.refused(Class::Permanent, "VSJ0406");
    assert_eq!(job.failed("begin-purge", &[]).await.code, "VSJ0406");
    let submitted = job.desk.submitted.lock().unwrap();
    assert_eq!(*submitted, ["purge", "purge", "purge-later", "purge"]);
}

#[tokio::test]
async fn a_guest_is_not_fenced_where_it_lives() {
    let job = Job::new();
    let args = [("host", "vsh-01")];
    for (place, code) in [
        (None, None),
        (Some("vsh-02"), None),
        (Some("vsh-01"), Some("VSJ0408")),
    ] {
        *job.desk.lives.lock().unwrap() = place.map(str::to_owned);
        match (job.perform("check-elsewhere", Mode::Do, &args).await, code) {
            (Outcome::Done(_), None) => {}
            (Outcome::Failed(failure), Some(code)) => assert_eq!(failure.code, code),
            (outcome, _) => panic!("{place:?}: {outcome:?}"),
        }
        let undone = job.perform("check-elsewhere", Mode::Undo, &args).await;
        assert!(matches!(undone, Outcome::Done(_)), "{undone:?}");
    }
}

#[tokio::test]
async fn what_a_guest_is_refused_is_its_own_affair_and_what_may_pass_is_tried_again() {
    let job = Job::new();
    let args = [("operation", "move"), ("parameters", "{}")];
    assert!(job.done("begin-part", &args).await["refused"].is_empty());
    job.refused(Class::Permanent, "VSJ0407");
    assert_eq!(job.done("begin-part", &args).await["refused"], "VSJ0407 no");
    job.refused(Class::Transient, "VSJ0502");
    assert_eq!(job.failed("begin-part", &args).await.code, "VSJ0502");
    job.refused(Class::Permanent, "VSJ0407");
    let undone = job.perform("begin-part", Mode::Undo, &args).await;
    assert!(matches!(undone, Outcome::Failed(_)), "{undone:?}");

    assert_eq!(job.done("await-part", &[("job", "")]).await["ended"], "refused");
    let part = [("job", "00000000-0000-7000-8000-000000000002")];
    assert_eq!(job.done("await-part", &part).await["ended"], "succeeded");
    job.refused(Class::Transient, "VSJ0502");
    let undone = job.perform("await-part", Mode::Undo, &part).await;
    assert!(matches!(undone, Outcome::Done(_)), "{undone:?}");
}

#[tokio::test]
async fn each_demo_has_a_folder_of_its_own_and_waits_there_until_it_is_told() {
    let job = Job::new();
    let folder = job.kept.path().join(job.id.to_string());
    job.done("demo-prepare", &[]).await;
    assert!(folder.join("shelf/book").exists());
    // To have waited changed nothing.
    let undone = job.perform("demo-wait", Mode::Undo, &[]).await;
    assert!(matches!(undone, Outcome::Done(_)), "{undone:?}");
    fs::write(folder.join("go"), "").unwrap();
    job.done("demo-wait", &[]).await;
}

/// The tree of a guest on this machine.
fn root(job: &Job) -> PathBuf {
    job.kept.path().join("root")
}

/// Its files, all of one time, and what a search of it has found.
fn guest(job: &Job, files: &[(&str, &str)], found: &[(&str, &str)]) {
    let then = std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1_700_000_000);
    for (name, text) in files {
        let file = root(job).join(name);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(&file, text).unwrap();
        let file = fs::File::options().write(true).open(file).unwrap();
        file.set_modified(then).unwrap();
    }
    let lists = job.kept.path().join("lists");
    fs::create_dir_all(&lists).unwrap();
    for list in ["changed", "folders", "linked"] {
        fs::write(lists.join(list), "").unwrap();
    }
    for (list, names) in found {
        fs::write(lists.join(list), names).unwrap();
    }
}

/// One pass over that tree.
async fn pass(job: &Job, pass: &str, still: &str) -> Outcome {
    let (tree, lists) = (root(job), job.kept.path().join("lists"));
    let args = [
        ("snapshot", tree.to_str().unwrap()),
        ("lists", lists.to_str().unwrap()),
        ("pass", pass),
        ("still", still),
        ("before", "1000000"),
    ];
    job.perform("receive-generation", Mode::Do, &args).await
}

#[tokio::test]
async fn what_is_not_there_any_more_is_no_failure_of_a_pass_through_a_guest_that_goes_on() {
    let mut job = Job::begun().await;
    guest(&job, &[("file", "text")], &[]);
    job.receive_first().await;
    for (number, still, changed, fails) in [
        ("1", "no", "gone\0", false),
        ("2", "no", "gone\0", false),
        ("2", "yes", "gone\0", true),
        ("0", "no", "gone\0", true),
        // A file is where a folder was. The pass after the first one is told of it.
        ("1", "no", "file/gone\0", false),
        ("2", "no", "file/gone\0", true),
        ("1", "yes", "file/gone\0", true),
    ] {
        guest(&job, &[], &[("changed", changed)]);
        match pass(&job, number, still).await {
            Outcome::Done(told) => {
                assert!(!fails, "{number} {still} {changed:?}");
                assert_eq!((&*told["files"], &*told["size"]), ("2", "4"));
                assert!(told["received"].parse::<u64>().unwrap() > 1_000_000);
            }
            Outcome::Failed(failure) => assert!(fails && failure.class == Class::Partial, "{failure:?}"),
            outcome => panic!("{outcome:?}"),
        }
    }
}

#[tokio::test]
async fn what_was_mapped_or_is_in_another_folder_than_before_is_compared_whatever_its_time_says() {
    for (number, compared) in [
        ("0", ["new!", "new!", "text"]),
        // The folders were seen by the search that came with the first pass.
        ("1", ["new!", "text", "text"]),
    ] {
        let mut job = Job::begun().await;
        let names = ["mapped", "folder/one", "other/one"];
        let files = |text| names.map(|name| (name, text));
        let before = [("folders", "7 folder\08 other\0"), ("mapped.names", "mapped\0")];
        guest(&job, &files("text"), &before);
        job.receive_first().await;
        guest(&job, &files("new!"), &[("folders", "9 folder\08 other\0")]);
        let received = pass(&job, number, "yes").await;
        assert!(matches!(received, Outcome::Done(_)), "{received:?}");
        let tree = job.incoming().join("tree");
        assert_eq!(
            names.map(|name| fs::read_to_string(tree.join(name)).unwrap()),
            compared
        );
    }
}

/// What a power cut makes of a file.
fn lose(file: &Path) {
    let known = fs::metadata(file).unwrap();
    fs::write(file, vec![0; known.len().try_into().unwrap()]).unwrap();
    let file = fs::File::options().write(true).open(file).unwrap();
    file.set_modified(known.modified().unwrap()).unwrap();
}

#[tokio::test]
async fn what_is_sent_is_compressed_when_that_is_asked_for() {
    let job = Job::begun().await;
    job.sealed().await;
    let (said, shell) = (job.kept.path().join("said"), job.kept.path().join("shell"));
    fs::write(&shell, format!("echo \"$@\" >{}; exit 255", said.display())).unwrap();
    let shell = format!("sh {}", shell.display());
    let archive = job.kept.path().join("debian.tar");
    fs::write(&archive, "an archive").unwrap();
    for action in ["send-generation", "send-template"] {
        for compress in ["no", "yes"] {
            let args = [
                ("destination", "vsh-01:"),
                ("shell", &*shell),
                ("archive", archive.to_str().unwrap()),
                ("compress", compress),
            ];
            assert_eq!(job.failed(action, &args).await.class, Class::Transient);
            let told = fs::read_to_string(&said).unwrap();
            // Such as `-logDtprze.iLsfxCIvu`.
            let mut letters = told.split(' ').filter_map(|word| word.split_once("e."));
            let (letters, _) = letters.find(|(word, _)| word.starts_with('-')).unwrap();
            assert_eq!(letters.contains('z'), compress == "yes", "{told}");
        }
    }
}

#[tokio::test]
async fn what_an_earlier_attempt_has_sent_is_compared() {
    let mut job = Job::begun().await;
    job.sealed().await;
    let host = job.kept.path().join("host");
    fs::create_dir(&host).unwrap();
    let args = [("destination", host.to_str().unwrap())];
    job.done("send-generation", &args).await;
    for (attempt, resume, compared) in [(1, false, false), (1, true, true), (2, false, true)] {
        (job.attempt, job.resume) = (attempt, resume);
        lose(&host.join("tree/file"));
        job.done("send-generation", &args).await;
        let sent = fs::read(host.join("tree/file")).unwrap();
        assert_eq!(sent == b"text", compared, "{attempt} {resume}");
    }
}

#[tokio::test]
async fn what_a_boot_may_have_lost_is_compared_and_nothing_else_is_read_again() {
    let now = boot_id().unwrap();
    for (boot, lost) in [("", false), ("another", true), (&now, false)] {
        let job = Job::begun().await;
        let received = job.incoming().join("tree/file");
        guest(&job, &[("file", "text")], &[]);
        assert!(matches!(pass(&job, "1", "yes").await, Outcome::Done(_)));
        assert!(!job.incoming().join("boot").exists());
        lose(&received);
        if !boot.is_empty() {
            fs::write(job.incoming().join("boot"), boot).unwrap();
        }
        assert!(matches!(pass(&job, "1", "yes").await, Outcome::Done(_)));
        assert_eq!(fs::read(received).unwrap() == b"text", lost, "{boot}");
    }
}

#[tokio::test]
async fn a_template_that_is_gone_is_removed_and_one_that_cannot_be_looked_for_is_not() {
    let job = Job::new();
    let folder = job.kept.path().join("templates");
    let args = [("folder", folder.to_str().unwrap()), ("template", "debian")];
    job.done("remove-template", &args).await;
    std::os::unix::fs::symlink("templates", &folder).unwrap();
    assert_eq!(job.failed("remove-template", &args).await.code, "VSJ0432");
}

#[tokio::test]
async fn a_template_arrives_without_its_compression_and_why_it_does_not_is_told() {
    let job = Job::new();
    let host = job.kept.path().join("host");
    let arrived = host.join(format!("var/lib/vsjob/templates/{}.tar", job.id.short()));
    let args = |archive: &Path| {
        let args = [
            ("archive", archive),
            ("work", job.kept.path()),
            ("destination", &host),
        ];
        args.map(|(name, path)| (name, path.to_str().unwrap().to_owned()))
    };
    let send = async |archive: &Path| {
        let args = args(archive);
        let args = args.each_ref().map(|(name, value)| (*name, value.as_str()));
        job.perform("send-template", Mode::Do, &args).await
    };
    let plain = job.kept.path().join("debian.tar");
    fs::write(&plain, "an archive").unwrap();
    for (tool, ending) in [
        ("", "tar"),
        ("gzip", "tar.gz"),
        ("gzip", "tgz"),
        ("xz", "tar.xz"),
        ("zstd", "tar.zst"),
    ] {
        let archive = plain.with_extension(ending);
        if !tool.is_empty() {
            let Ok(packed) = Command::new(tool).arg("-c").arg(&plain).output() else {
                eprintln!("skipped: needs {tool}");
                continue;
            };
            fs::write(&archive, packed.stdout).unwrap();
        }
        let sent = send(&archive).await;
        assert!(matches!(sent, Outcome::Done(_)), "{ending}: {sent:?}");
        assert_eq!(fs::read(&arrived).unwrap(), b"an archive");
        fs::remove_file(&arrived).unwrap();
        assert!(!job.kept.path().join(format!("{}.tar", job.id.short())).exists());
    }
    let none = job.kept.path().join("none.tar");
    assert_eq!(failure(send(&none).await).class, Class::Partial);
    let no_gzip = job.kept.path().join("plain.tar.gz");
    fs::write(&no_gzip, "an archive").unwrap();
    assert_eq!(failure(send(&no_gzip).await).class, Class::Permanent);
    // A line that ends before anything was said.
    let args = [
        ("archive", plain.to_str().unwrap()),
        ("destination", "vsh-01:"),
        ("shell", "true"),
    ];
    assert_eq!(job.failed("send-template", &args).await.class, Class::Transient);
}
