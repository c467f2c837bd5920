# The storage btrfs: a guest's volume is a subvolume in /var/lib/machines. Volumes are named, and every function that
# makes, renames or removes one answers when that is durable.

volumes=$R/var/lib/machines

volume_path() { printf '%s' "$volumes/$1"; }
volume_exists() { [ -d "$volumes/$1" ] && [ ! -L "$volumes/$1" ]; }

# volume_is_own NAME: whether it is a subvolume, which only whole can be snapshotted.
volume_is_own() {
	btrfs subvolume show "$volumes/$1" >/dev/null 2>&1
}

volume_durable() {
	btrfs filesystem sync "$volumes" >&2
}

# In a folder that root alone may enter: a guest's root can make programs that run as the host's root.
volume_create() {
	mkdir -p "$volumes"
	chmod go= "$volumes"
	volume_exists "$1" || btrfs subvolume create "$volumes/$1" >&2
	volume_durable
}

# volume_snapshot NAME SNAPSHOT: a read-only picture of it as it is now, in place of an earlier one of that name.
volume_snapshot() {
	volume_delete "$2"
	btrfs subvolume snapshot -r "$volumes/$1" "$volumes/$2" >&2
}

# volume_delete NAME: with all that is nested in it. The search for what is nested runs over the whole tree, so it
# is made only when the volume cannot be deleted without.
volume_delete() {
	[ -d "$volumes/$1" ] || return 0
	if ! btrfs subvolume delete "$volumes/$1" >&2; then
		if volume_is_own "$1"; then
			btrfs property set -f -ts "$volumes/$1" ro false 2>/dev/null || true
			find "$volumes/$1" -depth -mindepth 1 -type d -inum 256 -exec btrfs subvolume delete {} + >&2
			btrfs subvolume delete "$volumes/$1" >&2 || fail transient VSJ0451 "the volume $1 cannot be deleted"
		else
			rm -rf --one-file-system "${volumes:?}/$1"
		fi
	fi
	volume_durable
}

# volume_rename FROM TO: from any half-way point of itself.
volume_rename() {
	if [ -e "$volumes/$1" ]; then
		[ ! -e "$volumes/$2" ] || fail permanent VSJ0452 "there is a volume $2 already"
		mv -T "$volumes/$1" "$volumes/$2"
	fi
	volume_durable
}

# volume_readable TEXT: bytes of a guest's tree as they may be shown.
volume_readable() {
	printf '%s' "$1" | tr -c '[:alnum:]._/ -' '?'
}

# volume_foreign NAME: sets foreign to the first thing in it that a copy would miss: a nested subvolume that is not
# empty, or a mount. Empty if there is none. An empty nested subvolume is copied as the directory that it looks like.
volume_foreign() {
	foreign=
	volume_own=$(btrfs subvolume show "$volumes/$1" | head -n 1)
	# A nested name with a newline in it gives lines that name no empty directory: refused like the rest.
	volume_list=$(btrfs subvolume list -o "$volumes/$1")
	while IFS= read -r volume_line; do
		[ -n "$volume_line" ] || continue
		volume_inner=${volume_line#*" path "}
		volume_inner=${volume_inner#"$volume_own/"}
		if [ ! -d "$volumes/$1/$volume_inner" ] || [ -n "$(ls -A "$volumes/$1/$volume_inner")" ]; then
			foreign="the subvolume $(volume_readable "$volume_inner")"
			return 0
		fi
	done <<-END
		$volume_list
	END
	while read -r _ _ _ _ volume_mount _; do
		case $volume_mount in
		"$volumes/$1"/*)
			foreign="the mount $(volume_readable "${volume_mount#"$volumes/$1/"}")"
			return 0
			;;
		esac
	done <"/proc/self/mountinfo"
}

# volume_free: bytes that can still be written.
volume_free() {
	df --output=avail -B1 "$volumes" | tail -n 1 | tr -d ' '
}

# volume_used NAME: bytes that its files take, from the counters of the file system where it keeps them.
volume_used() {
	volume_usage=$(btrfs qgroup show --raw -f "$volumes/$1" 2>/dev/null | awk '/^0\// { print $2; exit }') || true
	[ -n "$volume_usage" ] || volume_usage=$(du -sx -B1 "$volumes/$1" 2>/dev/null | cut -f 1) || true
	printf '%s' "${volume_usage:-0}"
}

# volume_limit NAME MEGABYTES: the most that it can hold; 0 is no limit. Needs quotas, which are the host's choice.
volume_limit() {
	[ "$2" != 0 ] || return 0
	btrfs qgroup limit "$2M" "$volumes/$1" >&2 || printf 'no quotas here: the volume %s is not limited\n' "$1" >&2
}
