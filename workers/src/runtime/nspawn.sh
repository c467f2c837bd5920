# The runtime nspawn: guests of systemd-nspawn. A guest NAME has its root in the volume NAME and its definition in
# NAME.nspawn and the drop-ins of systemd-nspawn@NAME.service. What is changed here is not durable by itself:
# guest_durable is, for the definition and the enabling of a guest.

guest_unit() { printf 'systemd-nspawn@%s.service' "$1"; }
guest_settings() { printf '%s' "$R/etc/systemd/nspawn/$1.nspawn"; }
guest_dropins() { printf '%s' "$R/etc/systemd/system/systemd-nspawn@$1.service.d"; }

# guest_durable NAME: its definition, or that there is none, survives a power cut, and so does its enabling.
guest_durable() {
	durable "$(guest_settings "$1")" "$(guest_dropins "$1")"
	[ ! -e "$(guest_dropins "$1")" ] || durable "$(guest_dropins "$1")"/*
	durable "$R/etc/systemd/system/machines.target.wants" "$R/etc/systemd/system/multi-user.target.wants"
}

# guest_state NAME: sets guest_state to running, stopped, or changing. What is to be started has a job, also while its host
# boots and has not come to it.
guest_state() {
	case $(systemctl show -p ActiveState -p Job "$(guest_unit "$1")") in
	*Job=[1-9]*) guest_state=changing ;;
	*ActiveState=active* | *ActiveState=reloading*) guest_state=running ;;
	*ActiveState=inactive* | *ActiveState=failed* | '') guest_state=stopped ;;
	*) guest_state=changing ;;
	esac
}

guest_running() {
	guest_state "$1"
	[ "$guest_state" = running ]
}

# guest_enabled NAME: whether it starts with its host.
guest_enabled() {
	[ -L "$R/etc/systemd/system/machines.target.wants/$(guest_unit "$1")" ]
}

guest_defined() { [ -f "$(guest_settings "$1")" ]; }

# guest_enable NAME ADDRESS DEVICE: it starts with its host, unless somebody answers at its address by then. Its tree need not be
# there: machinectl would want to see it, and after a reboot nobody has mounted it yet.
guest_enable() {
	mkdir -p "$(guest_dropins "$1")"
	if [ -n "$2" ] && [ -n "$3" ]; then
		printf '[Service]\nExecStartPre=/usr/bin/arping -D -q -c 1 -w 1 -I %s %s\n' "$3" "${2%/*}" \
			>"$(guest_dropins "$1")/vsjob-address.conf.part"
		mv "$(guest_dropins "$1")/vsjob-address.conf.part" "$(guest_dropins "$1")/vsjob-address.conf"
	fi
	systemctl --quiet enable "$(guest_unit "$1")" machines.target >&2
	guest_durable "$1"
}

# guest_disable NAME: it does not start with its host.
guest_disable() {
	rm -f "$(guest_dropins "$1")/vsjob-address.conf"
	systemctl --quiet disable "$(guest_unit "$1")" >&2 || true
	guest_durable "$1"
	if guest_enabled "$1"; then fail permanent VSJ0441 "the guest $1 stays enabled"; fi
}

# guest_settle NAME TURNS: waits until it is running or stopped, at most that many times 50 ms; fails if it is not.
guest_settle() {
	guest_turns=$2
	guest_state "$1"
	while [ "$guest_state" = changing ]; do
		[ "$guest_turns" -gt 0 ] || return 1
		guest_turns=$((guest_turns - 1))
		sleep 0.05
		guest_state "$1"
	done
}

# guest_start NAME: answers when it runs.
guest_start() {
	guest_settle "$1" 1200 || fail transient VSJ0442 "the guest $1 does not settle"
	[ "$guest_state" = stopped ] || return 0
	systemctl reset-failed "$(guest_unit "$1")" 2>/dev/null || true
	if ! systemctl start "$(guest_unit "$1")" >&2; then
		journalctl -q --no-pager -n 20 -u "$(guest_unit "$1")" >&2 2>/dev/null || true
		fail transient VSJ0443 "the guest $1 does not start"
	fi
}

# guest_stop NAME SECONDS: asks it to power off, and answers when nothing of it runs; what is left after SECONDS is
# terminated. Its unit is never restarted: a stop that is seen to its end comes first.
guest_stop() {
	# What is only about to run hears nothing yet.
	guest_settle "$1" 400 || true
	[ "$guest_state" != stopped ] || return 0
	machinectl poweroff "$1" >&2 || true
	guest_turns=$(($2 * 50))
	while [ "$guest_state" != stopped ] && [ "$guest_turns" -gt 0 ]; do
		guest_turns=$((guest_turns - 1))
		sleep 0.02
		guest_state "$1"
	done
	if [ "$guest_state" != stopped ]; then
		machinectl terminate "$1" >&2 || true
		systemctl stop "$(guest_unit "$1")" >&2 || true
	fi
	guest_state "$1"
	[ "$guest_state" = stopped ] || fail transient VSJ0444 "the guest $1 does not stop"
}

# guest_leader NAME: the pid of its first process.
guest_leader() {
	machinectl show -p Leader --value "$1" 2>/dev/null
}

# guest_memory NAME: bytes that it has of the host's memory, without what is cached of files; 0 if it does not run.
guest_memory() {
	guest_group=$(systemctl show -p ControlGroup --value "$(guest_unit "$1")")
	guest_bytes=
	if [ -n "$guest_group" ]; then
		guest_bytes=$(awk '/^(anon|shmem) / { sum += $2 } END { printf "%.0f", sum }' \
			"$R/sys/fs/cgroup$guest_group/memory.stat" 2>/dev/null) || true
	fi
	printf '%s' "${guest_bytes:-0}"
}

# guest_processes NAME: the pids of its processes, as its host sees them, one a line; of one that does not run there are
# none. A group that goes meanwhile has none either.
guest_processes() {
	guest_group=$(systemctl show -p ControlGroup --value "$(guest_unit "$1")")
	[ -n "$guest_group" ] || return 0
	for guest_file in "$R/sys/fs/cgroup" "$R/sys/fs/cgroup/unified" "$R/sys/fs/cgroup/systemd"; do
		[ -d "$guest_file$guest_group" ] || continue
		find "$guest_file$guest_group" -name cgroup.procs -exec cat {} + 2>/dev/null || true
		return 0
	done
	! guest_running "$1" || fail transient VSJ0445 "the processes of the guest $1 cannot be listed"
}

# guest_exec NAME COMMAND…: runs a command in it, with its exit code.
guest_exec() {
	guest_exec_name=$1
	shift
	systemd-run -M "$guest_exec_name" --wait --pipe --collect -q -- "$@"
}

# guest_healthy NAME SECONDS COMMAND: it runs, and the COMMAND, if there is one, succeeds in it in that time.
guest_healthy() {
	guest_until=$(($(date +%s) + $2))
	while guest_running "$1"; do
		if [ -n "$(guest_leader "$1")" ] &&
			{ [ -z "$3" ] || guest_exec "$1" sh -c "$3" </dev/null >/dev/null 2>&1; }; then
			return 0
		fi
		[ "$(date +%s)" -lt "$guest_until" ] || return 1
		sleep 0.05
	done
	return 1
}

# guest_is_of_this_job NAME: its definition here is by this very job. What another one has put here since is not to be
# taken back.
guest_is_of_this_job() {
	guest_defined "$1" && [ "$(guest_setting "$(guest_settings "$1")" job)" = "$(run_job)" ]
}

# guest_define NAME ADDRESS DEVICE RSS TMPFS PROC CPU: writes its definition. Limits are in MB, processes and percent
# of one processor; 0 is no limit.
guest_define() {
	mkdir -p "$R/etc/systemd/nspawn" "$(guest_dropins "$1")"
	guest_file=$(guest_settings "$1")
	{
		printf '# vsjob address=%s\n# vsjob job=%s\n' "$2" "$(run_job)"
		[ "${8:-0}" = 0 ] || printf '# vsjob disk=%s\n' "$8"
		printf '[Exec]\nBoot=yes\nPrivateUsers=no\nLinkJournal=no\nResolvConf=off\nTimezone=off\n'
		printf '[Network]\nVirtualEthernet=yes\nBridge=%s\n' "$3"
		[ "$5" = 0 ] || printf '[Files]\nTemporaryFileSystem=/tmp:size=%sM,mode=1777\n' "$5"
	} >"$guest_file.part"
	mv "$guest_file.part" "$guest_file"
	guest_file=$(guest_dropins "$1")/vsjob-limits.conf
	{
		printf '[Service]\n'
		[ "$4" = 0 ] || printf 'MemoryMax=%sM\nMemorySwapMax=0\n' "$4"
		[ "$6" = 0 ] || printf 'TasksMax=%s\n' "$6"
		[ "$7" = 0 ] || printf 'CPUQuota=%s%%\n' "$7"
	} >"$guest_file.part"
	mv "$guest_file.part" "$guest_file"
	guest_file=$(guest_dropins "$1")/vsjob-volume.conf
	guest_needs=$(volume_command %i)
	if [ "$guest_needs" = : ]; then
		rm -f "$guest_file"
	else
		printf '[Service]\nExecStartPre=/bin/sh -c "%s"\n' "$guest_needs" >"$guest_file.part"
		mv "$guest_file.part" "$guest_file"
	fi
	systemctl daemon-reload
	guest_durable "$1"
}

# guest_setting FILE KEY: the value of the first line KEY=value of a file; empty if there is none.
guest_setting() {
	[ ! -f "$1" ] || sed -n "s/^\(# vsjob \)\{0,1\}$2=//p" "$1" | head -n 1
}

# guest_facts NAME: sets address, device, rss, tmpfs, proc, cpu and disk as guest_define takes them.
guest_facts() {
	address=$(guest_setting "$(guest_settings "$1")" address)
	device=$(guest_setting "$(guest_settings "$1")" Bridge)
	disk=$(guest_setting "$(guest_settings "$1")" disk)
	tmpfs=$(sed -n 's/^TemporaryFileSystem=\/tmp:size=\([0-9]*\)M.*/\1/p' "$(guest_settings "$1")" 2>/dev/null | head -n 1)
	guest_file=$(guest_dropins "$1")/vsjob-limits.conf
	rss=$(guest_setting "$guest_file" MemoryMax)
	rss=${rss%M}
	proc=$(guest_setting "$guest_file" TasksMax)
	cpu=$(guest_setting "$guest_file" CPUQuota)
	cpu=${cpu%\%}
	rss=${rss:-0} tmpfs=${tmpfs:-0} proc=${proc:-0} cpu=${cpu:-0} disk=${disk:-0}
}

# guest_peculiar NAME: sets peculiar to the first thing in its definition that guest_define would not write, so that a guest
# which is defined anew, elsewhere or later, would lack it. Empty if there is none.
guest_peculiar() {
	peculiar=$(
		{
			grep -vxE '\[(Exec|Network|Files)\]|Boot=yes|PrivateUsers=no|LinkJournal=no|ResolvConf=off|Timezone=off|VirtualEthernet=yes|Bridge=.*|TemporaryFileSystem=/tmp:size=[0-9]+M,mode=1777' \
				"$(guest_settings "$1")" || true
			if [ -e "$(guest_dropins "$1")/vsjob-limits.conf" ]; then
				grep -vxE '\[Service\]|MemoryMax=[0-9]+M|MemorySwapMax=0|TasksMax=[0-9]+|CPUQuota=[0-9]+%' \
					"$(guest_dropins "$1")/vsjob-limits.conf" || true
			fi
			find "$(guest_dropins "$1")" -mindepth 1 ! -name 'vsjob-*' 2>/dev/null || true
		} | grep -vE '^[[:space:]]*([#;]|$)' | head -n 1 | cut -c 1-100 | tr -c '[:print:]\n' '?'
	) || true
}

# guest_rename_definition FROM TO: from any half-way point of itself. Whoever has the name FROM afterwards has no
# definition. systemd is not told: it reads a unit anew when it is started, except for limits, so a reload comes first
# then. It takes half a second on a busy host.
guest_rename_definition() {
	if [ -e "$(guest_settings "$1")" ]; then
		mv -T "$(guest_settings "$1")" "$(guest_settings "$2")"
	fi
	if [ -d "$(guest_dropins "$1")" ]; then
		mv -T "$(guest_dropins "$1")" "$(guest_dropins "$2")"
	fi
	guest_durable "$1"
	guest_durable "$2"
}

# guest_undefine NAME: removes its definition.
guest_undefine() {
	rm -rf "$(guest_settings "$1")" "$(guest_settings "$1").part" "$(guest_dropins "$1")"
	systemctl daemon-reload
	guest_durable "$1"
}
