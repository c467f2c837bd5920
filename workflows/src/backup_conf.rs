//! `backup.conf`: the guests that are consolidated, and how: `guest:hot|cold[,option…]` a line. Its format is that of
//! VS-Tools, with more options. `backup --all` is about its guests; what it says of a guest is how that one is backed up
//! whenever a request does not say otherwise.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::str::FromStr;

use vsjob_workers::entry::{Choice, Entry, Word, entries};
use vsjob_workers::{Problem, Problems};

use crate::{GuestName, Keep, Line, SnapshotMode};

/// How a guest is consolidated.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BackupLine {
    /// While it runs, or stopped.
    pub mode: SnapshotMode,
    /// Which generations are kept; all, if nothing is said.
    pub keep: Option<Keep>,
    /// Patterns of what is left out.
    pub excludes: Vec<String>,
    /// What runs in the guest before its snapshot.
    pub pre: Line,
    /// What runs in it after.
    pub post: Line,
}

/// The guests of the file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BackupConf(BTreeMap<GuestName, BackupLine>);

const OPTIONS: [&str; 6] = ["hot", "cold", "keep", "exclude", "pre", "post"];

impl BackupConf {
    /// Reads the text of a file called `file`.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn parse(file: &str, text: &str) -> Result<Self, Problems> {
        let mut guests = BTreeMap::new();
        let mut problems = Vec::new();
        for entry in entries(text, &mut problems) {
            let how = how(&entry, &mut problems);
            match read::<GuestName>(&entry.name) {
                Ok(guest) if guests.contains_key(&guest) => {
                    let message = format!("the guest `{guest}` is named twice");
                    problems.push(Problem::new("VSJ0204", entry.name.span, message));
                }
                Ok(guest) => drop(guests.insert(guest, how)),
                Err(problem) => problems.push(problem),
            }
        }
        Problems::check(file, text, problems, Self(guests))
    }

    /// The guests, by name.
    pub fn guests(&self) -> impl Iterator<Item = &GuestName> {
        self.0.keys()
    }

    /// What the file says of the guest; hot, and nothing else, if it does not know it.
    #[must_use]
    pub fn of(&self, guest: &GuestName) -> BackupLine {
        self.0.get(guest).cloned().unwrap_or_default()
    }
}

/// What the options of an entry say; what is wrong with them goes to `problems`.
fn how(entry: &Entry<'_>, problems: &mut Vec<Problem>) -> BackupLine {
    let mut how = BackupLine::default();
    let (mut modes, before) = (0, problems.len());
    for option in &entry.options {
        modes += usize::from(matches!(option.name.text, "hot" | "cold"));
        problems.extend(set(&mut how, option).err());
    }
    let at = entry.name.span.clone();
    // Whoever mistyped the one meant it.
    if modes != 1 && problems.len() == before {
        let message = "a line says either hot or cold: `guest:hot`";
        problems.push(Problem::new("VSJ0203", at.clone(), message));
    }
    if how.mode == SnapshotMode::Cold && (how.pre != Line::default() || how.post != Line::default()) {
        let message =
            "a guest that is stopped for its snapshot runs nothing then: `pre` and `post` go with hot";
        problems.push(Problem::new("VSJ0203", at, message));
    }
    how
}

/// Sets one option.
fn set(how: &mut BackupLine, option: &Choice<'_>) -> Result<(), Problem> {
    match option.name.text {
        "hot" => how.mode = option.flag().map(|()| SnapshotMode::Hot)?,
        "cold" => how.mode = option.flag().map(|()| SnapshotMode::Cold)?,
        "keep" => how.keep = Some(read(option.value()?)?),
        "exclude" => how.excludes.push(read::<Line>(option.value()?)?.to_string()),
        "pre" => how.pre = read(option.value()?)?,
        "post" => how.post = read(option.value()?)?,
        _ => return Err(option.unknown(&OPTIONS)),
    }
    Ok(())
}

fn read<T: FromStr<Err: Display>>(word: &Word<'_>) -> Result<T, Problem> {
    let refused = |why: T::Err| Problem::new("VSJ0203", word.span.clone(), why.to_string());
    word.text.parse().map_err(refused)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_of_the_slides_is_read_as_it_is() {
        let text = "# Templates\netch1:cold\nlamp:cold\n\n# Supervision\nnagios:hot\nmunin:hot\ncri:hot\n\n\
                    # Divers\njabber:hot\nldap:hot\n";
        let all = BackupConf::parse("backup.conf", text).unwrap();
        let cold = |guest: &&GuestName| all.of(guest).mode == SnapshotMode::Cold;
        let told = |guest: &GuestName| guest.to_string();
        assert_eq!(
            all.guests().filter(cold).map(told).collect::<Vec<_>>(),
            ["etch1", "lamp"]
        );
        assert_eq!(all.guests().count(), 7);
    }

    #[test]
    fn a_line_says_what_is_kept_left_out_and_run_around_the_snapshot() {
        let text = "db:hot,keep=7d4w6m,exclude=/var/cache/*,exclude=\"/srv/a,b\",pre=\"dump --all # now\",post=sync\n";
        let all = BackupConf::parse("backup.conf", text).unwrap();
        let db = all.of(&"db".parse().unwrap());
        assert_eq!(db.keep, Some("7d4w6m".parse().unwrap()));
        assert_eq!(db.excludes, ["/var/cache/*", "/srv/a,b"]);
        assert_eq!(
            (db.pre.to_string(), db.post.to_string()),
            ("dump --all # now".into(), "sync".into())
        );
        assert_eq!(all.of(&"web".parse().unwrap()), BackupLine::default());
    }

    #[test]
    fn all_mistakes_are_told_at_once_each_with_its_place() {
        let text = "ldap\nweb:hott\nweb:hot,cold\ndb:cold,pre=dump\nDB:hot\nmail:hot,keep=7\nmail:hot,keep\n";
        insta::assert_snapshot!(BackupConf::parse("backup.conf", text).unwrap_err(), @r"
        backup.conf:1:1: VSJ0203: a line says either hot or cold: `guest:hot`
        backup.conf:2:5: VSJ0202: unknown option `hott` (did you mean `hot`?)
        backup.conf:3:1: VSJ0203: a line says either hot or cold: `guest:hot`
        backup.conf:3:1: VSJ0204: the guest `web` is named twice
        backup.conf:4:1: VSJ0203: a guest that is stopped for its snapshot runs nothing then: `pre` and `post` go with hot
        backup.conf:5:1: VSJ0203: `DB` is not a guest name: only a-z, 0-9 and `-` may stand in it
        backup.conf:6:15: VSJ0203: `7` is not a rule such as 7d4w6m
        backup.conf:7:1: VSJ0204: the guest `mail` is named twice
        backup.conf:7:10: VSJ0203: `keep` needs a value: `keep=…`
        ");
    }

    #[test]
    fn the_shipped_file_is_right_and_names_no_guest() {
        let shipped = include_str!("../../etc/backup.conf");
        assert_eq!(
            BackupConf::parse("backup.conf", shipped)
                .unwrap()
                .guests()
                .count(),
            0
        );
        for option in OPTIONS {
            assert!(
                shipped.contains(&format!("#   {option}")),
                "{option} is not described"
            );
        }
    }
}
