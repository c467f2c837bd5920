# Claims a host for one life of the master. COUNTER EPOCH. Answers `claimed`, or `refused COUNTER EPOCH` of the master
# that the host obeys; then a line `run NAME` for each run directory and each mark of a stopped step. When it
# answers `claimed`, no channel of another master is left, and none can change anything any more.

home=$R/var/lib/vsjob
counter=$1 epoch=$2
mkdir -p "$home/run"
chmod 700 "$home" "$home/run"

exec 9>"$home/claim.lock"
flock -w 20 9 || fail transient VSJ0307 "another claim of this host does not end"

have='' have_epoch=''
{ read -r have have_epoch <"$home/epoch"; } 2>/dev/null || true
if [ -n "$have" ] && [ "$have" -ge "$counter" ] && [ "$have $have_epoch" != "$counter $epoch" ]; then
	printf 'refused %s %s\n' "$have" "$have_epoch"
	exit 0
fi
if [ "$have" != "$counter" ]; then
	# What an older master had only begun to launch can no longer begin.
	rm -rf "$home/run"/.new-*
	printf '%s %s\n' "$counter" "$epoch" >"$home/epoch.part"
	sync "$home/epoch.part"
	mv "$home/epoch.part" "$home/epoch"
	sync "$home"
fi

for channel in "$R/run/vsjob/channels"/*; do
	channel_epoch='' channel_id='' pid='' start='' group=''
	{ read -r channel_epoch channel_id pid start group <"$channel"; } 2>/dev/null || continue
	if [ "$channel_epoch $channel_id" != "$counter $epoch" ] && channel_alive "$pid" "$start" "$group"; then
		kill -KILL "-$group" 2>/dev/null || true
		group_wait "$group" 10 || fail transient VSJ0313 "a channel of another master does not end"
		rm -f "$channel"
	fi
done

printf 'claimed\n'
for dir in "$home/run"/*; do
	[ ! -e "$dir" ] || printf 'run %s\n' "${dir##*/}"
done
