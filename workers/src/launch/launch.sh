# Launches a command in a run directory, or finds the one that was launched there before, and answers its state.
# NAME COUNTER EPOCH WRAPPER SCRIPT SECONDS ARGUMENT…; WRAPPER and SCRIPT are hashes of scripts that the channel holds.

runs=$R/var/lib/vsjob/run
name=$1 dir=$runs/$1 epoch="$2 $3" wrapper_hash=$4 script_hash=$5 patience=$6
shift 6

# The directory appears whole, by one rename, which fails if it is there already.
claim() {
	read -r boot <"$R/proc/sys/kernel/random/boot_id"
	process_of self
	new=$runs/.new-$name-$process_pid
	mkdir "$new"
	printf '%s\n' "$boot" >"$new/boot"
	printf '%s %s\n' "$process_pid" "$process_start" >"$new/launcher"
	printf '%s\n' "$epoch" >"$new/epoch"
	: >"$new/args"
	[ "$#" -eq 0 ] || printf '%s\n' "$@" >"$new/args"
	eval "printf '%s\n' \"\$script_$wrapper_hash\"" >"$new/wrapper"
	eval "printf '%s\n' \"\$script_$script_hash\"" >"$new/script"
	if ! mv -T "$new" "$dir" 2>/dev/null; then
		rm -rf "$new"
		return 1
	fi
}

start() {
	if [ -d "$R/run/systemd/system" ]; then
		systemd-run --quiet --collect --unit="vsjob-$name" --property=TimeoutStopSec=10 \
			sh "$dir/wrapper" "$dir" "$R" "$PATH" >&2
	else
		setsid sh "$dir/wrapper" "$dir" "$R" "$PATH" </dev/null >/dev/null 2>&1 &
		# It is being launched for as long as that process is there, however slowly it begins.
		if process_of "$!"; then
			printf '%s %s\n' "$process_pid" "$process_start" >"$dir/launched"
		fi
	fi
}

# Waits a moment for the end, so that a short command costs its master one request.
await() {
	turns=50
	until [ -s "$dir/pid" ] || [ "$turns" -eq 0 ]; do
		turns=$((turns - 1))
		sleep 0.002
	done
	flock -w "$patience" 8 2>/dev/null 8>>"$dir/lock" || true
}

if [ ! -d "$dir" ] && claim "$@"; then
	if run_stopped "$dir"; then
		rm -rf "$dir"
		fail transient VSJ0312 "the step was stopped before it began"
	fi
	if ! start; then
		rm -rf "$dir"
		fail transient VSJ0312 "the host could not launch it"
	fi
	await
fi
run_report "$dir"
