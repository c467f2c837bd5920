# Logical volumes of a paper host, and where they are mounted: a volume's tree is in its own folder, or, while it is mounted, in the
# place of the folder that it is mounted at, which the file `at` names. Whatever ends a mount in the middle leaves it unmounted.

volume_groups=$R/etc/paper/lvm

is_mounted() { [ -e "$1/at" ] && [ ! -d "$1/tree" ]; }

tree_of() { if is_mounted "$1"; then cat "$1/at"; else printf '%s\n' "$1/tree"; fi; }

# mounted_at FOLDER: sets mounted to the volume that is mounted there.
mounted_at() {
	for mounted in "$volume_groups"/*/* "$volume_groups"/*/.[!.]*; do
		if is_mounted "$mounted" && [ "$(cat "$mounted/at")" = "$1" ]; then return 0; fi
	done
	return 1
}

# volume_merged VOLUME: the tree of the snapshot that is being merged into it becomes its own.
volume_merged() {
	[ -d "$1/merging" ] || return 0
	if [ -d "$1/merging/tree" ]; then
		rm -rf "$1/tree"
		mv -T "$1/merging/tree" "$1/tree"
	fi
	rm -rf "$1/merging"
}

# volume_unmount VOLUME: sets volume_at to the folder that it was mounted at.
volume_unmount() {
	volume_at=$(cat "$1/at")
	mv -T "$volume_at" "$1/tree"
	mkdir "$volume_at"
	rm "$1/at"
}
