# VOLUME GUEST ADDRESS GATEWAY DOMAIN NAMESERVERS MIRROR UPDATES MTU: makes the unpacked tree this guest's. NAMESERVERS are
# separated by blanks; UPDATES is the mirror of those; an MTU of 0 is the link's own. The tree is a stranger's: a link in it
# could lead to the host's own files, so each component of a path is looked at before it is entered, and a link in the last
# place is replaced, never followed.

root=$(volume_path "$1") name=$2 address=$3 gateway=$4 domain=$5 nameservers=$6 mirror=$7 updates=${8:-} mtu=${9:-0}
volume_exists "$1" || fail permanent VSJ0470 "there is no volume $1 here"

# enter DIRECTORY: makes a directory of the tree, component by component.
enter() {
	entered=$root
	rest=$1/
	while [ -n "$rest" ]; do
		entered=$entered/${rest%%/*}
		rest=${rest#*/}
		[ ! -L "$entered" ] || fail permanent VSJ0493 "in the template, ${entered#"$root"} is a link"
		[ -d "$entered" ] || mkdir "$entered"
	done
}

# put PATH: writes standard input to a file of the tree.
put() {
	enter "${1%/*}"
	[ ! -d "$root/$1" ] || [ -L "$root/$1" ] || fail permanent VSJ0493 "in the template, /$1 is a directory"
	rm -f "$root/$1"
	cat >"$root/$1"
}

printf '%s\n' "$name" | put etc/hostname
od -An -N16 -tx1 /dev/urandom | tr -d ' \n' | sed 's/$/\n/' | put etc/machine-id
chmod 444 "$root/etc/machine-id"
enter var/lib/dbus
rm -f "$root/var/lib/dbus/machine-id"
{
	printf '127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n'
	printf '%s %s%s\n' "${address%/*}" "${domain:+$name.$domain }" "$name"
} | put etc/hosts
{
	[ -z "$domain" ] || printf 'search %s\n' "$domain"
	for server in $nameservers; do printf 'nameserver %s\n' "$server"; done
} | put etc/resolv.conf
if [ -n "$mirror" ] && [ -f "$root/etc/debian_version" ] && [ ! -L "$root/etc/debian_version" ]; then
	release=$(sed -n 's/^VERSION_CODENAME=\([a-z]*\)$/\1/p' "$root/usr/lib/os-release")
	case $release in
	woody | sarge | etch | lenny | squeeze | wheezy | jessie | stretch | buster) suite=$release/updates ;;
	*) suite=$release-security ;;
	esac
	[ -z "$release" ] || {
		printf 'deb %s %s main\n' "$mirror" "$release"
		[ -z "$updates" ] || printf 'deb %s %s main\n' "$updates" "$suite"
	} | put etc/apt/sources.list
fi

# Of the same name as systemd's own file for containers, so that it takes its place.
{
	printf '[Match]\nKind=veth\nName=host0\nVirtualization=container\n'
	[ "$mtu" = 0 ] || printf '\n[Link]\nMTUBytes=%s\n' "$mtu"
	printf '\n[Network]\n'
	printf 'Address=%s\n' "$address"
	[ -z "$gateway" ] || printf 'Gateway=%s\n' "$gateway"
	printf 'LinkLocalAddressing=no\nLLDP=no\nIPv6AcceptRA=no\n'
} | put etc/systemd/network/80-container-host0.network
enter etc/systemd/system/multi-user.target.wants
ln -sfn /lib/systemd/system/systemd-networkd.service \
	"$root/etc/systemd/system/multi-user.target.wants/systemd-networkd.service"

# systemd would make these subvolumes, which no copy of the guest would hold.
enter var/lib/machines
enter var/lib/portables

if [ -f "$root/usr/sbin/sshd" ] || [ -f "$root/lib/systemd/system/ssh.service" ]; then
	enter etc/ssh
	rm -f "$root"/etc/ssh/ssh_host_*
	keys=$(mktemp -d)
	trap 'rm -rf "$keys"' EXIT
	for type in ed25519 rsa; do
		ssh-keygen -q -t "$type" -N '' -C "root@$name" -f "$keys/key_$type" >&2
		put "etc/ssh/ssh_host_${type}_key" <"$keys/key_$type"
		chmod 600 "$root/etc/ssh/ssh_host_${type}_key"
		put "etc/ssh/ssh_host_${type}_key.pub" <"$keys/key_$type.pub"
	done
fi
durable_tree "$root"
