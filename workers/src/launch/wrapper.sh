# Runs a launched command and records how it ended. $1 is its run directory, $2 the root of the host, $3 the PATH.
# It holds a lock for as long as it lives, so that whoever waits for its end needs no polling.

RUN=$1 R=$2 PATH=$3
LC_ALL=C
export RUN R PATH LC_ALL
umask 022
cd /

exec 9>"$RUN/lock"
flock 9
read -r stat </proc/self/stat
# shellcheck disable=SC2086 # fields are to be split
set -- ${stat##*) }
printf '%s %s %s\n' "$$" "${20}" "$3" >"$RUN/pid"

# finish CODE: a rename and an fsync, so that an exit code that is seen is whole and stays.
finish() {
	printf '%s\n' "$1" >"$RUN/exit.part"
	mv "$RUN/exit.part" "$RUN/exit"
	sync "$RUN/exit" "$RUN"
	exit 0
}

# The process is recorded before these are looked at, and whoever stops it or claims the host writes these before
# looking for processes: one sees the other.
if run_stopped "$RUN"; then
	printf 'VSJ0312: it was stopped before it began\n' >"$RUN/log"
	finish 75
fi
read -r epoch_now <"$R/var/lib/vsjob/epoch"
read -r epoch_then <"$RUN/epoch"
if [ "$epoch_now" != "$epoch_then" ]; then
	printf 'VSJ0312: the host was claimed by another life of the master before it began\n' >"$RUN/log"
	finish 75
fi

set --
while IFS= read -r argument; do
	set -- "$@" "$argument"
done <"$RUN/args"
# shellcheck source=/dev/null
(. "$RUN/script") </dev/null >"$RUN/out" 2>"$RUN/log" 9>&-
finish $?
