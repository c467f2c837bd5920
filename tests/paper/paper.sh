# What the stand-ins of paper hosts share. A stand-in is found first in PATH by the scripts of vsjob, keeps its state in
# the folder $R of the host, and obeys the faults that a test has put into $R/fault.

set -eu
[ -n "${R:-}" ] || {
	echo "a stand-in of a paper host was called without a host" >&2
	exit 125
}
# The folder of the stand-ins is a link in a pool, so this path leads to where it really is, without a fork.
paper=${0%/*}/..
tool=${0##*/}

# real TOOL ARG…: the machine's own tool instead of the stand-in.
real() {
	real_tool=$1
	shift
	for real_dir in /usr/local/sbin /usr/local/bin /usr/sbin /usr/bin /sbin /bin; do
		if [ -x "$real_dir/$real_tool" ]; then
			exec "$real_dir/$real_tool" "$@"
		fi
	done
	echo "$real_tool: not found" >&2
	exit 127
}

# fault_of NAME: sets fault to what the file $R/fault/NAME orders, once, and fails if there is none. A file with a
# number on a second line orders it for that call from now on: 1 is the next one.
fault_of() {
	fault='' fault_calls=1
	[ -e "$R/fault/$1" ] || return 1
	{
		read -r fault || true
		read -r fault_calls || fault_calls=1
	} <"$R/fault/$1"
	if [ "$fault_calls" -gt 1 ]; then
		printf '%s\n%s\n' "$fault" "$((fault_calls - 1))" >"$R/fault/$1"
		return 1
	fi
	rm "$R/fault/$1"
	printf '%s %s\n' "$1" "$fault" >>"$R/fault/done"
}

# obey_before, obey_after: what a fault of this tool does before and after its effect.
obey_before() {
	case $fault in
	fail)
		echo "$tool: a fault was ordered" >&2
		exit 1
		;;
	hang) real sleep 1000000 ;;
	reboot) "$paper/reboot" "$R" && real sleep 1000000 ;;
	esac
}

obey_after() {
	case $fault in
	lost) kill -KILL 0 ;;
	reboot-after) "$paper/reboot" "$R" && real sleep 1000000 ;;
	esac
}

# launch_fault DIR: changes the script of a command that is about to be launched, if a fault is ordered for its step:
# $R/fault/step-3 for what step 3 does, $R/fault/step-u3 for its undo.
launch_fault() {
	fault_step=${1##*/????????-????-????-????-????????????-}
	case ${fault_step#*-} in
	u*) fault_step=u${fault_step%-*} ;;
	*) fault_step=${fault_step%-*} ;;
	esac
	fault_of "step-$fault_step" || return 0
	mv "$1/script" "$1/script.real"
	launch_orders "$fault" >"$1/script"
}

launch_orders() {
	effect='(. "$RUN/script.real")'
	case $1 in
	fail) echo 'echo "VSJ0999: a fault was ordered" >&2; exit 78' ;;
	transient) echo 'echo "VSJ0999: a fault was ordered" >&2; exit 75' ;;
	hang) echo 'sleep 1000000' ;;
	lost) echo "set +e; $effect; kill -KILL 0" ;;
	cut) echo "'$paper/cut' \"\$R\" 0.3; $effect" ;;
	reboot) echo "'$paper/reboot' \"\$R\"; sleep 1000000" ;;
	reboot-after) echo "set +e; $effect; '$paper/reboot' \"\$R\"; sleep 1000000" ;;
	*) echo "echo 'no such fault: $1' >&2; exit 125" ;;
	esac
}

if fault_of "$tool"; then
	obey_before
	trap obey_after EXIT
fi
