# The loop of a channel: one `sh` on a host that performs requests read from its standard input, one after the other,
# until that ends. $1 is the root of the host, $2 a PATH to use instead of the usual one.
#
#   NONCE                                            first line: what no output can contain by chance
#   run MODE HASH COUNTER EPOCH ARGUMENTS            then one line an argument; MODE is r (reads) or m (mutates)
#   load                                             then a line HASH BYTES, then that many bytes: a script, kept
#
# A script's output goes straight to standard output, and frame lines follow it:
#   NONCE status WHY                                 why it was not run, if so: unloaded, unclaimed (the host knows no
#                                                    such epoch yet) or refused:COUNTER:EPOCH (it obeys another master)
#   NONCE errors                                     then what it wrote to standard error, if anything
#   NONCE end NUMBER EXIT-CODE                       the end; NUMBER counts the requests to run, from 1
# Each request is read, performed and answered by a subshell that was forked while nothing was to be done: it waits for
# no fork, and only built-ins stand between it and its script. A script is free in its names but for those that begin
# with loop_ or script_.

R=$1
PATH=${2:-/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin}
LC_ALL=C
export R PATH LC_ALL
umask 022
cd /

IFS= read -r loop_nonce || exit 0
read -r loop_stat </proc/self/stat
# shellcheck disable=SC2086 # fields are to be split
set -- ${loop_stat##*) }
loop_group=$3 loop_start=${20}
loop_registration=$R/run/vsjob/channels/$$ loop_errors=$R/run/vsjob/errors.$$
[ -d "${loop_registration%/*}" ] || mkdir -p "${loop_registration%/*}"
trap 'rm -f "$loop_registration" "$loop_errors"' EXIT
# Opened once, for all requests. Who may not write there is not root, which the first answer tells.
if { : >>"$loop_errors"; } 2>/dev/null; then exec 2>>"$loop_errors"; fi

# A channel is known to its host from its first mutating request on, so that a later master can end it. It is
# registered before the epoch is checked, and a claim writes the epoch before it looks for channels: one sees the other.
loop_register() {
	loop_registered=
	{ read -r loop_registered <"$loop_registration"; } 2>/dev/null
	[ "$loop_registered" = "$loop_counter $loop_epoch $$ $loop_start $loop_group" ] ||
		printf '%s %s %s %s %s\n' "$loop_counter" "$loop_epoch" "$$" "$loop_start" "$loop_group" >"$loop_registration"
}

loop_admit() {
	loop_register
	loop_have='' loop_have_epoch=''
	{ read -r loop_have loop_have_epoch <"$R/var/lib/vsjob/epoch"; } 2>/dev/null
	if [ "$loop_have $loop_have_epoch" = "$loop_counter $loop_epoch" ]; then
		return 0
	elif [ -z "$loop_have" ] || [ "$loop_have" -lt "$loop_counter" ]; then
		loop_refuse unclaimed
	else
		loop_refuse "refused:$loop_have:$loop_have_epoch"
	fi
}

loop_refuse() {
	printf '\n%s status %s\n' "$loop_nonce" "$1"
	exit
}

# The answer's end. 199 tells the loop that it has been given.
loop_finish() {
	trap - EXIT
	if [ -s "$loop_errors" ]; then
		printf '\n%s errors\n' "$loop_nonce"
		cat "$loop_errors"
		: >"$loop_errors"
	fi
	printf '\n%s end %s %s\n' "$loop_nonce" "$loop_number" "$1"
	exit 199
}

# loop_tell SIGNAL: tells the loop, by its $loop_next, what was asked. Only while it is there: its number may be that of another
# process by now.
loop_tell() {
	read -r loop_stat </proc/self/stat
	# shellcheck disable=SC2086 # fields are to be split
	set -- "$1" ${loop_stat##*) }
	[ "$3" = "$$" ] || exit
	kill "-$1" $$
}

# Performs one request, in a subshell. What is not for it, it leaves to the loop.
loop_perform() {
	read -r loop_verb loop_mode loop_hash loop_counter loop_epoch loop_count || loop_verb=
	case $loop_verb in
	run) loop_tell USR2 ;;
	load) loop_tell USR1 && exit ;;
	*) loop_tell TERM && exit ;;
	esac
	# shellcheck disable=SC2154 # it is the exit code when the trap is run
	trap 'loop_finish $?' EXIT
	set --
	while [ "$loop_count" -gt 0 ]; do
		IFS= read -r loop_argument || exit
		set -- "$@" "$loop_argument"
		loop_count=$((loop_count - 1))
	done
	eval "loop_script=\${script_$loop_hash-}"
	[ -n "$loop_script" ] || loop_refuse unloaded
	[ "$loop_mode" = r ] || loop_admit
	exec </dev/null
	"loop_run_$loop_hash" "$@"
}

loop_load() {
	read -r loop_hash loop_bytes
	loop_script=$(head -c "$loop_bytes")
	eval "script_$loop_hash=\$loop_script
loop_run_$loop_hash() {
$loop_script
}"
}

loop_number=1
trap 'loop_next=load' USR1
trap 'loop_next=run' USR2
trap 'loop_next=stop' TERM
while :; do
	loop_next=
	(loop_perform)
	loop_code=$?
	case $loop_next in
	load) loop_load ;;
	run)
		# A script that was killed could not answer.
		[ "$loop_code" -eq 199 ] || (loop_finish "$loop_code")
		loop_number=$((loop_number + 1))
		;;
	# That is all, or it was killed while it waited, as a host that goes down kills everything: that is no answer to what is asked next.
	*) exit 0 ;;
	esac
done
