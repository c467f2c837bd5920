# Of the storages lvm and lvm-thin: a guest's volume is a logical volume of its name, with a file system of its own: ext4,
# unless the group has the tag vsjob.xfs or vsjob.btrfs. It has the tag vsjob.raw until it is whole.

volume_exists() { volume_find "$1"; }

# volume_is_own NAME: whether it is there, and was made to its end, and is mounted by nobody else.
volume_is_own() {
	volume_find "$1" || return
	case $volume_tags in *,vsjob.raw,*) return 1 ;; esac
	[ -e "$R/etc/fstab" ] || return 0
	while read -r _ volume_mount _; do
		[ "$volume_mount" != "/var/lib/machines/$1" ] || return
	done <"$R/etc/fstab"
}

# volume_list: the names of all volumes: those that were made here, and those that have a folder to be mounted in.
volume_list() {
	volume_look
	while read -r volume_found _ _ volume_tags; do
		case $volume_tags in *",$volume_tag,"*) ;; *) [ -d "$volumes/$volume_found" ] || continue ;; esac
		printf '%s\n' "$volume_found"
	done <<-END
		$volume_known
	END
}

# volume_path NAME: where its tree is. It is mounted there if it is not: a reboot unmounts what no guest asks for.
volume_path() {
	volume_open "$1"
	printf '%s' "$volumes/$1"
}

# volume_scratch NAME JOB: it is in the volume that is received into: only there it is in its file system. Copies leave out
# what is called so.
volume_scratch() { printf '%s' "$(volume_path "$1")/.vsjob-$2-scratch"; }

volume_origin() { printf '%s' "$1"; }

# volume_within SNAPSHOT: a picture is of all of its volume.
volume_within() { :; }

# volume_create NAME BYTES MEGABYTES: an empty volume for so many bytes of files, of that size if one is given. From any half-way
# point of itself.
volume_create() {
	volume_shelter
	if volume_is_own "$1"; then return; fi
	if ! volume_exists "$1"; then
		volume_allocate "$1" "$(volume_size "${2:-0}" "${3:-0}")" || fail permanent VSJ0560 "the volume $1 cannot be made"
		volume_look
	fi
	volume_close "$1"
	volume_format "$1" || fail permanent VSJ0560 "the volume $1 cannot be given a file system"
	volume_mount "$1"
	# A guest knows nothing of it, and it is made anew when there is something to be put into it.
	[ ! -d "$volumes/$1/lost+found" ] || rmdir "$volumes/$1/lost+found"
	durable_tree "$volumes/$1"
	volume_change lvchange -qq --deltag vsjob.raw "$group/$1"
}

# volume_format NAME: an empty file system. The times of its files are told to the nanosecond.
volume_format() {
	case $group_tags in
	*,vsjob.xfs,*) mkfs.xfs -q -f "$R/dev/$group/$1" >&2 ;;
	*,vsjob.btrfs,*) mkfs.btrfs -q -f "$R/dev/$group/$1" >&2 ;;
	*) mkfs.ext4 -q -F -m 1 -I 256 "$R/dev/$group/$1" >&2 ;;
	esac
}

# volume_rename FROM TO: from any half-way point of itself.
volume_rename() {
	if volume_exists "$1"; then
		! volume_exists "$2" || fail permanent VSJ0452 "there is a volume $2 already"
		volume_close "$1"
		volume_change lvrename -qq "$group" "$1" "$2" || fail transient VSJ0561 "the volume $1 cannot be renamed"
	fi
	! volume_exists "$2" || volume_open "$2"
}

volume_delete() { volume_unmake "$1"; }

# volume_foreign NAME: sets foreign to the first thing in it that a copy would miss: a mount, or a subvolume of a btrfs. Empty
# if there is none.
volume_foreign() {
	volume_open "$1"
	volume_mounted "$1"
	volume_look
	[ -z "$foreign" ] && [ "$(volume_system "$1")" = btrfs ] || return 0
	volume_inner=$(btrfs subvolume list "$volumes/$1" | head -n 1)
	[ -z "$volume_inner" ] || foreign="the subvolume $(volume_readable "${volume_inner#*" path "}")"
}

# volume_used NAME: bytes that its files take.
volume_used() { df --output=used -B1 "$(volume_path "$1")" | tail -n 1 | tr -d ' '; }

# volume_most NAME: the most that it can hold, in MB; 0 if it is not there.
volume_most() {
	if volume_find "$1"; then printf '%s' "$((volume_bytes / 1048576))"; else printf '0'; fi
}

# volume_limit NAME MEGABYTES: it grows to that size, and what is in it too, if that was left undone. It does not shrink: what is
# in it might not fit.
volume_limit() {
	volume_widen "$1" "$2"
	volume_fill "$1"
}

# volume_widen NAME MEGABYTES: it has that size, or more.
volume_widen() {
	volume_find "$1" || fail permanent VSJ0470 "there is no volume $1 here"
	if [ "$((volume_bytes / 1048576))" -lt "$2" ]; then
		volume_change lvextend -qq -y -L "${2}m" "$group/$1" || fail permanent VSJ0563 "the volume $1 cannot grow to $2 MB"
	else
		printf 'the volume %s has %s MB\n' "$1" "$((volume_bytes / 1048576))" >&2
	fi
}

# volume_fill NAME: its file system takes all of it.
volume_fill() {
	volume_open "$1"
	case $(volume_system "$1") in
	xfs) xfs_growfs "$volumes/$1" >&2 ;;
	btrfs) btrfs filesystem resize max "$volumes/$1" >&2 ;;
	*) resize2fs "$R/dev/$group/$1" >&2 ;;
	esac
}
