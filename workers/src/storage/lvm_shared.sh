# The storage lvm-shared: all guests are folders of one file system, on one logical volume. A picture is one of all of them,
# of which the guest's folder is mounted.

volume_is_picture() {
	case $1 in
	.vsjob-*-scratch) return 1 ;;
	.vsjob-*) ;;
	*) return 1 ;;
	esac
}

volume_path() {
	if volume_is_picture "$1"; then volume_open "$1"; fi
	printf '%s' "$volumes/$1"
}

volume_exists() {
	if volume_is_picture "$1"; then volume_find "$1"; else [ -d "$volumes/$1" ] && [ ! -L "$volumes/$1" ]; fi
}

# volume_list: folders, and pictures that have none yet.
volume_list() {
	volume_look
	{
		volume_folders
		printf '%s\n' "$volume_known" | sed -n 's/^\(\.vsjob-[^ ]*\) .*/\1/p'
	} | sort -u
}

volume_delete() { if volume_is_picture "$1"; then volume_unmake "$1"; else folder_delete "$1"; fi; }

# volume_origin: the logical volume that all are on.
volume_origin() {
	volume_below=$(findmnt --noheadings --output SOURCE --target "$volumes")
	volume_below=$(volume_report lvs -o vg_name,lv_name "${volume_below%%[*}" | tr -s ' ')
	case $volume_below in
	" $group "*) printf '%s' "${volume_below#" $group "}" ;;
	*) fail permanent VSJ0568 "what $volumes is on is no logical volume of the group $group" ;;
	esac
}

# volume_within SNAPSHOT: the option of mount for the folder of the guest, whose name the snapshot bears.
volume_within() {
	volume_find "$1" || return 0
	volume_of=${volume_tags##*,vsjob.of=}
	volume_of=${volume_of%%,*}
	volume_below=$(findmnt --noheadings --output TARGET --target "$volumes")
	volume_below=${volumes#"${volume_below%/}"}
	volume_below=${volume_below#/}
	printf ',X-mount.subdir=%s' "${volume_below:+$volume_below/}$volume_of"
}
