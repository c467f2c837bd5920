# Faults that a test has ordered in $R/fault, and what they do to a command that is about to be launched. On paper hosts
# and, for matrices, on those of a lab; $paper has the tools `cut` and `reboot`.

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
	wait) echo "until [ -e \"\$R/fault/go\" ]; do cat \"\$R/fault/word\" >\"\$RUN/progress\" 2>/dev/null || true; sleep 0.02; done; $effect" ;;
	lost) echo "set +e; $effect; kill -KILL 0" ;;
	cut) echo "'$paper/cut' \"\$R\" 0.3; $effect" ;;
	reboot) echo "'$paper/reboot' \"\$R\"; sleep 1000000" ;;
	reboot-after) echo "set +e; $effect; '$paper/reboot' \"\$R\"; sleep 1000000" ;;
	*) echo "echo 'no such fault: $1' >&2; exit 125" ;;
	esac
}
