# What every script of vsjob begins with: how it answers, fails and makes its effect durable. POSIX sh; the text is
# put before the driver libraries and the action's own text. $R is the root of the host: empty on a real one.

set -eu
LC_ALL=C
export LC_ALL

# out KEY VALUE: one result. A value is one line; anything else is refused, since results are lines.
out() {
	case $2 in
	*'
'*) fail permanent VSJ0311 "the result '$1' is more than one line" ;;
	esac
	printf '%s=%s\n' "$1" "$2"
}

# fail CLASS CODE MESSAGE: ends the script. CLASS says whether the same again may succeed: transient (a time-out, a
# lost line), partial (rsync 23), vanished (rsync 24), permanent.
fail() {
	printf '%s: %s\n' "$2" "$3" >&2
	case $1 in
	transient) exit 75 ;;
	partial) exit 76 ;;
	vanished) exit 77 ;;
	*) exit 78 ;;
	esac
}

# durable PATH…: returns when the files or directories, and their names in their directories, would survive a power
# cut. A path that is gone counts by its directory alone, or by the nearest that is there: its removal is then durable.
durable() {
	for durable_path; do
		while :; do
			durable_dir=${durable_path%/*}
			while [ -n "$durable_dir" ] && [ ! -d "$durable_dir" ]; do
				durable_dir=${durable_dir%/*}
			done
			durable_what=$durable_path
			[ -e "$durable_what" ] || durable_what=${durable_dir:-/}
			if sync "$durable_what" "${durable_dir:-/}"; then break; fi
			# Somebody else may just have removed it, such as the last of the folders that jobs share: then there is less to do.
			if [ -e "$durable_what" ] && [ -e "${durable_dir:-/}" ]; then return 1; fi
		done
	done
}

# durable_tree PATH: the same for everything on the filesystem of PATH.
durable_tree() {
	sync -f "$1"
}

# progress BYTES TOTAL NOTE: tells how far a launched script is; TOTAL is - when it is not known. Costs no fork. A
# script that tells nothing for as long as its action allows is taken for stalled.
progress() {
	[ -z "${RUN:-}" ] || printf '%s %s %s\n' "$1" "$2" "$3" >"$RUN/progress"
}

# run_job: the job that this launched script works for.
run_job() {
	run_job=${RUN:-}
	run_job=${run_job##*/}
	printf '%s' "${run_job%-*-*}"
}
