# What the storages on LVM have in common. The group is the one with the tag vsjob, or the only one there is. What is made here has
# a tag that tells what for. Some logical volumes are mounted in the folder of their name.

export LVM_SUPPRESS_FD_WARNINGS=1
volume_tag=vsjob.volume
volume_rights=rw
group_disks=

# volume_report COMMAND OPTION…: what LVM tells, in bytes.
volume_report() { "$@" --noheadings --nosuffix --units b 2>/dev/null; }

# volume_look: asks LVM once, and again after each change of ours; what a job holds nobody else changes. Sets group, group_tags and
# group_disks, and volume_known, with a line NAME BYTES KIND TAGS for each logical volume of the group.
volume_look() {
	[ -z "${volume_known+known}" ] || return 0
	volume_known=$(
		{
			volume_report vgs --separator '|' -o vg_name,vg_tags,pv_name
			volume_report lvs --separator '|' -o vg_name,lv_name,lv_size,segtype,lv_tags
		} | awk -F '|' '
			{ sub(/^ */, "") }
			NF == 3 && !($1 in disks) {
				groups++
				if ($2 ~ /(^|,)vsjob(,|$)/) tagged++
				if ($2 ~ /(^|,)vsjob(,|$)/ || !tagged) { group = $1; tags = $2 }
			}
			NF == 3 { disks[$1] = disks[$1] " " $3 }
			NF == 5 { volumes[$1] = volumes[$1] $2 " " $3 " " $4 " ," $5 ",\n" }
			END {
				printf "%s ,%s,%s\n%s-", (tagged > 1 || (groups > 1 && !tagged) ? "-" : group), tags, disks[group], volumes[group]
			}'
	)
	read -r group group_tags group_disks <<-END
		$volume_known
	END
	volume_known=${volume_known#*
}
	case $group in
	,*) fail permanent VSJ0557 "there is no volume group here" ;;
	-) fail permanent VSJ0558 "there are several volume groups here, and not one with the tag vsjob" ;;
	esac
}

# volume_find NAME: sets volume_bytes and volume_tags; fails if it is not there.
volume_find() {
	volume_look
	while read -r volume_found volume_bytes _ volume_tags; do
		[ "$volume_found" != "$1" ] || return 0
	done <<-END
		$volume_known
	END
	return 1
}

# volume_change COMMAND…: what LVM is to do. It answers when it has written that, and the disks may only keep it in their caches.
volume_change() {
	unset volume_known
	# shellcheck disable=SC2086 # words are to be split
	"$@" >&2 && sync $group_disks
}

# volume_megabytes BYTES: not fewer.
volume_megabytes() { printf '%s' "$((($1 + 1048575) / 1048576))"; }

# volume_system NAME: the kind of its file system.
volume_system() { blkid -p -o value -s TYPE "$R/dev/$group/$1"; }

# volume_command NAME: a line for a shell that mounts it if it is not, and then is true: for those who rely on its tree after a
# reboot, and for whoever starts the guest %i. Pictures are read only, and one of an XFS may have the identity of another.
volume_command() {
	volume_look
	volume_options=$volume_rights volume_device=$R/dev/$group/$1
	case $1 in .vsjob-*) volume_options=ro,nosuid,nodev,noexec$(volume_within "$1") ;; esac
	[ "$(volume_system "$1")" != xfs ] || volume_options=$volume_options,nouuid
	printf 'mountpoint -q %s || { { [ -e %s ] || lvchange -qq -ay -K %s; } && mkdir -p %s && mount -o %s %s %s; }' \
		"$volumes/$1" "$volume_device" "$group/$1" "$volumes/$1" "$volume_options" "$volume_device" "$volumes/$1"
}

volume_open() {
	! mountpoint -q "$volumes/$1" || return 0
	volume_find "$1" || fail permanent VSJ0470 "there is no volume $1 here"
	volume_mount "$1"
}

volume_mount() {
	[ -z "$(ls -A "$volumes/$1" 2>/dev/null)" ] || fail permanent VSJ0564 "there is a folder $1 where its volume is to be mounted"
	sh -c "$(volume_command "$1")" >&2 || fail transient VSJ0559 "the volume $1 cannot be mounted"
}

# volume_close NAME: it is not mounted.
volume_close() {
	! mountpoint -q "$volumes/$1" || volume_persist "$1" umount "$volumes/$1"
	rmdir "$volumes/$1" 2>/dev/null || true
}

# volume_persist NAME COMMAND…: for five seconds: what just ended may still have a hold on it.
volume_persist() {
	volume_turns=20 volume_held=$1
	shift
	until volume_change "$@"; do
		volume_turns=$((volume_turns - 1))
		[ "$volume_turns" -gt 0 ] || fail transient VSJ0451 "the volume $volume_held is in use"
		sleep 0.25
	done
}

# volume_unmake NAME: from any half-way point of itself.
volume_unmake() {
	volume_find "$1" || return 0
	volume_close "$1"
	volume_persist "$1" lvremove -qq -y "$group/$1"
}

# volume_snapshot NAME SNAPSHOT: a read-only picture of it as it is now, in place of an earlier one of that name. LVM has the
# file system write out what it holds. btrfs knows its own by an identity, which the picture gets another of.
volume_snapshot() {
	volume_unmake "$2"
	durable_tree "$(volume_path "$1")"
	volume_from=$(volume_origin "$1")
	volume_picture "$volume_from" "$2" "$1" || fail permanent VSJ0562 "no snapshot of $1 can be made"
	volume_look
	[ "$(volume_system "$2")" != btrfs ] || btrfstune -f -m "$R/dev/$group/$2" >&2
	volume_open "$2"
}
