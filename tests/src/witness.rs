//! What hosts were really told to do: a recording of every byte that the master sent into its channels, made by the
//! hosts' sshd, and read as `workers/src/channel.sh` reads it.

use std::collections::BTreeMap;

use anyhow::{Context, bail, ensure};

use crate::site::Site;

/// What sshd runs on a host in place of what it is asked to run.
const RECORDER: &str = r#"
    case ${SSH_ORIGINAL_COMMAND:-} in
    *vsjob-channel*) tee "/root/heard/$$" | sh -c "$SSH_ORIGINAL_COMMAND" ;;
    *) exec sh -c "$SSH_ORIGINAL_COMMAND" ;;
    esac
"#;

/// The scripts of the workers themselves, which belong to no step. What is composed ends with these texts.
const OF_THE_WORKERS: [&str; 6] = [
    include_str!("../../workers/src/hello.sh"),
    include_str!("../../workers/src/claim.sh"),
    include_str!("../../workers/src/launch/follow.sh"),
    include_str!("../../workers/src/launch/stop.sh"),
    include_str!("../../workers/src/launch/forget.sh"),
    include_str!("../../workers/src/launch/end_channel.sh"),
];
const LAUNCH: &str = include_str!("../../workers/src/launch/launch.sh");

/// One script that a host was told to run.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Order {
    /// The host.
    pub host: String,
    /// In which run directory, `JOB-STEP-ATTEMPT`; none if it only reads.
    pub run: Option<String>,
    /// The first 12 digits of its hash, as the master told it.
    pub hash: String,
    /// Its whole text.
    pub text: String,
    /// Its arguments.
    pub args: Vec<String>,
}

/// From here on every host records what it is told. The master is started anew: channels that are open are not heard.
///
/// # Errors
/// A host cannot be prepared.
pub fn listen(site: &mut Site) -> anyhow::Result<()> {
    for host in site.hosts()? {
        let prepare = format!(
            "mkdir -p /root/heard
             cat >/root/recorder <<'END'
             {RECORDER}
END
             sed -i 's|^ssh-|command=\"sh /root/recorder\" &|' /root/.ssh/authorized_keys"
        );
        site.lab.run(&host, &prepare)?;
    }
    site.kill_master()?;
    site.start_master()
}

/// What every host was told so far to do for jobs, without what the workers do to launch and to follow that.
///
/// # Errors
/// A recording is not what a channel understands.
pub fn heard(site: &Site) -> anyhow::Result<Vec<Order>> {
    let mut orders = Vec::new();
    for host in site.hosts()? {
        let names = site.lab.run(&host, "ls /root/heard")?;
        for name in names.lines() {
            let stream = site.lab.run(&host, &format!("cat /root/heard/{name}"))?;
            orders.extend(read(&host, &stream).with_context(|| format!("{host}: channel {name}"))?);
        }
    }
    Ok(orders)
}

fn read(host: &str, stream: &str) -> anyhow::Result<Vec<Order>> {
    let mut texts: BTreeMap<&str, &str> = BTreeMap::new();
    let mut orders = Vec::new();
    let (_nonce, mut rest) = line(stream)?;
    while !rest.is_empty() {
        let (verb, more) = line(rest)?;
        match verb.split(' ').collect::<Vec<_>>()[..] {
            ["load"] => {
                let (head, more) = line(more)?;
                let (hash, bytes) = head.split_once(' ').context("a load without a length")?;
                let (text, more) = more.split_at_checked(bytes.parse()?).context("a short script")?;
                texts.insert(hash, text);
                rest = more;
            }
            ["run", _, hash, _, _, count] => {
                let mut args = Vec::new();
                rest = more;
                for _ in 0..count.parse()? {
                    let (arg, more) = line(rest)?;
                    args.push(arg);
                    rest = more;
                }
                orders.extend(order(host, hash, &args, &texts)?);
            }
            _ => bail!("`{verb}` is nothing that a channel understands"),
        }
    }
    Ok(orders)
}

/// What is ordered, if it is of a job.
fn order(
    host: &str,
    hash: &str,
    args: &[&str],
    texts: &BTreeMap<&str, &str>,
) -> anyhow::Result<Option<Order>> {
    let text = |hash: &str| texts.get(hash).copied().context("a script that was never sent");
    let order = |run: Option<&str>, hash: &str, args: &[&str]| {
        anyhow::Ok(Order {
            host: host.to_owned(),
            run: run.map(str::to_owned),
            hash: hash.to_owned(),
            text: text(hash)?.to_owned(),
            args: args.iter().map(|&arg| arg.to_owned()).collect(),
        })
    };
    let asked = text(hash)?;
    if asked.ends_with(LAUNCH) {
        ensure!(args.len() >= 6, "{args:?}");
        return Ok(Some(order(Some(args[0]), args[4], &args[6..])?));
    }
    if OF_THE_WORKERS.iter().any(|one| asked.ends_with(one)) {
        return Ok(None);
    }
    Ok(Some(order(None, hash, args)?))
}

fn line(text: &str) -> anyhow::Result<(&str, &str)> {
    text.split_once('\n').context("a line without an end")
}
