//! Actions of the master on a generation of its own disk: what they answer, and what is there then.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use tempfile::TempDir;
use tokio::sync::watch;
use vsjob_engine::{
    ActionRef, Epoch, Failure, JobId, Mode, Outcome, Outputs, Progress, StepNo, SystemClock, Work,
};
use vsjob_workers::{Action, Context};

use super::registry;

/// A job that makes a generation of the guest ldap.
struct Job {
    kept: TempDir,
    id: JobId,
    epoch: Epoch,
    name: String,
}

impl Job {
    /// One whose generation is begun.
    async fn new() -> Self {
        let epoch = r#"{"counter": 1, "id": "01234567-89ab-cdef-0123-456789abcdef"}"#;
        let mut job = Self {
            kept: tempfile::tempdir().unwrap(),
            id: "00000000-0000-7000-8000-00001f2e3d4c".parse().unwrap(),
            epoch: serde_json::from_str(epoch).unwrap(),
            name: String::new(),
        };
        let begun = job.done("begin-generation", &[("host", "vsh-01"), ("excludes", "[]")]);
        job.name = begun.await["name"].clone();
        job
    }

    async fn perform(&self, action: &str, args: &[(&str, &str)]) -> Outcome {
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
        let args = common.iter().chain(args);
        let work = Work {
            job: self.id,
            step: StepNo(0),
            action: ActionRef {
                name: action.to_owned(),
                version: found.version,
            },
            mode: Mode::Do,
            attempt: 1,
            resume: false,
            args: args
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect(),
            hosts: vec![],
            claims: vec![],
            epoch: self.epoch,
            progress: watch::channel(Progress::default()).0,
        };
        (found.run)(Context::new(Arc::new(SystemClock)), work).await
    }

    async fn done(&self, action: &str, args: &[(&str, &str)]) -> Outputs {
        match self.perform(action, args).await {
            Outcome::Done(outputs) => outputs,
            outcome => panic!("{action}: {outcome:?}"),
        }
    }

    async fn failed(&self, action: &str, args: &[(&str, &str)]) -> Failure {
        match self.perform(action, args).await {
            Outcome::Failed(failure) => failure,
            outcome => panic!("{action}: {outcome:?}"),
        }
    }

    fn guest(&self) -> PathBuf {
        self.kept.path().join("ldap")
    }

    /// Where it is received.
    fn incoming(&self) -> PathBuf {
        self.guest().join(format!("incoming-{}", self.id.short()))
    }

    /// With one file of four bytes.
    async fn sealed(&self) -> PathBuf {
        fs::write(self.incoming().join("tree/file"), "text").unwrap();
        let sent = [("files", "2"), ("size", "4"), ("still", "yes")];
        self.done("complete-generation", &sent).await;
        self.done("seal-generation", &[]).await;
        self.guest().join(&self.name)
    }
}

#[tokio::test]
async fn a_generation_of_which_another_count_was_sent_is_not_complete() {
    let job = Job::new().await;
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
    let job = Job::new().await;
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
