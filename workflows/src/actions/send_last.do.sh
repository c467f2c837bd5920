# GUEST JOB ADDRESS PORT USER HOST-KEY BYTES BWLIMIT COMPRESS RELAY: the last pass, from the tree of the guest that
# stands still. What the target answers is durable there.

guest_state "$1"
[ "$guest_state" = stopped ] || fail permanent VSJ0482 "the guest $1 runs"
volume_foreign "$1"
[ -z "$foreign" ] || fail permanent VSJ0473 "$1 contains $foreign, which a copy would miss"
transfer_to "$2" "$3" "$4" "$5" "$6" "${10}"
transfer_with "$8" "$9"
first=yes
[ ! -e "$jobs/$2/last" ] || first=no
: >"$jobs/$2/last"
transfer_send "$2" "$(volume_path "$1")" "$7" "last pass"
[ "$transfer_exit" != 24 ] || fail vanished VSJ0483 "files vanished from a guest that stands still"
transfer_judge "the last pass"
out files "$files"
out size "$size"
out sent "$sent"
# Of a pass that was begun twice rsync counts only the second half.
if [ "$first" = yes ]; then out grown "$((created - deleted))"; else out grown unknown; fi
