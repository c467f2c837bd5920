# The first question of a channel: who the host is, and which processes the channel is made of. $$, $loop_start and
# $loop_group are those of the channel's loop.

read -r boot <"$R/proc/sys/kernel/random/boot_id"
machine=
{ read -r machine <"$R/etc/machine-id"; } 2>/dev/null || true
epoch=
{ read -r epoch <"$R/var/lib/vsjob/epoch"; } 2>/dev/null || true
out pid "$$"
# shellcheck disable=SC2154 # set by the loop
out start "$loop_start"
# shellcheck disable=SC2154
out group "$loop_group"
out boot "$boot"
out machine "$machine"
out epoch "$epoch"
if [ -z "$R" ]; then
	out user "$(id -u)"
else
	out user 0
fi
