//! `slaves.conf`: the hosts of the pool, `host[:option,…]` a line. Its format is that of VS-Tools, with more options.

use std::ops::Range;

use vsjob_engine::HostName;
use winnow::LocatingSlice;
use winnow::Parser;
use winnow::combinator::{opt, preceded, separated};
use winnow::error::EmptyError;
use winnow::token::{rest, take_till};

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
        let mut start = 0;
        for line in text.split_inclusive('\n') {
            if let Some(slave) = slave(line, start, &mut problems) {
                if slaves.hosts.iter().any(|known| known.name == slave.value.name) {
                    let message = format!("the host `{}` is named twice", slave.value.name);
                    problems.push(Problem::new("VSJ0204", slave.span, message));
                } else {
                    slaves.hosts.push(slave.value);
                }
            }
            start += line.len();
        }
        Problems::check(file, text, problems, slaves)
    }
}

/// Something, and which bytes of the file it is.
#[derive(Debug)]
struct At<T> {
    value: T,
    span: Range<usize>,
}

type Input<'a> = LocatingSlice<&'a str>;
type Word<'a> = (&'a str, Range<usize>);
/// A line is a host and its options, each with the value behind its `=`.
type Line<'a> = (Word<'a>, Vec<(Word<'a>, Option<Word<'a>>)>);

fn line<'a>(input: &mut Input<'a>) -> Result<Line<'a>, EmptyError> {
    let host = take_till(0.., ':').with_span();
    let value = preceded('=', take_till(0.., ',').with_span());
    let option = (take_till(0.., [',', '=']).with_span(), opt(value));
    let options = preceded(':', separated(1.., option, ','));
    (host, opt(options).map(Option::unwrap_or_default)).parse_next(input)
}

/// The host of a line, if it names one; what is wrong with the line goes to `problems`.
fn slave(text: &str, start: usize, problems: &mut Vec<Problem>) -> Option<At<Slave>> {
    let code = text.split('#').next().unwrap_or("").trim_end();
    let indent = code.len() - code.trim_start().len();
    let (code, start) = (code.trim_start(), start + indent);
    if code.is_empty() {
        return None;
    }
    let place = |span: &Range<usize>| span.start + start..span.end + start;
    let mut input = LocatingSlice::new(code);
    let ((host, host_span), options) = match line(&mut input) {
        Ok(parsed) => parsed,
        Err(_) => {
            let message = "a line is `host` or `host:option,option`";
            problems.push(Problem::new("VSJ0201", start..start + code.len(), message));
            return None;
        }
    };
    let left: &str = rest::<_, EmptyError>.parse_next(&mut input).unwrap_or("");
    if !left.is_empty() {
        let span = start + code.len() - left.len()..start + code.len();
        problems.push(Problem::new(
            "VSJ0201",
            span,
            format!("`{left}` is not expected here"),
        ));
    }
    let host_span = place(&host_span);
    let mut slave = match host.parse::<HostName>() {
        Ok(name) => Some(Slave::named(name)),
        Err(e) => {
            problems.push(Problem::new("VSJ0203", host_span.clone(), e.to_string()));
            None
        }
    };
    // The options of a host with a wrong name are looked at all the same.
    let mut scratch = None;
    let target = match (&mut slave, &mut scratch) {
        (Some(slave), _) => Some(slave),
        (None, scratch) => "x".parse().ok().map(|name| scratch.insert(Slave::named(name))),
    };
    if let Some(target) = target {
        for ((name, name_span), value) in options {
            let value = value.map(|(text, span)| (text.trim(), place(&span)));
            if let Err(problem) = set(target, name.trim(), place(&name_span), value) {
                problems.push(problem);
            }
        }
    }
    slave.map(|value| At {
        value,
        span: host_span,
    })
}

const OPTIONS: [&str; 11] = [
    "noselect", "compress", "relay", "bwlimit", "window", "driver", "storage", "network", "address", "port",
    "user",
];

/// Sets one option.
fn set(
    slave: &mut Slave,
    name: &str,
    span: Range<usize>,
    value: Option<(&str, Range<usize>)>,
) -> Result<(), Problem> {
    if !OPTIONS.contains(&name) {
        let message = format!("unknown option `{}`", crate::frame::printable(name));
        return Err(Problem::new("VSJ0202", span, message).hint(did_you_mean(name, OPTIONS)));
    }
    let flag = matches!(name, "noselect" | "compress" | "relay");
    let (text, at) = match (flag, value) {
        (true, None) => ("", span),
        (true, Some((_, at))) => return Err(Problem::new("VSJ0203", at, format!("`{name}` takes no value"))),
        (false, None) => {
            return Err(Problem::new(
                "VSJ0203",
                span,
                format!("`{name}` needs a value: `{name}=…`"),
            ));
        }
        (false, Some((text, at))) => (text, at),
    };
    let bad = |what: &str| {
        let message = format!("`{}` is not {what}", crate::frame::printable(text));
        Problem::new("VSJ0203", at.clone(), message)
    };
    match name {
        "noselect" => slave.noselect = true,
        "compress" => slave.compress = true,
        "relay" => slave.relay = true,
        "bwlimit" => slave.bwlimit = Some(bytes(text).ok_or_else(|| bad("a number of bytes such as `10m`"))?),
        "window" => slave.window = Some(window(text).ok_or_else(|| bad("hours such as `22:00-06:00`"))?),
        "driver" => slave.drivers.runtime = driver(RUNTIMES, text, bad)?,
        "storage" => slave.drivers.storage = driver(STORAGES, text, bad)?,
        "network" => slave.drivers.network = driver(NETWORKS, text, bad)?,
        "port" => {
            let port = text.parse().ok().filter(|&port| port > 0);
            slave.port = Some(port.ok_or_else(|| bad("a port number"))?);
        }
        "address" => slave.address = Some(ssh_word(text).ok_or_else(|| bad("an address"))?),
        _ => slave.user = Some(ssh_word(text).ok_or_else(|| bad("the name of a user"))?),
    }
    Ok(())
}

fn driver(
    drivers: &[&'static Driver],
    name: &str,
    bad: impl Fn(&str) -> Problem,
) -> Result<&'static Driver, Problem> {
    let known = || drivers.iter().map(|driver| driver.name);
    drivers
        .iter()
        .find(|driver| driver.name == name)
        .copied()
        .ok_or_else(|| {
            let all = known().collect::<Vec<_>>().join("`, `");
            bad(&format!("one of `{all}`")).hint(did_you_mean(name, known()))
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
