# GUEST SNAPSHOT JOB MODE RUNNING PRE POST: takes a picture of the guest, while it runs (hot) or while it is stopped for
# just that (cold). One command, so that no death of the master leaves the guest stopped.

guest=$1 snapshot=$2 job=$3 mode=$4 running=$5 pre=$6 post=$7
folder=$jobs/$job
# One that was begun and taken back by a reboot is begun anew.
rm -f "$folder/since"
volume_foreign "$guest"
[ -z "$foreign" ] || fail permanent VSJ0473 "$guest contains $foreign, which a copy would miss"
transfer_folder "$job"
: >"$folder/$([ "$mode" = cold ] && echo stopped || echo prepared)"
durable "$folder" "$folder/stopped" "$folder/prepared"
begin=$(date +%s%3N)
set +e
(
	set -e
	if [ "$mode" = cold ]; then
		guest_stop "$guest" 30
	elif [ "$running" = yes ] && [ -n "$pre" ]; then
		guest_exec "$guest" sh -c "$pre" </dev/null >&2 ||
			fail permanent VSJ0494 "the command before the snapshot of $guest failed"
	fi
	transfer_begins "$job"
	volume_snapshot "$guest" "$snapshot"
)
code=$?
set -e
guest_goes_on "$guest" "$folder" "$running" "$post"
[ "$code" = 0 ] || exit "$code"
down=0
[ "$mode" != cold ] || down=$(($(date +%s%3N) - begin))
printf '%s\n' "$down" >"$folder/down"
transfer_shows "$job" "$(volume_command "$snapshot") && $(volume_check "$snapshot")"
durable_tree "$(volume_path "$snapshot")"
: >"$folder/taken"
durable "$folder/since" "$folder/down" "$folder/taken"
snapshot_answer
