# Of lvm: a guest has one volume, and one generation. What is received is written to a snapshot of it: so it stays as it was,
# whatever happens, until all has been received and verified. Then the snapshot is merged into it.

# tree_open NAME: who watched what is received into has gone with a reboot.
tree_open() {
	! mountpoint -q "$volumes/$1" || return 0
	volume_open "$1"
	[ -z "$(volume_report lvs -o origin "$group/$1" | tr -d ' ')" ] || sh -c "$(volume_watching "$1")" 2>/dev/null || true
}

# tree_finish NAME BASE: all that was written is in it, and nobody works in either.
tree_finish() {
	if tree_is_settled "$@"; then return; fi
	volume_close "$1"
	tree_sound "$1"
	[ -z "$2" ] || volume_close "$2"
}

# tree_settle NAME BASE: from any half-way point of itself. The moment in which LVM has noted the merge decides: from then on the
# snapshot is not told of any more.
tree_settle() {
	if [ -z "$2" ]; then
		volume_open "$1"
		return
	fi
	if volume_find "$2"; then
		if volume_find "$1"; then
			tree_finish "$@"
			volume_change lvchange -qq --addtag "vsjob.becomes=$1" "$group/$2"
			volume_change lvconvert -qq -y --merge --background "$group/$1" ||
				fail transient VSJ0569 "the snapshot $1 cannot be merged into $2"
		fi
		until tree_is_merged "$2"; do
			volume_change lvchange -qq --poll y "$group/$2"
			sleep 0.5
		done
		volume_rename "$2" "$1"
	fi
	volume_change lvchange -qq --deltag "vsjob.becomes=$1" "$group/$1"
}

tree_is_merged() { [ "$(volume_report lvs --binary -o lv_merging "$group/$1" | tr -d ' ')" = 0 ]; }

# tree_is_settled NAME BASE: the volume of the generation before is that of this one, or is becoming it.
tree_is_settled() {
	[ -n "$2" ] || return
	volume_find "$2" || { volume_find "$1"; return; }
	case $volume_tags in *",vsjob.becomes=$1,"*) ! volume_find "$1" ;; *) return 1 ;; esac
}
