# FROM TO: what is called FROM is called TO, from any half-way point of itself. The volume goes first: as long as FROM has
# one, whatever is called TO is somebody else's.

if volume_exists "$1"; then
	guest_state "$1"
	[ "$guest_state" = stopped ] || fail permanent VSJ0482 "the guest $1 runs"
	if guest_enabled "$1"; then fail permanent VSJ0441 "the guest $1 is enabled"; fi
	if guest_defined "$2"; then fail permanent VSJ0476 "there is something called $2 here already"; fi
fi
volume_rename "$1" "$2"
guest_rename_definition "$1" "$2"
systemctl daemon-reload
