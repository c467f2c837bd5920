# The storage lvm: a volume has its whole size of the group from the beginning. A tenth of the group is left to snapshots.

# volume_size BYTES MEGABYTES: of a volume for so many bytes of files: the MEGABYTES, if they are given.
volume_size() {
	if [ "$2" != 0 ]; then printf '%s' "$(($2 * 1048576))"; else printf '%s' "$(($1 + $1 / 2 + 1073741824))"; fi
}

volume_needs() { volume_size "$@"; }

volume_allocate() {
	volume_change lvcreate -qq -y -Wy -n "$1" --addtag "$volume_tag" --addtag vsjob.raw -L "$(volume_megabytes "$2")m" "$group"
}

# volume_free: bytes that new volumes can have.
volume_free() {
	volume_look
	volume_report vgs -o vg_free,vg_size "$group" |
		awk '{ free = $1 - $2 / 10; printf "%.0f", (free > 0 ? free : 0) }'
}
