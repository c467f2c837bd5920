# GUEST: the copy of the guest that placement names is here, whole and startable.

volume_exists "$1" || fail permanent VSJ0470 "there is no volume $1 here"
volume_is_own "$1" || fail permanent VSJ0471 "$1 is not a volume of its own"
guest_defined "$1" || fail permanent VSJ0472 "the guest $1 has no definition here"
if link_quarantined "$1"; then fail permanent VSJ0486 "the guest $1 is in quarantine"; fi
if ! guest_running "$1"; then
	# Its tree is a guest's: what it names is not followed.
	tree=$(volume_path "$1") init=
	for name in sbin/init bin/init usr/sbin/init usr/lib/systemd/systemd lib/systemd/systemd; do
		if [ -e "$tree/$name" ] || [ -L "$tree/$name" ]; then init=$name; fi
	done
	[ -n "$init" ] || fail permanent VSJ0487 "the guest $1 has nothing to start with"
fi
