# The storage btrfs: a guest's volume is a subvolume.

# volume_is_own NAME: whether it is a subvolume, which only whole can be snapshotted.
volume_is_own() {
	btrfs subvolume show "$volumes/$1" >/dev/null 2>&1
}

volume_durable() {
	btrfs filesystem sync "$volumes" >&2
}

volume_create() {
	volume_shelter
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

# volume_foreign NAME: sets foreign to the first thing in it that a copy would miss: a nested subvolume that is not
# empty, or a mount. Empty if there is none. An empty nested subvolume is copied as the directory that it looks like.
volume_foreign() {
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
	volume_mounted "$1"
}

# volume_used NAME: bytes that its files take, from the counters of the file system where it keeps them.
volume_used() {
	volume_usage=$(btrfs qgroup show --raw -f "$volumes/$1" 2>/dev/null | awk '/^0\// { print $2; exit }') || true
	[ -n "$volume_usage" ] || volume_usage=$(du -sx -B1 "$volumes/$1" 2>/dev/null | cut -f 1) || true
	printf '%s' "${volume_usage:-0}"
}

# volume_limit NAME MEGABYTES: the most that it can hold. Needs quotas, which are the host's choice.
volume_limit() {
	btrfs qgroup limit "$2M" "$volumes/$1" >&2 || printf 'no quotas here: the volume %s is not limited\n' "$1" >&2
}
