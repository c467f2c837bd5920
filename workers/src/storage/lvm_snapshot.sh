# Thick snapshots: one has room for what changes in its origin while it is needed.

# volume_picture ORIGIN SNAPSHOT GUEST: with room for a fifth of the volume, or as much as the group has; it grows when that is
# nearly used up.
volume_picture() {
	volume_find "$1"
	volume_rest=$(volume_report vgs -o vg_free "$group" | tr -d ' ')
	volume_room=$((volume_bytes / 5))
	[ "$volume_room" -lt "$volume_rest" ] || volume_room=$volume_rest
	# LVM's own watch over snapshots would take its time to begin, and do nothing by default.
	volume_change lvcreate -qq -y -s --config activation/monitoring=0 --addtag "$volume_tag" --addtag "vsjob.of=$3" -n "$2" \
		-L "$(volume_megabytes "$volume_room")m" "$group/$1" && volume_watch "$2"
}

# volume_sound NAME: whether it is what it was made as. A snapshot that had no room left is not, and reading it fails; of what is none
# LVM says -1.
volume_sound() {
	volume_look
	case $(volume_report lvs --binary -o lv_snapshot_invalid "$group/$1" | tr -d ' ') in 0 | -1) ;; *) return 1 ;; esac
}

# What reads one that is not gets errors of its disk, and whoever called that would try again. Who watched it has gone with a reboot.
volume_check() {
	volume_look
	# shellcheck disable=SC2016 # another shell reads it
	printf '{ [ "$(lvs --noheadings --binary -o lv_snapshot_invalid %s | xargs)" = 0 ] || { echo "%s" >&2; exit 78; }; }' \
		"$group/$1" "VSJ0567: the snapshot $1 had no room for what was written meanwhile"
	printf ' && { %s 2>/dev/null || true; }' "$(volume_watching "$1")"
}

# volume_watch SNAPSHOT: leaves a process behind that ends with the snapshot, and gives it more room of the group before it is
# full.
volume_watch() {
	systemctl stop "vsjob-watch-${1#.vsjob-}.service" 2>/dev/null || true
	# In a file: systemd would take `$` in the words of a command for its own.
	mkdir -p "$R/var/lib/vsjob"
	volume_watcher >"$R/var/lib/vsjob/watch.${1#.vsjob-}"
	mv "$R/var/lib/vsjob/watch.${1#.vsjob-}" "$R/var/lib/vsjob/watch"
	durable "$R/var/lib/vsjob/watch"
	sh -c "$(volume_watching "$1")" >&2
}

# volume_watching SNAPSHOT: a line for a shell that has it watched, unless it is.
volume_watching() {
	printf 'systemd-run --quiet --collect --unit=vsjob-watch-%s sh %s %s %s' \
		"${1#.vsjob-}" "$R/var/lib/vsjob/watch" "$R/dev/$group/$1" "$group/$1"
}

# The kernel is asked what is used: LVM takes a hundred times as long. What this host has yet to write counts as used.
volume_watcher() {
	cat <<'WATCHER'
export LC_ALL=C LVM_SUPPRESS_FD_WARNINGS=1
extend() { lvextend -qq -y --config activation/monitoring=0 "$@"; }
while filled=$(dmsetup status "$1"); do
	unwritten=$(awk '/^(Dirty|Writeback):/ { sum += $2 } END { printf "%.0f", sum * 1024 }' /proc/meminfo)
	more=$(echo "${filled##*snapshot } $unwritten" | awk -F '[/ ]' '
		{ room = $2 * 512; if ($1 * 512 + $NF > room * 0.6) printf "%.0f", (room / 2 + $NF) / 1048576 + 1 }')
	[ -z "$more" ] || extend -L "+${more}m" "$2" || extend -l +100%FREE "$2" || sleep 5
	sleep 0.5
done 2>/dev/null
WATCHER
}
