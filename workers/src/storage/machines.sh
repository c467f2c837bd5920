# What the storages have in common: a guest's tree is in /var/lib/machines, in the folder of its name. Volumes are named, and every
# function that makes, renames or removes one answers when that is durable.

volumes=$R/var/lib/machines

# Makes the folder of volumes, which root alone may enter: a guest's root can make programs that run as the host's root.
volume_shelter() {
	[ -d "$volumes" ] || mkdir -p "$volumes"
	chmod go= "$volumes"
}

# volume_readable TEXT: bytes of a guest's tree as they may be shown.
volume_readable() {
	printf '%s' "$1" | tr -c '[:alnum:]._/ -' '?'
}

# volume_folders: the names of the folders there are.
volume_folders() {
	for volume_found in "$volumes"/* "$volumes"/.[!.]*; do
		[ ! -d "$volume_found" ] || printf '%s\n' "${volume_found##*/}"
	done
}

# volume_mounted NAME: sets foreign to the first mount in it. Empty if there is none.
volume_mounted() {
	foreign=
	while read -r _ _ _ _ volume_mount _; do
		case $volume_mount in
		"$volumes/$1"/*)
			foreign="the mount $(volume_readable "${volume_mount#"$volumes/$1/"}")"
			return 0
			;;
		esac
	done <"/proc/self/mountinfo"
}
