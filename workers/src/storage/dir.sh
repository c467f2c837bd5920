# A guest's volume is a plain folder, on whatever file system that is.

# volume_is_own NAME: whether it is a folder like any other, and no mount, which could not be renamed.
volume_is_own() {
	volume_exists "$1" || return
	while read -r _ _ _ _ volume_mount _; do
		[ "$volume_mount" != "$volumes/$1" ] || return
	done <"/proc/self/mountinfo"
}

volume_durable() { durable "$@"; }

volume_create() {
	volume_shelter
	mkdir -p "$volumes/$1"
	volume_durable "$volumes/$1"
}

# folder_delete NAME: with all that is in it, but not what is mounted there.
folder_delete() {
	[ -d "$volumes/$1" ] || return 0
	rm -rf --one-file-system "${volumes:?}/$1" || fail transient VSJ0451 "the volume $1 cannot be deleted"
	durable_tree "$volumes"
}

# volume_foreign NAME: sets foreign to the first thing in it that a copy would miss or should not have: a mount. Empty if
# there is none.
volume_foreign() { volume_mounted "$1"; }

# volume_used NAME: bytes that its files take. Only a look at each of them tells.
volume_used() {
	volume_usage=$(du -sx -B1 "$volumes/$1" 2>/dev/null | cut -f 1) || true
	printf '%s' "${volume_usage:-0}"
}

# volume_limit NAME MEGABYTES: nothing counts what a folder holds.
volume_limit() { printf 'nothing counts what the folder %s holds: it is not limited\n' "$1" >&2; }
