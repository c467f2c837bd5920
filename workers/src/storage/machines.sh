# What the storages have in common that keep volumes side by side in /var/lib/machines. Volumes are named, and every
# function that makes, renames or removes one answers when that is durable.

volumes=$R/var/lib/machines

volume_path() { printf '%s' "$volumes/$1"; }
volume_exists() { [ -d "$volumes/$1" ] && [ ! -L "$volumes/$1" ]; }

# Makes the folder of volumes, which root alone may enter: a guest's root can make programs that run as the host's root.
volume_shelter() {
	[ -d "$volumes" ] || mkdir -p "$volumes"
	chmod go= "$volumes"
}

# volume_rename FROM TO: from any half-way point of itself.
volume_rename() {
	if [ -e "$volumes/$1" ]; then
		[ ! -e "$volumes/$2" ] || fail permanent VSJ0452 "there is a volume $2 already"
		mv -T "$volumes/$1" "$volumes/$2"
	fi
	volume_durable "$volumes/$1" "$volumes/$2"
}

# volume_readable TEXT: bytes of a guest's tree as they may be shown.
volume_readable() {
	printf '%s' "$1" | tr -c '[:alnum:]._/ -' '?'
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

# volume_free: bytes that can still be written.
volume_free() {
	df --output=avail -B1 "$volumes" | tail -n 1 | tr -d ' '
}
