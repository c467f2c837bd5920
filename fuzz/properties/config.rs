//! The files that describe the pool: what is accepted keeps its rules, and what is refused is told with its place, in
//! words that cannot act on a terminal.

use vsjob_workers::{CreateDefaults, Networks, Problems, Settings, Slaves};
use vsjob_workflows::{BackupConf, Line, SnapshotMode};

/// The bytes as each of the files.
pub(crate) fn config(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    match Slaves::parse("slaves.conf", text) {
        Ok(slaves) => slaves_keep_their_rules(&slaves),
        Err(problems) => are_told_with_their_place(&problems),
    }
    match Networks::parse("networks.conf", text) {
        Ok(networks) => networks_keep_their_rules(&networks),
        Err(problems) => are_told_with_their_place(&problems),
    }
    match CreateDefaults::parse("create.conf", text) {
        Ok(defaults) => {
            assert!(!defaults.device.contains(|c: char| c.is_control() || c == '/'));
            assert!(defaults.prefix.is_none_or(|prefix| prefix <= 128));
        }
        Err(problems) => are_told_with_their_place(&problems),
    }
    match BackupConf::parse("backup.conf", text) {
        Ok(all) => all.guests().for_each(|guest| {
            super::names::is_a_name(guest.as_str(), 46);
            let how = all.of(guest);
            let runs = how.pre != Line::default() || how.post != Line::default();
            assert!(how.mode == SnapshotMode::Hot || !runs);
        }),
        Err(problems) => are_told_with_their_place(&problems),
    }
    if let Err(problems) = Settings::parse("vsjob.toml", text) {
        are_told_with_their_place(&problems);
    }
}

fn slaves_keep_their_rules(slaves: &Slaves) {
    for (n, host) in slaves.hosts.iter().enumerate() {
        super::names::is_a_name(host.name.as_str(), 63);
        assert!(slaves.hosts[..n].iter().all(|before| before.name != host.name));
        for word in host.address.iter().chain(&host.user) {
            assert!(
                !word.is_empty() && !word.starts_with('-'),
                "{word:?} is an option of ssh"
            );
            assert!(
                !word.contains(|c: char| c.is_whitespace() || c.is_control()),
                "{word:?}"
            );
        }
        assert!(host.port != Some(0) && host.bwlimit != Some(0));
        assert!(
            host.window
                .is_none_or(|w| w.begin < 1440 && w.end < 1440 && w.begin != w.end)
        );
    }
}

fn networks_keep_their_rules(networks: &Networks) {
    let all = &networks.networks;
    for (n, network) in all.iter().enumerate() {
        assert!((1..=4094).contains(&network.vlan));
        assert!(network.net.contains(&network.gateway));
        assert!(all[..n].iter().all(|before| !before.net.contains(&network.net)));
        assert_eq!(networks.of(network.gateway), Some(network));
    }
}

fn are_told_with_their_place(problems: &Problems) {
    assert!(!problems.problems.is_empty());
    for problem in &problems.problems {
        let place = problem.span.clone();
        assert!(
            problems.text.get(place.clone()).is_some(),
            "{place:?} is no place: {problem:?}"
        );
        let (line, column) = problems.place(problem);
        assert!(line >= 1 && column >= 1);
        assert!(
            !problem
                .message
                .contains(|c: char| c.is_control() && c != '\n' && c != '\t'),
            "{:?}",
            problem.message
        );
    }
}
