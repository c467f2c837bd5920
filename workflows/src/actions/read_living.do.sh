# GUEST JOB PASS STILL SINCE RUNNING PRE POST: a pass, from 1 on, through the tree of a guest of which the storage takes no picture
# begins: lists what size and time do not tell of what has changed since SINCE, `none` if there is no copy yet.

guest=$1 job=$2 pass=$3 since=$5 running=$6 pre=$7
folder=$jobs/$job
if [ "$4" = yes ]; then
	guest_state "$guest"
	[ "$guest_state" = stopped ] || fail permanent VSJ0482 "the guest $guest runs"
fi
volume_foreign "$guest"
[ -z "$foreign" ] || fail permanent VSJ0473 "$guest contains $foreign, which a copy would miss"
transfer_folder "$job"
if [ "$pass" = 1 ] && [ "$running" = yes ] && [ -n "$pre" ]; then
	: >"$folder/prepared"
	durable "$folder" "$folder/prepared"
	guest_exec "$guest" sh -c "$pre" </dev/null >&2 ||
		fail permanent VSJ0494 "the command before the copy of $guest failed"
fi
if [ "$since" = none ]; then rm -f "$folder/since"; else printf '%s\n' "$since" >"$folder/since"; fi
transfer_begins "$job"
transfer_tree=$(volume_path "$guest")
transfer_lives "$job" "$guest" "$transfer_tree"
transfer_changed
set -- -false
while read -r inode; do
	set -- "$@" -o -inum "$inode"
done <"$folder/mapped"
transfer_finds find "$transfer_tree" -mindepth 1 \
	-type d -fprintf "$folder/folders" '%i %P\0' -o \
	-type f \( -links +1 -fprintf "$folder/linked" '%i %P\0' , \( "$@" \) -fprintf "$folder/mapped.names" '%P\0' \)
transfer_reader "$job" "$transfer_tree"
printf '%s %s %s\n' "$transfer_begin" "$transfer_begin_steady" "$transfer_begin_boot" >"$folder/begun.$pass"
durable "$folder/changed" "$folder/linked" "$folder/folders" "$folder/mapped.names" "$folder/begun.$pass"
living_answer
