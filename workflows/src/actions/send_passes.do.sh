# GUEST SNAPSHOT JOB ADDRESS PORT USER HOST-KEY BYTES MAX-DOWNTIME ON-BUDGET BWLIMIT COMPRESS RELAY RUNNING STILL: copies the
# guest while it runs, again and again, until a further pass would be short enough to be made while it stands still, or
# passes stop getting shorter. If the storage can take pictures that stand STILL, each pass reads a fresh one: that makes the next
# write through a mapping change its file's time, but for what transfer_begins tells. Otherwise it reads the guest's tree.
# What was sent stays sent: killed in a pass, it begins with a new pass, which sends only what is missing.

guest=$1 snapshot=$2 job=$3 bytes=$8 max_downtime=$9 on_budget=${10} running=${14} still=${15}
transfer_to "$job" "$4" "$5" "$6" "$7" "${13}"
transfer_with "${11}" "${12}"

# What the guest stands still for besides the last pass, in ms: its own stop and start, of which only the guest knows how
# long they take (2.5 s is what a small one took, on real hosts with nothing else to do, and a little), and eight steps
# that each make something durable, as long as that takes here and now.
own=2500 steps=8
all_sent=0 pass=0 before=

# Sets small to what it takes to start a program and to make its effect durable, in ms.
measure() {
	transfer_steady
	measure_begin=$transfer_now
	sh -c ': >"$1"' measure "$jobs/$job/measure"
	durable "$jobs/$job/measure"
	transfer_steady
	small=$((transfer_now - measure_begin))
}

while :; do
	pass=$((pass + 1))
	volume_foreign "$guest"
	[ -z "$foreign" ] || fail permanent VSJ0473 "$guest contains $foreign, which a copy would miss"
	transfer_begins "$job"
	if [ "$still" = yes ]; then
		volume_snapshot "$guest" "$snapshot"
		tree=$(volume_path "$snapshot")
	else
		tree=$(volume_path "$guest")
		transfer_lives "$job" "$guest" "$tree"
	fi
	transfer_steady
	begin=$transfer_now
	transfer_send "$job" "$tree" "$bytes" "pass $pass"
	if [ "$still" = yes ] && ! volume_sound "$snapshot"; then
		fail permanent VSJ0567 "the snapshot of $guest had no room for what changed meanwhile"
	fi
	transfer_judge "pass $pass"
	transfer_steady
	took=$((transfer_now - begin))
	transfer_since "$job"
	all_sent=$((all_sent + sent))
	measure
	predicted=$((took + own + steps * small))
	printf 'pass %s: %s files, %s bytes sent, %s ms\n' "$pass" "$files" "$sent" "$took" >&2
	if [ "$running" != yes ]; then
		predicted=0
		break
	fi
	[ "$predicted" -gt "$max_downtime" ] || break
	# Less than a fifth shorter: it will not get much shorter.
	if [ -n "$before" ] && [ "$((took * 5))" -gt "$((before * 4))" ]; then break; fi
	before=$took
done

if [ "$predicted" -gt "$max_downtime" ] && [ "$on_budget" = fail ]; then
	fail permanent VSJ0480 "the guest would stand still for about $predicted ms, and $max_downtime are allowed"
fi
out passes "$pass"
out files "$files"
out size "$size"
out sent "$all_sent"
out predicted "$predicted"
