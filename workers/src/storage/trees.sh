# The trees of generations on the master's own LVM: each a logical volume NAME, begun as a snapshot of that of the generation before,
# BASE, or empty. Called with the folder that they are mounted in, a function of these, and what it takes.

volumes=$1
volume_tag=vsjob.generation
volume_rights=rw,nosuid,nodev,noexec
tree_call=$2
shift 2

# tree_begin NAME BASE BYTES: with room for so many bytes of files. Nothing was written to one that is there already.
tree_begin() {
	if [ -z "$2" ]; then
		volume_create "$1" "$3"
		return
	fi
	tree_widen "$2" "$3"
	volume_snapshot "$2" "$1"
	volume_fill "$1"
}

# tree_widen NAME BYTES: with some room beside them.
tree_widen() {
	volume_find "$1" || fail permanent VSJ0470 "there is no volume $1 here"
	[ "$volume_bytes" -ge "$(($2 + $2 / 5 + 268435456))" ] ||
		volume_widen "$1" "$(volume_megabytes "$(volume_size "$2" 0)")"
}

# tree_sound NAME: it is what was written to it.
tree_sound() { volume_sound "$1" || fail permanent VSJ0567 "the snapshot $1 had no room for what was received"; }

# tree_drop NAME BASE: unless it has become the generation: then it answers that.
tree_drop() {
	if tree_is_settled "$@"; then
		out settled yes
		return
	fi
	if [ -n "$2" ] && volume_find "$2"; then volume_change lvchange -qq --deltag "vsjob.becomes=$1" "$group/$2"; fi
	volume_unmake "$1"
}

"tree_$tree_call" "$@"
