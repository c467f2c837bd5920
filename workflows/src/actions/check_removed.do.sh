# MOVED GUEST ADDRESS DEVICE: what was removed is here, and nobody has its name or its address by now.

volume_exists "$1" || fail permanent VSJ0470 "there is no volume $1 here"
if volume_exists "$2" || guest_defined "$2"; then
	fail permanent VSJ0476 "there is something called $2 here already"
fi
[ -n "$4" ] || exit 0
link_device_exists "$4" || fail permanent VSJ0475 "there is no bridge $4 here"
[ -z "$3" ] || link_is_free "$4" "${3%/*}" || fail permanent VSJ0490 "somebody answers at ${3%/*} already"
