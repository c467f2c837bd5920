//! `slaves.conf`: the hosts of the pool, `host[:option,…]` a line. Its format is that of VS-Tools, with more options.

use vsjob_engine::HostName;

use super::entry::{Choice, Entry, Word, entries};
use super::problem::{Problem, Problems, did_you_mean};
use super::values::{Window, bytes, window};
use crate::network::NETWORKS;
use crate::runtime::RUNTIMES;
use crate::storage::STORAGES;
use crate::{Driver, Drivers};

/// One host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slave {
    /// Its name.
    pub name: HostName,
    /// Never picked automatically.
    pub noselect: bool,
    /// Compress what is copied from and to it.
    pub compress: bool,
    /// It and other hosts cannot reach each other: what is copied from and to it goes through the master.
    pub relay: bool,
    /// Bytes a second at most that are copied from it.
    pub bwlimit: Option<u64>,
    /// Large copies only then.
    pub window: Option<Window>,
    /// Its drivers.
    pub drivers: Drivers,
    /// Where to reach it, if not by its name.
    pub address: Option<String>,
    /// Where its sshd listens, if not where the SSH configuration says.
    pub port: Option<u16>,
    /// Who we are there, if not who the SSH configuration says.
    pub user: Option<String>,
}

impl Slave {
    /// A host with no options.
    #[must_use]
    pub fn named(name: HostName) -> Self {
        Self {
            name,
            noselect: false,
            compress: false,
            relay: false,
            bwlimit: None,
            window: None,
            drivers: Drivers::default(),
            address: None,
            port: None,
            user: None,
        }
    }
}

/// The hosts of the pool, in the order of the file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Slaves {
    /// Each of another name.
    pub hosts: Vec<Slave>,
}

impl Slaves {
    /// Reads the text of a file called `file`.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn parse(file: &str, text: &str) -> Result<Self, Problems> {
        let mut slaves = Self::default();
        let mut problems = Vec::new();
        for entry in entries(text, &mut problems) {
            let Some(slave) = slave(&entry, &mut problems) else {
                continue;
            };
            if slaves.hosts.iter().any(|known| known.name == slave.name) {
                let message = format!("the host `{}` is named twice", slave.name);
                problems.push(Problem::new("VSJ0204", entry.name.span, message));
            } else {
                slaves.hosts.push(slave);
            }
        }
        Problems::check(file, text, problems, slaves)
    }
}

/// The host of an entry, if its name is one; what is wrong with it goes to `problems`.
fn slave(entry: &Entry<'_>, problems: &mut Vec<Problem>) -> Option<Slave> {
    let named = entry.name.text.parse::<HostName>();
    if let Err(e) = &named {
        problems.push(Problem::new("VSJ0203", entry.name.span.clone(), e.to_string()));
    }
    // The options of a host with a wrong name are looked at all the same.
    let name = named.as_ref().ok().cloned().or_else(|| "x".parse().ok())?;
    let mut slave = Slave::named(name);
    for option in &entry.options {
        problems.extend(set(&mut slave, option).err());
    }
    named.is_ok().then_some(slave)
}

const OPTIONS: [&str; 11] = [
    "noselect", "compress", "relay", "bwlimit", "window", "driver", "storage", "network", "address", "port",
    "user",
];

/// Sets one option.
fn set(slave: &mut Slave, option: &Choice<'_>) -> Result<(), Problem> {
    let value = || option.value();
    match option.name.text {
        "noselect" => slave.noselect = option.flag().map(|()| true)?,
        "compress" => slave.compress = option.flag().map(|()| true)?,
        "relay" => slave.relay = option.flag().map(|()| true)?,
        "bwlimit" => slave.bwlimit = Some(read(value()?, bytes, "a number of bytes such as `10m`")?),
        "window" => slave.window = Some(read(value()?, window, "hours such as `22:00-06:00`")?),
        "driver" => slave.drivers.runtime = driver(RUNTIMES, value()?)?,
        "storage" => slave.drivers.storage = driver(STORAGES, value()?)?,
        "network" => slave.drivers.network = driver(NETWORKS, value()?)?,
        "port" => slave.port = Some(read(value()?, port, "a port number")?),
        "address" => slave.address = Some(read(value()?, ssh_word, "an address")?),
        "user" => slave.user = Some(read(value()?, ssh_word, "the name of a user")?),
        _ => return Err(option.unknown(&OPTIONS)),
    }
    Ok(())
}

fn read<T>(value: &Word<'_>, read: impl Fn(&str) -> Option<T>, what: &str) -> Result<T, Problem> {
    read(value.text).ok_or_else(|| value.is_not(what))
}

fn port(text: &str) -> Option<u16> {
    text.parse().ok().filter(|&port| port > 0)
}

fn driver(drivers: &[&'static Driver], value: &Word<'_>) -> Result<&'static Driver, Problem> {
    let known = || drivers.iter().map(|driver| driver.name);
    let named = drivers.iter().find(|driver| driver.name == value.text);
    named.copied().ok_or_else(|| {
        let all = known().collect::<Vec<_>>().join("`, `");
        let problem = value.is_not(format_args!("one of `{all}`"));
        problem.hint(did_you_mean(value.text, known()))
    })
}

/// A word that `ssh` takes for an address or a user, and never for an option.
fn ssh_word(text: &str) -> Option<String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "._-:%".contains(c);
    (!text.is_empty() && !text.starts_with('-') && text.chars().all(plain)).then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_of_the_slides_is_read_as_it_is() {
        let text = "vsh-00:noselect\nvsh-01\nvsh-02\n#vsh-03\nvsh-04:bwlimit=10m\nvsh-05:compress,bwlimit=512k\nvsh-06\n";
        let named = |name: &str| Slave::named(name.parse().unwrap());
        let wanted = [
            Slave {
                noselect: true,
                ..named("vsh-00")
            },
            named("vsh-01"),
            named("vsh-02"),
            Slave {
                bwlimit: Some(10 << 20),
                ..named("vsh-04")
            },
            Slave {
                compress: true,
                bwlimit: Some(512 << 10),
                ..named("vsh-05")
            },
            named("vsh-06"),
        ];
        assert_eq!(Slaves::parse("slaves.conf", text).unwrap().hosts, wanted);
    }

    #[test]
    fn a_line_is_a_host_and_its_options() {
        let text = "# the pool\n\nvsh-01\n  vsh-02:noselect,bwlimit=10m,window=22:00-06:00 # old\n\
                    vsh-03:address=fe80::1%eth0,port=2222,user=admin,compress,relay,driver=nspawn,storage=btrfs\n";
        let hosts = Slaves::parse("slaves.conf", text).unwrap().hosts;
        let names: Vec<_> = hosts.iter().map(|host| host.name.as_str()).collect();
        assert_eq!(names, ["vsh-01", "vsh-02", "vsh-03"]);
        assert!(hosts[1].noselect && !hosts[0].noselect && hosts[2].compress && hosts[2].relay);
        assert_eq!(hosts[1].bwlimit, Some(10 << 20));
        assert_eq!(hosts[2].address.as_deref(), Some("fe80::1%eth0"));
        assert_eq!(
            (hosts[2].port, hosts[2].user.as_deref()),
            (Some(2222), Some("admin"))
        );
    }

    #[test]
    fn all_mistakes_are_told_at_once_each_with_its_place() {
        let text = "vsh_01\nvsh-02:noselct,bwlimit=fast\nvsh-03:driver=nspwan\nvsh-02:port\nvsh-02:user=-oProxyCommand=x\n";
        insta::assert_snapshot!(Slaves::parse("slaves.conf", text).unwrap_err(), @r"
        slaves.conf:1:1: VSJ0203: `vsh_01` is not a host name: only a-z, 0-9 and `-` may stand in it
        slaves.conf:2:8: VSJ0202: unknown option `noselct` (did you mean `noselect`?)
        slaves.conf:2:24: VSJ0203: `fast` is not a number of bytes such as `10m`
        slaves.conf:3:15: VSJ0203: `nspwan` is not one of `nspawn` (did you mean `nspawn`?)
        slaves.conf:4:1: VSJ0204: the host `vsh-02` is named twice
        slaves.conf:4:8: VSJ0203: `port` needs a value: `port=…`
        slaves.conf:5:1: VSJ0204: the host `vsh-02` is named twice
        slaves.conf:5:13: VSJ0203: `-oProxyCommand=x` is not the name of a user
        ");
    }

    #[test]
    fn the_shipped_file_is_right_and_names_no_host() {
        let shipped = include_str!("../../../etc/slaves.conf");
        assert_eq!(Slaves::parse("slaves.conf", shipped).unwrap().hosts, []);
        for option in OPTIONS {
            assert!(
                shipped.contains(&format!("#   {option}")),
                "{option} is not described"
            );
        }
    }
}
