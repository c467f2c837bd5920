# SUITE TREE MIRROR: makes the tree of a Debian that starts as a guest, without what makes it one: no host name, ids, keys,
# resolver, and no packages that are installed already. In a mount namespace of its own: what is mounted in it goes with it.

umask 022
set -- "$1" "$2" ${3:+"$3"}
debootstrap --variant=minbase --include=systemd-sysv,dbus,iproute2 "$@" 2>&1
cd "$2" || exit
rm -f etc/hostname etc/resolv.conf etc/machine-id var/lib/dbus/machine-id etc/ssh/ssh_host_* \
	var/cache/apt/archives/*.deb var/log/bootstrap.log
