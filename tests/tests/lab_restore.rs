//! A guest of a real host is destroyed, and brought back from its generation over SSH, through deaths of the master.

use anyhow::{Context, ensure};
use vsjob_tests::site::{ADDRESS, Site, answer, answers, until};
use vsjob_tests::{figures, lab_pool};

const BLOB: usize = 64 << 20;

/// Whatever a copy can get wrong.
const FILL: &str = r#"
    cd "$1/var/lib/machines/web" && mkdir -p 'srv/a b' && cd srv
    echo one >'a b/one'; ln 'a b/one' hard; ln -s ../../../../etc/passwd out
    printf x >"a b/$(printf 'new\nline')"; printf y >"a b/$(printf '\351')"; printf z >'#x'
    truncate -s 3M hole; printf end >>hole
    mknod null c 1 3; mkfifo pipe
    echo owned >owned; chown 123456:65432 owned; chmod 4751 owned; setfacl -m u:1234:rw owned
    mkdir inherits; setfacl -d -m u:1234:rwx inherits
    cp /bin/true capable; setcap cap_net_raw+ep capable
    touch -d '2001-02-03T04:05:06.789012345Z' 'a b/one'; touch -h -d '2002-02-03T04:05:06.5Z' out
"#;

/// Everything that is to be seen of these files, but for times that change when they are only looked at.
const LOOK: &str = r#"
    cd "$1/var/lib/machines/web/srv"
    find . -printf '%p %y %m %U:%G %s %T@ %n %l\n' | sort
    find . \( -type c -o -type b \) -exec stat -c '%n %t:%T' {} +
    find . -type f -exec sha256sum {} + | sort
    getfacl -n -R . ; getcap -r .
    stat -c %i 'a b/one' hard | uniq | wc -l
    [ $(stat -c %b hole) -lt 100 ] && echo holes
    sha256sum ../var/lib/data/blob ../etc/machine-id; stat -c '%y %a %u' ../var/lib/data/blob
"#;

/// What an intruder, or a hand that slips, may do.
const DESTROY: &str = "machinectl terminate web; systemctl stop systemd-nspawn@web; machinectl disable web
    until btrfs subvolume delete /var/lib/machines/web; do :; done
    rm -r /etc/systemd/nspawn/web.nspawn /etc/systemd/system/systemd-nspawn@web.service.d; systemctl daemon-reload";

/// Runs a text of this machine, with its tools, on what the first host has.
fn onlooker(site: &Site, text: &str) -> anyhow::Result<String> {
    let (mut sh, root) = lab_pool::host(&site.lab, "vsh-01")?.onlooker("sh")?;
    let output = sh.args(["-euc", text, "sh"]).arg(root).output()?;
    ensure!(output.status.success(), "{output:?}");
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

#[test]
fn a_guest_that_was_destroyed_answers_again_as_it_was_through_deaths_of_the_master() -> anyhow::Result<()> {
    let Some(mut site) = Site::with_slow_guest(BLOB)? else {
        return Ok(());
    };
    onlooker(&site, FILL)?;
    let was = onlooker(&site, LOOK)?;
    ensure!(
        was.contains("user:1234") && was.contains("cap_net_raw") && was.contains("holes"),
        "{was}"
    );
    site.succeeds(&site.submit(&["backup", "--name", "web"])?)?;
    site.lab.run("vsh-01", DESTROY)?;
    ensure!(answer(ADDRESS).is_none(), "it still answers");

    let id = site.submit(&["restore", "--name", "web"])?;
    until("a part of it was sent", || {
        let job = site.job(&id)?;
        ensure!(
            job["over"] != true,
            "it is over: {}",
            site.vsjob(&["logs", &id])?.out
        );
        let sends = job["progress"]["note"] == "sending";
        Ok(sends && job["progress"]["bytes"].as_u64() > Some(8 << 20))
    })?;
    site.kill_master()?;
    site.start_master()?;
    let job = site.succeeds(&id)?;
    let mut steps = job["plan"].as_array().context("no plan")?.iter();
    let sent = steps.find_map(|step| step["outputs"]["sent"].as_str());
    let sent: u64 = sent.context("nothing was sent")?.parse()?;
    ensure!(sent < 32 << 20, "{sent} bytes went over the line again");

    answers(ADDRESS, "web")?;
    let is = onlooker(&site, LOOK)?;
    let lost: Vec<&str> = was
        .lines()
        .filter(|line| !is.lines().any(|own| own == *line))
        .collect();
    ensure!(
        lost.is_empty() && was.lines().count() == is.lines().count(),
        "{lost:#?}"
    );
    let enabled = "test -L /etc/systemd/system/machines.target.wants/systemd-nspawn@web.service";
    site.lab.run("vsh-01", enabled)?;
    figures::tell(format_args!(
        "a guest of {} MB restored, its master killed meanwhile: {sent} bytes in the last attempt",
        BLOB >> 20
    ));
    site.is_in_order()
}

#[test]
fn a_copy_of_last_night_runs_beside_the_living_guest_on_another_host() -> anyhow::Result<()> {
    let Some(site) = Site::with_guest()? else {
        return Ok(());
    };
    site.succeeds(&site.submit(&["backup", "--name", "web"])?)?;
    let other = "10.77.1.6";
    let id = site.submit(&[
        "restore",
        "--name",
        "web",
        "--as",
        "web-then",
        "--interface",
        other,
        "--host",
        "vsh-02",
    ])?;
    site.succeeds(&id)?;
    answers(other, "web-then")?;
    answers(ADDRESS, "web")?;
    let ids = [("vsh-01", "web"), ("vsh-02", "web-then")].map(|(host, guest)| {
        site.lab
            .run(host, &format!("cat /var/lib/machines/{guest}/etc/machine-id"))
    });
    let [one, two] = ids;
    ensure!(one? != two?, "they have one machine-id");
    site.is_in_order()
}

#[test]
fn a_guest_that_somebody_broke_into_is_put_back_and_kept_to_be_looked_at() -> anyhow::Result<()> {
    let Some(site) = Site::with_guest()? else {
        return Ok(());
    };
    site.succeeds(&site.submit(&["backup", "--name", "web"])?)?;
    let intrude = "cd /var/lib/machines/web && echo mallory >etc/hostname && echo open >etc/backdoor";
    site.lab.run("vsh-01", intrude)?;
    let id = site.submit(&["restore", "--name", "web", "--replace", "--grace", "never"])?;
    site.succeeds(&id)?;
    answers(ADDRESS, "web")?;
    let replaced = format!("web.replaced-{}", &id[id.len() - 8..]);
    let kept = format!("cat /var/lib/machines/{replaced}/etc/backdoor /etc/systemd/nspawn/{replaced}.nspawn");
    ensure!(site.lab.run("vsh-01", &kept)?.contains("open"));
    let gone = "cd /var/lib/machines/web && cat etc/hostname && test ! -e etc/backdoor";
    ensure!(site.lab.run("vsh-01", gone)?.trim() == "web");
    site.lab.reboot("vsh-01")?;
    answers(ADDRESS, "web")?;
    // Nobody owns it but whoever looks at it: it is shown until it is deleted.
    let left = site.vsjob(&["gc"])?.ok()?;
    ensure!(left.contains(&replaced), "{left}");
    let purge = ["purge", "--name", "web", "--host", "vsh-01", "--moved", &replaced];
    site.succeeds(&site.submit(&purge)?)?;
    site.is_in_order()
}
