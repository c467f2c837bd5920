# Thick snapshots: one has room for what changes in its origin while it is needed.

# volume_picture ORIGIN SNAPSHOT GUEST: with room for a fifth of the volume, or as much as the group has; it grows when that is
# nearly used up.
volume_picture() {
	volume_find "$1"
	volume_rest=$(volume_report vgs -o vg_free "$group" | tr -d ' ')
	volume_room=$((volume_bytes / 5))
	[ "$volume_room" -lt "$volume_rest" ] || volume_room=$volume_rest
	volume_change lvcreate -qq -y -s --addtag vsjob.volume --addtag "vsjob.of=$3" -n "$2" \
		-L "$(volume_megabytes "$volume_room")m" "$group/$1" && volume_watch "$2"
}

# volume_sound NAME: whether it is what it was made as. A snapshot that had no room left is not, and reading it fails.
volume_sound() {
	volume_look
	[ "$(volume_report lvs --binary -o lv_snapshot_invalid "$group/$1" | tr -d ' ')" = 0 ]
}

# volume_watch SNAPSHOT: leaves a process behind that ends with the snapshot, and gives it more room of the group before it is
# full.
volume_watch() {
	volume_unit=vsjob-watch-${1#.vsjob-}
	systemctl stop "$volume_unit.service" 2>/dev/null || true
	systemd-run --quiet --collect --unit="$volume_unit" sh -c "$(volume_watcher)" watch "$group/$1" >&2
}

# What is used is what LVM says and what this host has yet to write. The first half second's worth of it may be anything.
volume_watcher() {
	cat <<'WATCHER'
export LC_ALL=C LVM_SUPPRESS_FD_WARNINGS=1
while fill=$(lvs --noheadings --nosuffix --units b -o lv_size,data_percent "$1" 2>/dev/null); do
	unwritten=$(awk '/^(Dirty|Writeback):/ { sum += $2 } END { printf "%.0f", sum * 1024 }' /proc/meminfo)
	more=$(echo "$fill $unwritten" | awk '
		{ used = $1 * $2 / 100 + $3; if (used > $1 * 0.6) printf "%.0f", ($1 / 2 + $3) / 1048576 + 1 }')
	[ -z "$more" ] || lvextend -qq -y -L "+${more}m" "$1" || lvextend -qq -y -l +100%FREE "$1" || sleep 5
	sleep 0.5
done 2>/dev/null
WATCHER
}
