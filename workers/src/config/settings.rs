//! `vsjob.toml`: the settings of the master. The shipped file is compiled in and is the reference: what it does not
//! have is unknown, what it has is the default, and its values say what type a value has.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::PathBuf;
use std::time::Duration;

use toml::de::{DeTable, DeValue};
use vsjob_engine::{Schedule, ScheduleName};

use super::problem::{Problem, Problems, did_you_mean};
use super::schedules;
use super::values::{bytes, duration};
use crate::SshOptions;

/// The file as shipped.
const SHIPPED: &str = include_str!("../../../etc/vsjob.toml");

/// What `vsjob.toml` says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The folder of the store.
    pub state: PathBuf,
    /// Where the master listens.
    pub socket: PathBuf,
    /// How many steps may run on one host at a time.
    pub slots_per_host: u32,
    /// How large the store may become.
    pub store: StoreSizes,
    /// How hosts are connected to.
    pub ssh: SshOptions,
    /// The folder of the generations of guests.
    pub generations: PathBuf,
    /// What a generation's tree is: `dir` or `btrfs`.
    pub generation_tree: String,
    /// The folder of paper hosts, if the hosts are such.
    pub paper: Option<PathBuf>,
    /// What is submitted by itself.
    pub schedules: BTreeMap<ScheduleName, Schedule>,
}

/// How large the store may become; sizes are in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoreSizes {
    /// At this size of the journal new work is refused; what is archived does not count.
    pub journal_limit: u64,
    /// When the journal has grown by so much, a snapshot of the state is written.
    pub snapshot_every: u64,
    /// So much is kept of what is archived.
    pub archive_limit: u64,
    /// How many jobs stay known when they are over.
    pub jobs_kept: u32,
}

impl Settings {
    /// Reads the text of a file called `file`. An empty text gives the shipped settings.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn parse(file: &str, text: &str) -> Result<Self, Problems> {
        let (shipped, _) = DeTable::parse_recoverable(SHIPPED);
        let (live, errors) = DeTable::parse_recoverable(text);
        let mut problems: Vec<Problem> = errors
            .iter()
            .map(|e| Problem::new("VSJ0201", e.span().unwrap_or(0..0), e.message()))
            .collect();
        if problems.is_empty() {
            compare("", live.get_ref(), shipped.get_ref(), &mut problems);
        }
        let schedules = schedules::read(live.get_ref(), &mut problems);
        let mut reader = Reader {
            shipped: shipped.get_ref(),
            live: live.get_ref(),
            problems,
        };
        let settings = Self {
            state: reader.text("master", "state").into(),
            socket: reader.text("master", "socket").into(),
            slots_per_host: reader.count("master", "slots-per-host"),
            store: StoreSizes {
                journal_limit: reader.bytes("store", "journal-limit"),
                snapshot_every: reader.bytes("store", "snapshot-every"),
                archive_limit: reader.bytes("store", "archive-limit"),
                jobs_kept: reader.count("store", "jobs-kept"),
            },
            ssh: SshOptions {
                config: optional(reader.text("ssh", "config")),
                control_directory: reader.text("ssh", "control-directory").into(),
                connect_timeout: reader.duration("ssh", "connect-timeout"),
                keep_alive: reader.duration("ssh", "keep-alive"),
            },
            generations: reader.text("generations", "folder").into(),
            generation_tree: reader.one_of("generations", "tree", &["dir", "btrfs", "lvm", "lvm-thin"]),
            paper: optional(reader.text("paper", "directory")),
            schedules,
        };
        Problems::check(file, text, reader.problems, settings)
    }
}

fn optional(text: String) -> Option<PathBuf> {
    (!text.is_empty()).then(|| text.into())
}

/// Tells what `live` has and `shipped` has not, or has in another type.
fn compare(path: &str, live: &DeTable<'_>, shipped: &DeTable<'_>, problems: &mut Vec<Problem>) {
    for (key, value) in live {
        let name: &str = key.get_ref();
        let full = format!("{path}{name}");
        // There may be any number of them, and none is shipped.
        if full == "schedule" {
            continue;
        }
        let Some(reference) = shipped.get(name) else {
            let known = shipped.iter().map(|(key, _)| -> &str { key.get_ref() });
            let message = format!("unknown key `{}`", crate::frame::printable(&full));
            problems.push(Problem::new("VSJ0202", key.span(), message).hint(did_you_mean(name, known)));
            continue;
        };
        match (value.get_ref(), reference.get_ref()) {
            (DeValue::Table(live), DeValue::Table(shipped)) => {
                compare(&format!("{full}."), live, shipped, problems);
            }
            (live, shipped) if live.same_type(shipped) => {}
            (live, shipped) => {
                let message = format!(
                    "`{full}` is of type {}, not {}",
                    shipped.type_str(),
                    live.type_str()
                );
                problems.push(Problem::new("VSJ0203", value.span(), message));
            }
        }
    }
}

/// Reads values of the live file, else of the shipped one.
struct Reader<'a> {
    shipped: &'a DeTable<'a>,
    live: &'a DeTable<'a>,
    problems: Vec<Problem>,
}

impl<'a> Reader<'a> {
    fn value(&self, section: &str, key: &str) -> Option<(&'a DeValue<'a>, Range<usize>)> {
        let of = |table: &'a DeTable<'a>| table.get(section)?.get_ref().get(key);
        let found = of(self.live).or_else(|| of(self.shipped))?;
        Some((found.get_ref(), found.span()))
    }

    fn text(&mut self, section: &str, key: &str) -> String {
        let value = self.value(section, key).and_then(|(value, _)| value.as_str());
        value.unwrap_or_default().to_owned()
    }

    fn one_of(&mut self, section: &str, key: &str, words: &[&str]) -> String {
        let said = self.text(section, key);
        if let Some((_, span)) = self.value(section, key)
            && !words.contains(&said.as_str())
        {
            let said = crate::frame::printable(&said);
            let message = format!("`{said}` is not one of `{}`", words.join("`, `"));
            self.problems.push(Problem::new("VSJ0203", span, message));
        }
        said
    }

    fn count(&mut self, section: &str, key: &str) -> u32 {
        let Some((DeValue::Integer(value), span)) = self.value(section, key) else {
            return 0;
        };
        let number = u32::from_str_radix(value.as_str(), value.radix())
            .ok()
            .filter(|&n| n > 0);
        if number.is_none() {
            let message = format!("`{section}.{key}` is at least 1, not {value}");
            self.problems.push(Problem::new("VSJ0203", span, message));
        }
        number.unwrap_or(1)
    }

    fn duration(&mut self, section: &str, key: &str) -> Duration {
        self.read(section, key, duration, "a duration such as `10s`")
    }

    fn bytes(&mut self, section: &str, key: &str) -> u64 {
        self.read(section, key, bytes, "a size such as `10m`")
    }

    fn read<T: Default>(
        &mut self,
        section: &str,
        key: &str,
        read: impl Fn(&str) -> Option<T>,
        wanted: &str,
    ) -> T {
        let Some((DeValue::String(text), span)) = self.value(section, key) else {
            return T::default();
        };
        let value = read(text);
        if value.is_none() {
            let message = format!("`{}` is not {wanted}", crate::frame::printable(text));
            self.problems.push(Problem::new("VSJ0203", span, message));
        }
        value.unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shipped_file_is_complete() {
        let settings = Settings::parse("vsjob.toml", "").unwrap();
        assert_eq!(settings, Settings::parse("vsjob.toml", SHIPPED).unwrap());
        assert_eq!(settings.slots_per_host, 4);
        assert_eq!(settings.store.snapshot_every, 64 << 20);
        assert_eq!(settings.ssh.connect_timeout, Duration::from_secs(10));
        assert_eq!((settings.ssh.config, settings.paper), (None, None));
    }

    #[test]
    fn a_file_overrides_what_it_names() {
        let text = "[ssh]\nconfig = \"/x/ssh_config\"\nkeep-alive = \"1m\"\n";
        let settings = Settings::parse("vsjob.toml", text).unwrap();
        assert_eq!(settings.ssh.config, Some("/x/ssh_config".into()));
        assert_eq!(settings.ssh.keep_alive, Duration::from_secs(60));
        assert_eq!(settings.slots_per_host, 4);
    }

    #[test]
    fn the_shipped_example_of_a_schedule_is_one_when_it_is_taken_in() {
        let (_, example) = SHIPPED.split_once("#[[schedule]]\n").unwrap();
        let lines = example.lines().map_while(|line| line.strip_prefix('#'));
        let text = format!("[[schedule]]\n{}", lines.collect::<Vec<_>>().join("\n"));
        let settings = Settings::parse("vsjob.toml", &text).unwrap();
        let (name, schedule) = settings.schedules.first_key_value().unwrap();
        assert_eq!(name.as_str(), "nightly");
        assert_eq!(
            (schedule.line.as_str(), schedule.zone.as_str()),
            ("30 2 * * *", "Europe/Paris")
        );
        assert_eq!(schedule.not_after.unwrap().to_string(), "06:00");
        assert_eq!(schedule.operation, "backup");
        assert_eq!(schedule.args, [("all".to_owned(), "true".to_owned())]);
    }

    #[test]
    fn all_mistakes_of_schedules_are_told() {
        let text = "[[schedule]]\nname = \"a b\"\ncron = \"61 * * * *\"\nzone = \"UTC\"\noperation = \"demo\"\nnot-after = \"6\"\noverlap = 5\nkron = \"x\"\nparameters = { a = [] }\n[[schedule]]\nname = \"x\"\n";
        insta::assert_snapshot!(Settings::parse("vsjob.toml", text).unwrap_err(), @r"
        vsjob.toml:2:8: VSJ0203: `a b` is not a name of a schedule: only a-z, 0-9 and `-` may stand in it
        vsjob.toml:3:8: VSJ0203: `61` is no minute: there is no such one
        vsjob.toml:6:13: VSJ0203: `6` is not a time of the day such as `06:00`
        vsjob.toml:7:11: VSJ0203: `schedule.overlap` is of type string
        vsjob.toml:8:1: VSJ0202: unknown key `schedule.kron` (did you mean `cron`?)
        vsjob.toml:9:20: VSJ0203: a parameter is a text, a number or true
        vsjob.toml:10:1: VSJ0203: the schedule has no `cron`
        vsjob.toml:10:1: VSJ0203: the schedule has no `zone`
        vsjob.toml:10:1: VSJ0203: the schedule has no `operation`
        ");
    }

    #[test]
    fn all_mistakes_are_told_at_once_each_with_its_place() {
        let text = "[master]\nstate = 5\nslots-per-hosts = 1\nslots-per-host = 0\n[store]\nsnapshot-every = \"much\"\n[shh]\nconfig = \"x\"\n[ssh]\nkeep-alive = \"soon\"\n";
        insta::assert_snapshot!(Settings::parse("vsjob.toml", text).unwrap_err(), @r"
        vsjob.toml:2:9: VSJ0203: `master.state` is of type string, not integer
        vsjob.toml:3:1: VSJ0202: unknown key `master.slots-per-hosts` (did you mean `slots-per-host`?)
        vsjob.toml:4:18: VSJ0203: `master.slots-per-host` is at least 1, not 0
        vsjob.toml:6:18: VSJ0203: `much` is not a size such as `10m`
        vsjob.toml:7:2: VSJ0202: unknown key `shh` (did you mean `ssh`?)
        vsjob.toml:10:14: VSJ0203: `soon` is not a duration such as `10s`
        ");
        let torn = "[master\nstate = \"x\n";
        insta::assert_snapshot!(Settings::parse("vsjob.toml", torn).unwrap_err(), @"vsjob.toml:1:8: VSJ0201: unclosed table, expected `]`");
    }
}
