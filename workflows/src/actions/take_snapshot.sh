# snapshot_goes_on GUEST FOLDER RUNNING POST: whatever became of the snapshot, the guest goes on: it is started again if
# it was stopped for it, and what was prepared in it is taken back.
snapshot_goes_on() {
	if [ -e "$2/stopped" ]; then
		[ "$3" != yes ] || guest_start "$1"
		rm "$2/stopped"
	fi
	if [ -e "$2/prepared" ]; then
		if [ -n "$4" ] && guest_running "$1" && ! guest_exec "$1" sh -c "$4" </dev/null >&2; then
			printf 'the command after the snapshot of %s failed\n' "$1" >&2
		fi
		rm "$2/prepared"
	fi
	durable "$2"
}

# snapshot_answer: where the snapshot and what belongs to it are, seen from the root of this host.
snapshot_answer() {
	snapshot_tree=$(volume_path "$snapshot")
	out tree "${snapshot_tree#"$R"}"
	out lists "${folder#"$R"}"
	read -r snapshot_since <"$folder/since"
	out since "$snapshot_since"
	read -r snapshot_down <"$folder/down"
	out down "$snapshot_down"
}

