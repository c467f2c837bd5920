# Stops launched commands and answers when they are gone. NAME or JOB-STEP, and which of the two: `one` the command of
# that run directory, `step` every attempt of that step, also one that is only about to begin. GRACE in seconds.

runs=$R/var/lib/vsjob/run
grace=$3

stop_one() {
	: >"$1/stop"
	run_state "$1"
	case $state in
	starting | running) ;;
	*) return 0 ;;
	esac
	if [ -d "$R/run/systemd/system" ]; then
		systemctl stop "vsjob-${1##*/}.service" >&2 || true
	fi
	# The launcher of one that is starting finds the mark, or the process that it started does.
	stop_turns=500
	while [ "$state" = starting ] && [ "$stop_turns" -gt 0 ]; do
		stop_turns=$((stop_turns - 1))
		sleep 0.02
		run_state "$1"
	done
	if [ -n "$run_group" ]; then
		group_end "$run_group" "$grace" || fail transient VSJ0313 "process group $run_group does not end"
	elif [ "$state" = starting ]; then
		fail transient VSJ0313 "a command that is being launched does not end"
	fi
}

if [ "$2" = one ]; then
	[ ! -d "$runs/$1" ] || stop_one "$runs/$1"
else
	: >"$runs/$1-stop"
	for dir in "$runs/$1"-[0-9]*; do
		[ ! -d "$dir" ] || stop_one "$dir"
	done
fi
