# Processes by number and start time, so that a number used again is not taken for the process it once was.

# process_of PID: sets process_pid, process_state, process_group and process_start; fails if there is no such process.
process_of() {
	process_stat=
	{ read -r process_stat <"/proc/$1/stat"; } 2>/dev/null || return 1
	process_pid=${process_stat%% *}
	# shellcheck disable=SC2086 # fields are to be split
	set -- ${process_stat##*) }
	process_state=$1 process_group=$3 process_start=${20}
}

# process_alive PID START: whether that very process still runs. One that only waits to be reaped does not.
process_alive() {
	process_of "$1" && [ "$process_start" = "$2" ] && [ "$process_state" != Z ]
}

# group_alive GROUP: whether a process of that group still runs.
group_alive() {
	for group_stat in /proc/[0-9]*/stat; do
		group_stat=${group_stat%/stat}
		if process_of "${group_stat#/proc/}" && [ "$process_group" = "$1" ] && [ "$process_state" != Z ]; then
			return 0
		fi
	done
	return 1
}

# channel_alive PID START GROUP: whether something of a channel still runs; its first process may be gone. Its number is
# nobody else's while a process of its group is left.
channel_alive() {
	! process_of "$1" || [ "$process_start" = "$2" ] || return 1
	group_alive "$3"
}

# group_end GROUP SECONDS: ends a group, politely first; fails if it is still there in the end.
group_end() {
	kill -TERM "-$1" 2>/dev/null || true
	group_wait "$1" "$2" && return 0
	kill -KILL "-$1" 2>/dev/null || true
	group_wait "$1" 5
}

# group_wait GROUP SECONDS: until the group is gone; fails if it is not.
group_wait() {
	group_turns=$(($2 * 50))
	while group_alive "$1"; do
		[ "$group_turns" -gt 0 ] || return 1
		group_turns=$((group_turns - 1))
		sleep 0.02
	done
}
