//! `create.conf`: what a new guest gets when its request does not say, `KEY=value` a line. Its keys are those of VS-Tools.

use std::net::IpAddr;

use super::problem::{Problem, Problems, did_you_mean};

/// The defaults of new guests. A limit of 0 is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CreateDefaults {
    /// The bridge that guests are on.
    pub device: String,
    /// The largest packet that they send; 0: as their link has it.
    pub mtu: u32,
    /// Their domain, where networks.conf names none.
    pub domain: Option<String>,
    /// Whom they ask for names, where networks.conf names nobody.
    pub nameservers: Vec<IpAddr>,
    /// The length of their prefix, where no network of networks.conf holds their address.
    pub prefix: Option<u8>,
    /// The most that their files may take, in MB.
    pub disk_limit: u32,
    /// Their memory, in MB.
    pub rss_limit: u32,
    /// Their /tmp, in MB; 0: not apart.
    pub tmpfs_limit: u32,
    /// Their processes.
    pub proc_limit: u32,
    /// Their part of the processors, in percent of one.
    pub cpu_limit: u32,
    /// What they are made from.
    pub method: CreateMethod,
    /// The template.
    pub template: Option<String>,
    /// Or the suite of Debian.
    pub distro: Option<String>,
    /// Where their packages come from.
    pub mirror: Option<String>,
    /// Where the updates of those come from.
    pub update_mirror: Option<String>,
}

/// What a guest is made from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CreateMethod {
    /// A template of the master.
    #[default]
    Template,
    /// A suite of Debian, built for it.
    Debootstrap,
}

impl Default for CreateDefaults {
    fn default() -> Self {
        Self {
            device: "br0".to_owned(),
            mtu: 0,
            domain: None,
            nameservers: vec![],
            prefix: None,
            disk_limit: 0,
            rss_limit: 0,
            tmpfs_limit: 0,
            proc_limit: 0,
            cpu_limit: 0,
            method: CreateMethod::Template,
            template: None,
            distro: None,
            mirror: None,
            update_mirror: None,
        }
    }
}

/// All keys. The last two are those of VS-Tools that say nothing to the drivers that there are.
const KEYS: [&str; 17] = [
    "DEFAULT_DEVICE",
    "MTU",
    "DEFAULT_DOMAIN",
    "DEFAULT_NAMESERVER",
    "DEFAULT_PREFIX",
    "DEFAULT_DISK_LIMIT",
    "DEFAULT_RSS_LIMIT",
    "DEFAULT_TMPFS_LIMIT",
    "DEFAULT_PROC_LIMIT",
    "DEFAULT_CPU_LIMIT",
    "DEFAULT_TEMPLATE",
    "DEFAULT_METHOD",
    "DEFAULT_DISTRO",
    "MAIN_MIRROR",
    "UPDATE_MIRROR",
    "FAKE_OS",
    "CONTEXT_METHOD",
];

impl CreateDefaults {
    /// Reads the text of a file called `file`.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn parse(file: &str, text: &str) -> Result<Self, Problems> {
        let mut defaults = Self::default();
        let mut problems = Vec::new();
        let mut start = 0;
        for line in text.split_inclusive('\n') {
            defaults.read(line, start, &mut problems);
            start += line.len();
        }
        Problems::check(file, text, problems, defaults)
    }

    fn read(&mut self, line: &str, start: usize, problems: &mut Vec<Problem>) {
        let code = line.split('#').next().unwrap_or("").trim_end();
        let start = start + code.len() - code.trim_start().len();
        let code = code.trim_start();
        if code.is_empty() {
            return;
        }
        let Some((key, text)) = code.split_once('=') else {
            let message = "a line is `KEY=value`";
            problems.push(Problem::new("VSJ0201", start..start + code.len(), message));
            return;
        };
        let span = start..start + key.len();
        let key = key.trim();
        if !KEYS.contains(&key) {
            let message = format!("unknown key `{}`", crate::frame::printable(key));
            problems.push(Problem::new("VSJ0202", span, message).hint(did_you_mean(key, KEYS)));
            return;
        }
        let text = text.trim().trim_matches('"');
        if let Err(what) = self.set(key, text) {
            let message = format!("`{}` is not {what}", crate::frame::printable(text));
            let span = start + code.len() - code.split_once('=').map_or(0, |(_, value)| value.len())
                ..start + code.len();
            problems.push(Problem::new("VSJ0203", span, message));
        }
    }

    /// Sets one key, or says what its value should have been.
    fn set(&mut self, key: &str, text: &str) -> Result<(), &'static str> {
        let number = |what| text.parse::<u32>().map_err(|_| what);
        let label = |what, longest, inner| {
            vsjob_engine::check_label(text, what, longest, inner)
                .map(|()| text.to_owned())
                .map_err(|_| what)
        };
        match key {
            "DEFAULT_DEVICE" => self.device = label("a network device", 15, ".-")?,
            "MTU" => {
                let mtu = text.parse().ok().filter(|bytes| matches!(bytes, 0 | 68..=65535));
                self.mtu = mtu.ok_or("a number of bytes from 68 to 65535, or 0")?;
            }
            "DEFAULT_DOMAIN" => self.domain = Some(label("a domain", 253, ".-")?),
            "DEFAULT_NAMESERVER" => {
                for word in text.split([' ', ',']).filter(|word| !word.is_empty()) {
                    self.nameservers
                        .push(word.parse().map_err(|_| "the address of a name server")?);
                }
            }
            "DEFAULT_PREFIX" => {
                let prefix = text.parse().ok().filter(|bits| (1..=128).contains(bits));
                self.prefix = Some(prefix.ok_or("the length of a prefix, such as 24")?);
            }
            "DEFAULT_DISK_LIMIT" => self.disk_limit = number("a number of megabytes")?,
            "DEFAULT_RSS_LIMIT" => self.rss_limit = number("a number of megabytes")?,
            "DEFAULT_TMPFS_LIMIT" => self.tmpfs_limit = number("a number of megabytes")?,
            "DEFAULT_PROC_LIMIT" => self.proc_limit = number("a number of processes")?,
            "DEFAULT_CPU_LIMIT" => self.cpu_limit = percent(text).ok_or("a ratio such as 9/10")?,
            "DEFAULT_TEMPLATE" => {
                let name = template_of(text);
                let checked = vsjob_engine::check_label(name, "a template name", 63, ".-");
                checked.map_err(|_| "a template name")?;
                self.template = Some(name.to_owned());
            }
            "DEFAULT_METHOD" => {
                self.method = match text {
                    "template" => CreateMethod::Template,
                    "debootstrap" => CreateMethod::Debootstrap,
                    _ => return Err("`template` or `debootstrap`"),
                }
            }
            "DEFAULT_DISTRO" => self.distro = Some(label("a suite of Debian", 63, ".-")?),
            "MAIN_MIRROR" => self.mirror = Some(mirror(text)?),
            "UPDATE_MIRROR" => self.update_mirror = Some(mirror(text)?),
            _ => {}
        }
        Ok(())
    }
}

fn mirror(text: &str) -> Result<String, &'static str> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/:._-~+%".contains(c);
    let known = ["http://", "https://", "ftp://"];
    match known.iter().any(|scheme| text.starts_with(scheme)) && text.chars().all(plain) {
        true => Ok(text.to_owned()),
        false => Err("the address of a mirror"),
    }
}

/// The template of which VS-Tools knew the archive: templates of the master have names.
fn template_of(text: &str) -> &str {
    let Some((_, file)) = text.rsplit_once('/') else {
        return text;
    };
    let endings = [".tgz", ".tar.gz", ".tar.xz", ".tar.zst", ".tar"];
    let name = endings.iter().find_map(|ending| file.strip_suffix(ending));
    name.unwrap_or(file)
}

/// `9/10`: in percent of one processor.
fn percent(text: &str) -> Option<u32> {
    let (part, whole) = text.split_once('/').unwrap_or((text, "1"));
    let (part, whole): (u32, u32) = (part.parse().ok()?, whole.parse().ok()?);
    part.checked_mul(100)?.checked_div(whole)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_of_the_slides_is_read_as_it_is() {
        let text = "DEFAULT_DEVICE=eth0\n#MTU=1496\nDEFAULT_DOMAIN=univ-reims.fr\nDEFAULT_NAMESERVER=\"193.50.208.4\"\n\
                    #DEFAULT_PREFIX=24\nDEFAULT_DISK_LIMIT=1024\nDEFAULT_RSS_LIMIT=128\nDEFAULT_TMPFS_LIMIT=16\n\
                    DEFAULT_PROC_LIMIT=150\nDEFAULT_CPU_LIMIT=9/10\nFAKE_OS=2.6.8\nCONTEXT_METHOD=cnt\n\
                    DEFAULT_METHOD=template\nDEFAULT_TEMPLATE=/vservers/.TEMPLATES/etch1.tgz\nDEFAULT_DISTRO=etch\n\
                    MAIN_MIRROR=ftp://ftp.fr.debian.org/debian\nUPDATE_MIRROR=http://security.debian.org\n";
        assert_eq!(
            CreateDefaults::parse("create.conf", text).unwrap(),
            CreateDefaults {
                device: "eth0".to_owned(),
                domain: Some("univ-reims.fr".to_owned()),
                nameservers: vec!["193.50.208.4".parse().unwrap()],
                disk_limit: 1024,
                rss_limit: 128,
                tmpfs_limit: 16,
                proc_limit: 150,
                cpu_limit: 90,
                method: CreateMethod::Template,
                template: Some("etch1".to_owned()),
                distro: Some("etch".to_owned()),
                mirror: Some("ftp://ftp.fr.debian.org/debian".to_owned()),
                update_mirror: Some("http://security.debian.org".to_owned()),
                ..CreateDefaults::default()
            }
        );
    }

    #[test]
    fn what_is_not_set_stays_as_it_is() {
        let text = "DEFAULT_DEVICE=br1\nDEFAULT_NAMESERVER=10.0.3.6 10.0.3.7 # two\nDEFAULT_CPU_LIMIT=9/10\nFAKE_OS=x\n";
        let defaults = CreateDefaults::parse("create.conf", text).unwrap();
        assert_eq!((defaults.device.as_str(), defaults.cpu_limit), ("br1", 90));
        assert_eq!(defaults.nameservers.len(), 2);
        assert_eq!(defaults.rss_limit, 0);
    }

    #[test]
    fn all_mistakes_are_told_at_once_each_with_its_place() {
        let text = "DEFAULT_DEVCE=br0\nMTU=big\nnothing\nDEFAULT_CPU_LIMIT=1/0\nMAIN_MIRROR=http://x/$(y)\nDEFAULT_METHOD=rpm\n";
        insta::assert_snapshot!(CreateDefaults::parse("create.conf", text).unwrap_err(), @r"
        create.conf:1:1: VSJ0202: unknown key `DEFAULT_DEVCE` (did you mean `DEFAULT_DEVICE`?)
        create.conf:2:5: VSJ0203: `big` is not a number of bytes from 68 to 65535, or 0
        create.conf:3:1: VSJ0201: a line is `KEY=value`
        create.conf:4:19: VSJ0203: `1/0` is not a ratio such as 9/10
        create.conf:5:13: VSJ0203: `http://x/$(y)` is not the address of a mirror
        create.conf:6:16: VSJ0203: `rpm` is not `template` or `debootstrap`
        ");
    }

    #[test]
    fn the_shipped_file_is_right_and_says_what_is_the_default() {
        let shipped = include_str!("../../../etc/create.conf");
        assert_eq!(
            CreateDefaults::parse("create.conf", shipped).unwrap(),
            CreateDefaults::default()
        );
        for key in KEYS {
            assert!(shipped.contains(&format!("{key}=")), "{key} is not described");
        }
    }
}
