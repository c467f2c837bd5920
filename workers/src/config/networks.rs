//! `networks.conf`: the networks that guests are in, `vlan_id,network/prefix,gateway[,domain[,nameserver …]]` a line. Its
//! format is that of VS-Tools.

use std::net::IpAddr;
use std::ops::Range;

use ipnet::IpNet;

use super::problem::{Problem, Problems};

/// One network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Network {
    /// Its VLAN, from 1 to 4094. 1 with an untagged host network means: no tag.
    pub vlan: u16,
    /// Its addresses.
    pub net: IpNet,
    /// The way out of it.
    pub gateway: IpAddr,
    /// The domain of its guests.
    pub domain: Option<String>,
    /// Whom its guests ask for names.
    pub nameservers: Vec<IpAddr>,
}

/// The networks, in the order of the file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Networks {
    /// No two overlap.
    pub networks: Vec<Network>,
}

impl Networks {
    /// Reads the text of a file called `file`.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn parse(file: &str, text: &str) -> Result<Self, Problems> {
        let mut networks: Vec<Network> = Vec::new();
        let mut problems = Vec::new();
        let mut start = 0;
        for line in text.split_inclusive('\n') {
            if let Some((network, span)) = network(line, start, &mut problems) {
                let overlaps = |known: &&Network| {
                    known.net.contains(&network.net.network()) || network.net.contains(&known.net.network())
                };
                match networks.iter().find(overlaps) {
                    Some(known) => {
                        let message = format!("{} overlaps {}", network.net, known.net);
                        problems.push(Problem::new("VSJ0204", span, message));
                    }
                    None => networks.push(network),
                }
            }
            start += line.len();
        }
        Problems::check(file, text, problems, Self { networks })
    }

    /// The network that holds an address.
    #[must_use]
    pub fn of(&self, address: IpAddr) -> Option<&Network> {
        self.networks
            .iter()
            .find(|network| network.net.contains(&address))
    }
}

/// The network of a line, if it names one, and where its addresses stand; what is wrong with it goes to `problems`.
fn network(text: &str, start: usize, problems: &mut Vec<Problem>) -> Option<(Network, Range<usize>)> {
    let code = text.split('#').next().unwrap_or("").trim_end();
    if code.trim().is_empty() {
        return None;
    }
    let mut fields = fields(code, start).into_iter();
    let before = problems.len();
    let whole = start..start + code.len();
    let mut need = |what: &'static str| fields.next().ok_or(what);
    let (vlan, net, gateway) = match (need("a VLAN"), need("a network"), need("a gateway")) {
        (Ok(vlan), Ok(net), Ok(gateway)) => (vlan, net, gateway),
        _ => {
            let message = "a line is `vlan,network/prefix,gateway[,domain[,nameserver…]]`";
            problems.push(Problem::new("VSJ0201", whole, message));
            return None;
        }
    };
    let mut bad = |field: &Field<'_>, what: &str| {
        let message = format!("`{}` is not {what}", crate::frame::printable(field.text));
        problems.push(Problem::new("VSJ0203", field.span.clone(), message));
    };
    let number = vlan.text.parse().ok().filter(|id| (1..=4094).contains(id));
    if number.is_none() {
        bad(&vlan, "a VLAN from 1 to 4094");
    }
    let addresses = net
        .text
        .parse::<IpNet>()
        .ok()
        .filter(|net| net.network() == net.addr());
    if addresses.is_none() {
        bad(&net, "a network such as 10.0.1.0/24");
    }
    let way_out = gateway.text.parse::<IpAddr>().ok();
    let inside = |way_out: &IpAddr| addresses.is_none_or(|net| net.contains(way_out));
    if way_out.filter(inside).is_none() {
        bad(&gateway, "an address in that network");
    }
    let domain = fields.next().filter(|field| !field.text.is_empty());
    if let Some(domain) = &domain
        && vsjob_engine::check_label(domain.text, "domain", 253, "-.").is_err()
    {
        bad(domain, "a domain");
    }
    let mut nameservers = Vec::new();
    for field in fields {
        match field.text.parse() {
            Ok(server) => nameservers.push(server),
            Err(_) => bad(&field, "the address of a name server"),
        }
    }
    if problems.len() > before {
        return None;
    }
    let network = Network {
        vlan: number?,
        net: addresses?,
        gateway: way_out?,
        domain: domain.map(|domain| domain.text.to_owned()),
        nameservers,
    };
    Some((network, net.span))
}

struct Field<'a> {
    text: &'a str,
    span: Range<usize>,
}

/// What stands between commas, without the blanks around it; behind the domain blanks separate too.
fn fields(code: &str, start: usize) -> Vec<Field<'_>> {
    let mut fields = Vec::new();
    let mut at = 0;
    for (n, part) in code.split(',').enumerate() {
        let words: Vec<&str> = match n {
            0..=3 => vec![part.trim()],
            _ => part.split_whitespace().collect(),
        };
        let mut from = 0;
        for word in words {
            let offset = part[from..].find(word).map_or(from, |found| found + from);
            let begin = start + at + offset;
            fields.push(Field {
                text: word,
                span: begin..begin + word.len(),
            });
            from = offset + word.len();
        }
        at += part.len() + 1;
    }
    fields
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_of_the_slides_is_read_as_it_is() {
        let text = "# vlan_id,network_address/prefix,gateway[,domain[,nameserver ...\n\n\
                    1,10.0.1.0/24,10.0.1.1,foo.bar,10.0.3.6\n2,10.0.2.0/24,10.0.2.1\n\
                    3,10.0.3.0/24,10.0.3.1,foo.bar,10.0.3.5 10.0.3.6\n";
        let networks = Networks::parse("networks.conf", text).unwrap();
        let address = |text: &str| text.parse::<std::net::IpAddr>().unwrap();
        for (number, vlan, domain, servers) in [
            (1, 1, Some("foo.bar"), &["10.0.3.6"][..]),
            (2, 2, None, &[]),
            (3, 3, Some("foo.bar"), &["10.0.3.5", "10.0.3.6"]),
        ] {
            let of = networks.of(address(&format!("10.0.{number}.7"))).unwrap();
            assert_eq!((of.vlan, of.domain.as_deref()), (vlan, domain));
            assert_eq!(of.gateway, address(&format!("10.0.{number}.1")));
            let wanted: Vec<_> = servers.iter().map(|server| address(server)).collect();
            assert_eq!(of.nameservers, wanted);
        }
    }

    #[test]
    fn a_line_is_a_network_and_who_serves_it() {
        let text =
            "# ours\n1,10.0.1.0/24,10.0.1.1,foo.bar,10.0.3.6 10.0.3.7\n2, 10.0.2.0/24 ,10.0.2.1 # no names\n";
        let networks = Networks::parse("networks.conf", text).unwrap();
        let first = networks.of("10.0.1.77".parse().unwrap()).unwrap();
        assert_eq!((first.vlan, first.nameservers.len()), (1, 2));
        assert_eq!(first.domain.as_deref(), Some("foo.bar"));
        assert_eq!(networks.networks[1].domain, None);
        assert!(networks.of("10.0.3.6".parse().unwrap()).is_none());
    }

    #[test]
    fn all_mistakes_are_told_at_once_each_with_its_place() {
        let text = "0,10.0.1.7/24,10.0.2.1\n1,10.0.3.0/24\n1,10.0.4.0/24,10.0.4.1,a;b,me\n2,10.0.5.0/24,10.0.5.1\n3,10.0.5.128/25,10.0.5.129\n";
        insta::assert_snapshot!(Networks::parse("networks.conf", text).unwrap_err(), @r"
        networks.conf:1:1: VSJ0203: `0` is not a VLAN from 1 to 4094
        networks.conf:1:3: VSJ0203: `10.0.1.7/24` is not a network such as 10.0.1.0/24
        networks.conf:2:1: VSJ0201: a line is `vlan,network/prefix,gateway[,domain[,nameserver…]]`
        networks.conf:3:24: VSJ0203: `a;b` is not a domain
        networks.conf:3:28: VSJ0203: `me` is not the address of a name server
        networks.conf:5:3: VSJ0204: 10.0.5.128/25 overlaps 10.0.5.0/24
        ");
    }

    #[test]
    fn the_shipped_file_is_right_and_names_no_network() {
        let shipped = include_str!("../../../etc/networks.conf");
        assert_eq!(Networks::parse("networks.conf", shipped).unwrap().networks, []);
    }
}
