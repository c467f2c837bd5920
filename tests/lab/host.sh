# shellcheck shell=bash
# shellcheck disable=SC2154 # lab sets dir, id, host and the like
# One host: its disk, its lives (a life is the time from a boot to the end of it), and what can befall
# it. A supervisor process a host starts the next life when a life ends with a reboot, as a machine's
# firmware would. Sourced by lab; `host` is the host that the command was given.

host_create() {
  local host=$1 image=$2 at=$dir/hosts/$1
  mkdir -p "$at/root" "$at/identity"
  cp --sparse=always --reflink=auto "$image" "$at/disk"
  # Two file systems with one id cannot be mounted at the same time on older kernels.
  btrfstune -f -m "$at/disk" >/dev/null
  host_key "$host"
}

host_key() {
  local key=$dir/hosts/$1/identity/ssh_host_ed25519_key
  ssh-keygen -q -t ed25519 -N '' -C "root@$1" -f "$key"
  access_add_host "$1" "$key.pub"
}

# What makes the copied disk this host. Written in its first life, before systemd sees the disk.
host_identity() {
  local host=$1 at=$dir/hosts/$1 etc=$dir/hosts/$1/root/etc
  [ ! -s "$etc/machine-id" ] || return 0
  tr -d - </proc/sys/kernel/random/uuid >"$etc/machine-id"
  printf '%s\n' "$host" >"$etc/hostname"
  cp "$dir/hosts.txt" "$etc/hosts"
  install -m 600 "$at/identity/ssh_host_ed25519_key" "$etc/ssh/"
  install -m 644 "$at/identity/ssh_host_ed25519_key.pub" "$etc/ssh/"
  install -d -m 700 "$at/root/root/.ssh"
  install -m 600 "$dir/key.pub" "$at/root/root/.ssh/authorized_keys"
}

host_start() {
  setsid "$SELF" _supervise --dir "$dir" "$1" </dev/null >>"$dir/hosts/$1/console.log" 2>&1 &
  disown
}

host_supervise() {
  local host=$1 rc
  cgroup_enter "vsjob-lab-$id/supervisors"
  cgroup_delegate "vsjob-lab-$id"
  echo "$BASHPID" >"$dir/hosts/$host/supervisor"
  while :; do
    until_true 20 disk_is_free "$dir/hosts/$host/disk" || die "the disk of $host is still in use"
    rc=0
    unshare --mount --net "$SELF" _life --dir "$dir" "$host" || rc=$?
    # 133 is systemd-nspawn's word for "reboot".
    [ "$rc" = 133 ] || break
  done
  rm -f "$dir/hosts/$host/supervisor"
}

# From boot to the end, in mount and network namespaces of its own, which end with it.
host_life() {
  local host=$1 at=$dir/hosts/$1 rc=0
  cable_of_host "$host"
  # What is not synced is lost with the power, however slow a test is.
  mount -o loop,noatime,commit=300 "$at/disk" "$at/root"
  if is_vm "$host"; then
    network_of_vm
    cable_into_vm
    vm_machine "$host" || rc=$?
  else
    network_of_host "$host"
    host_identity "$host"
    host_machine "$host" || rc=$?
  fi
  until_true 20 umount "$at/root" 2>/dev/null || umount --lazy "$at/root"
  return "$rc"
}

host_machine() (
  cgroup_enter "vsjob-lab-$id/$1"
  export SYSTEMD_NSPAWN_API_VFS_WRITABLE=1
  exec systemd-nspawn --quiet --boot --directory="$dir/hosts/$1/root" --machine="$1" --register=no --keep-unit \
    --capability=all --network-namespace-path=/proc/self/ns/net --resolv-conf=off --timezone=off \
    --link-journal=no --console=read-only
)

disk_is_free() { [ -z "$(losetup --associated "$1")" ]; }
host_is_gone() {
  local pid
  { read -r pid <"$dir/hosts/$1/supervisor"; } 2>/dev/null || return 0
  ! kill -0 "$pid" 2>/dev/null
}
host_wait_gone() {
  until_true 120 host_is_gone "$1" || die "$1 does not end"
  rm -f "$dir/hosts/$1/supervisor"
  until_true 20 disk_is_free "$dir/hosts/$1/disk" || die "the disk of $1 is still in use"
}

# only_child PID: sets pid to its child.
only_child() {
  local children=
  # The kernel ends that line with a blank and no newline.
  { read -r children <"/proc/$1/task/$1/children" || true; } 2>/dev/null
  pid=${children%% *}
  [ -n "$pid" ]
}

# Sets pid to the host's first process: supervisor, its life, systemd-nspawn, and then it. Of a VM it is the emulator.
find_leader() {
  local name="" leader=systemd
  pid=
  { read -r pid <"$dir/hosts/$1/supervisor"; } 2>/dev/null || return 1
  only_child "$pid" && only_child "$pid" || return 1
  if is_vm "$1"; then leader=qemu-system-x86; else only_child "$pid" || return 1; fi
  { read -r name <"/proc/$pid/comm"; } 2>/dev/null
  [ "$name" = "$leader" ]
}

host_leader() {
  local pid
  find_leader "$1" && printf '%s\n' "$pid"
}

# Sets boot_id, to - if the host is down.
find_boot_id() {
  local pid
  boot_id=-
  find_leader "$1" || return 0
  if is_vm "$1"; then
    { read -r boot_id <"$dir/hosts/$1/up"; } 2>/dev/null || boot_id=-
    boot_id=${boot_id%$'\r'}
    return
  fi
  { read -r boot_id <"/proc/$pid/root/proc/sys/kernel/random/boot_id"; } 2>/dev/null || boot_id=-
}

host_boot_id() {
  local boot_id
  find_boot_id "$1"
  printf '%s\n' "$boot_id"
}

# Ready: sshd listens. Seen from outside, so that it holds for a host whose cable is cut. A VM has said so itself, once
# in its life.
host_is_ready() {
  local pid address state boot_id
  if is_vm "$1"; then
    find_boot_id "$1"
    [ "$boot_id" != - ]
    return
  fi
  find_leader "$1" || return 1
  while read -r _ address _ state _; do
    [[ $address != *:0016 || $state != 0A ]] || return 0
  done 2>/dev/null <"/proc/$pid/net/tcp"
  return 1
}
host_wait_ready() { until_true 600 host_is_ready "$1" || { say "$1 does not come up: $dir/hosts/$1/console.log"; return 1; }; }

host_run() {
  [ $# -gt 0 ] || misuse 'run what?'
  local leader
  leader=$(host_leader "$host") || die "$host is down"
  cgroup_enter "vsjob-lab-$id/$host/console"
  set -- env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root USER=root LANG=C.UTF-8 \
    TERM="${TERM:-dumb}" "$@"
  ! is_vm "$host" || vm_run "$leader" "$@"
  exec nsenter --target "$leader" --mount --uts --ipc --net --pid --cgroup --root --wd -- "$@"
}

host_boot() {
  host_leader "$host" >/dev/null && die "$host is up"
  host_wait_gone "$host"
  [ -z "$disk" ] || cp --sparse=always --reflink=auto "$disk" "$dir/hosts/$host/disk"
  host_start "$host"
  host_wait_ready "$host"
}

# host_order VERB: asks its systemd to end the host. At that end all its processes are stopped and then killed, which may
# befall the messenger too: nsenter stops with it, and nobody would wake it.
host_order() {
  (host_run systemctl "$1") &
  local messenger=$! status=0
  while kill -CONT "$messenger" 2>/dev/null && [[ $(ps -o stat= -p "$messenger") != Z* ]]; do sleep 0.2; done
  wait "$messenger" || status=$?
  [ "$status" = 0 ] || [ "$status" -gt 128 ]
}

host_halt() {
  host_leader "$host" >/dev/null || return 0
  host_order poweroff || die "$host refuses to shut down"
  host_wait_gone "$host"
}

host_has_another_life() {
  local boot_id
  find_boot_id "$host"
  [ "$boot_id" != - ] && [ "$boot_id" != "$1" ] && host_is_ready "$host"
}

host_reboot() {
  local before
  before=$(host_boot_id "$host")
  [ "$before" != - ] || die "$host is down"
  host_order reboot || die "$host refuses to reboot"
  until_true 600 host_has_another_life "$before" || die "$host does not come back: $dir/hosts/$host/console.log"
}

# The loop device shrinks to one sector: from here on each write to the disk fails, whatever the
# kernel still wants to flush while the file system is torn down. Then the processes go.
host_power_cut() {
  local device
  host_is_gone "$host" && return 0
  for device in $(losetup --associated "$dir/hosts/$host/disk" --noheadings --output NAME); do
    unplug_disk "$device"
  done
  cgroup_kill "vsjob-lab-$id/$host"
  host_wait_gone "$host"
}

unplug_disk() {
  perl -e '
    my ($set, $get, $limit_at) = (0x4C04, 0x4C05, 32);    # LOOP_SET_STATUS64, LOOP_GET_STATUS64, lo_sizelimit
    my $info = "\0" x 232;
    open(my $loop, "<", $ARGV[0]) or die "$ARGV[0]: $!\n";
    ioctl($loop, $get, $info) or die "$ARGV[0]: $!\n";
    substr($info, $limit_at, 8) = pack("Q", 512);
    ioctl($loop, $set, $info) or die "$ARGV[0]: $!\n";
  ' "$1"
}

host_kill_sshd() {
  # Guests share the host's view of processes: theirs are left alone.
  (host_run pkill --signal KILL --exact --ns 1 --nslist pid sshd)
}

# The host's processes stand still, and the copy counts only if no write reached the disk meanwhile.
host_copy_disk() {
  [ -n "${1:-}" ] || misuse 'copy to which file?'
  local target=$1 at=$dir/hosts/$host frozen tries=0 rc=0
  if host_is_gone "$host"; then
    cp --sparse=always --reflink=auto "$at/disk" "$target"
    return
  fi
  frozen=$(cgroup_unified)/vsjob-lab-$id/$host
  trap 'echo 0 >"$frozen/cgroup.freeze"' EXIT
  echo 1 >"$frozen/cgroup.freeze"
  until_true 2 grep -qx 'frozen 1' "$frozen/cgroup.events" || true
  until copy_in_quiet "$at/disk" "$target"; do
    tries=$((tries + 1))
    [ "$tries" -lt 40 ] || { rc=1; break; }
    sleep 0.05
  done
  echo 0 >"$frozen/cgroup.freeze"
  trap - EXIT
  [ "$rc" = 0 ] || die "$host never stops writing to its disk"
}

copy_in_quiet() {
  local device before after
  device=$(losetup --associated "$1" --noheadings --output NAME)
  before=$(writes_of "$device")
  [ "${before##* }" = 0 ] || return 1
  cp --sparse=always --reflink=auto "$1" "$2"
  after=$(writes_of "$device")
  [ "$before" = "$after" ]
}

# Writes and flushes completed, and requests in flight.
writes_of() { awk '{ print $5, $7, $16, $9 }' "/sys/block/${1##*/}/stat"; }

# After the processes are gone: wait until the kernel has let go of the disks, or take them back.
hosts_release() {
  local file device
  for file in "$dir"/hosts/*/disk; do
    [ -e "$file" ] || continue
    until_true 10 disk_is_free "$file" && continue
    for device in $(losetup --associated "$file" --noheadings --output NAME); do
      losetup --detach "$device" || say "could not detach $device"
    done
  done
}
