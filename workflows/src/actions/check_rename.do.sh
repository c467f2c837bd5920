# GUEST TO: it is here, whole, and nobody is called TO.

volume_exists "$1" || fail permanent VSJ0470 "there is no volume $1 here"
volume_is_own "$1" || fail permanent VSJ0471 "$1 is not a volume of its own"
guest_defined "$1" || fail permanent VSJ0472 "the guest $1 has no definition here"
if volume_exists "$2" || guest_defined "$2"; then
	fail permanent VSJ0476 "there is something called $2 here already"
fi
