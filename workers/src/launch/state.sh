# What a run directory says about the command that was launched in it.

# run_state DIR: sets state to
#   absent       no such directory: never started
#   finished     it ended by itself; exit_code says how
#   interrupted  the host was booted anew meanwhile
#   starting     it is being launched right now
#   running      it runs; run_pid, run_start and run_group name its process
#   dead         its process is gone and left no exit code
run_state() {
	state='' exit_code='' run_pid='' run_start='' run_group=''
	if [ ! -d "$1" ]; then
		state=absent
		return
	fi
	run_finished "$1" && return
	# A power cut may leave a directory that was being removed with part of its files: it is of another boot then.
	run_boot=''
	{ read -r run_boot <"$1/boot"; } 2>/dev/null || true
	read -r run_boot_now <"$R/proc/sys/kernel/random/boot_id"
	if [ "$run_boot" != "$run_boot_now" ]; then
		state=interrupted
		return
	fi
	{ read -r run_pid run_start run_group <"$1/pid"; } 2>/dev/null || true
	if [ -n "$run_group" ]; then
		process_alive "$run_pid" "$run_start" && state=running
	else
		{ read -r run_pid run_start <"$1/launched" || read -r run_pid run_start <"$1/launcher"; } 2>/dev/null || true
		if process_alive "$run_pid" "$run_start" || run_unit_active "$1"; then
			state=starting
		fi
	fi
	[ -z "$state" ] || return 0
	# It may have ended, or begun, since we looked for its exit code and its process.
	run_finished "$1" && return
	state=dead
}

run_finished() {
	{ read -r exit_code <"$1/exit"; } 2>/dev/null || true
	[ -n "$exit_code" ] || return 1
	state=finished
}

# run_stopped DIR: whether it was stopped, or its step was and it is no undo.
run_stopped() {
	[ ! -e "$1/stop" ] || return 0
	case ${1##*-} in
	u*) return 1 ;;
	esac
	[ -e "${1%-*}-stop" ]
}

run_unit_active() {
	[ -d "$R/run/systemd/system" ] || return 1
	case $(systemctl show -p ActiveState --value "vsjob-${1##*/}.service" 2>/dev/null) in
	active | activating | deactivating | reloading) return 0 ;;
	*) return 1 ;;
	esac
}

# run_report DIR: answers the state: one line, then what the command answered; what it said last goes to stderr.
run_report() {
	run_state "$1"
	run_progress=
	case $state in
	finished)
		printf 'finished %s\n' "$exit_code"
		[ ! -s "$1/out" ] || head -c 1048576 "$1/out"
		[ ! -s "$1/log" ] || tail -c 16384 "$1/log" >&2
		;;
	running)
		{ IFS= read -r run_progress <"$1/progress"; } 2>/dev/null || true
		printf 'running %s\n' "$run_progress"
		;;
	*) printf '%s\n' "$state" ;;
	esac
}
