# GUEST ADDRESS DEVICE BYTES REPLACES: a guest of that name can be brought here: there is room, and what it needs, and name
# and address are free, unless it takes the place of whoever has them. ADDRESS and DEVICE may be empty.

if [ "$5" = no ] && { volume_exists "$1" || guest_defined "$1"; }; then
	fail permanent VSJ0476 "there is something called $1 here already"
fi
if [ -n "$3" ] && ! link_device_exists "$3"; then
	fail permanent VSJ0475 "there is no bridge $3 here"
fi
command -v rsync >/dev/null || fail permanent VSJ0477 "there is no rsync here"
free=$(volume_free)
# A twentieth more: the copy's own metadata.
[ "$(($4 + $4 / 20))" -lt "$free" ] || fail permanent VSJ0478 "$4 bytes are needed, $free are free"
if [ "$5" = no ] && [ -n "$2" ] && [ -n "$3" ] && ! link_is_free "$3" "${2%/*}"; then
	fail permanent VSJ0490 "somebody answers at ${2%/*} already"
fi
