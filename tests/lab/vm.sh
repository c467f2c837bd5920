# shellcheck shell=bash
# shellcheck disable=SC2154 # lab sets dir, id, host and the like
# A host that is a virtual machine, for what the kernel of this machine lacks. It has the disk, the supervisor, the
# cable and the group of a fast host; here is what differs: what runs in its lives, how one gets in, how it says that it
# is ready. Sourced by lab.

readonly VM_MEMORY=512
readonly KVM=(-accel kvm -cpu host)
# What this processor can is what an emulator does cheaply; by default its translations take as much memory as the VM.
readonly EMULATED=(-accel 'tcg,tb-size=128' -cpu qemu64)
# Without post-quantum key exchange, which costs an emulated processor a second.
readonly CONSOLE=(-F none -p 2222 -o IdentitiesOnly=yes -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null
  -o GlobalKnownHostsFile=/dev/null -o LogLevel=ERROR -o KexAlgorithms=curve25519-sha256
  -o ConnectTimeout=20 -o ConnectionAttempts=60)

is_vm() { [ -e "$dir/hosts/$1/vm" ]; }

vm_create() {
  local host=$1 at=$dir/hosts/$1 state
  mkdir -p "$at/root" "$at/identity"
  ln -s "$(vm_image)" "$at/vm"
  state=$(vm_state "$host")
  cp --sparse=always --reflink=auto "$state/disk" "$at/disk"
  btrfstune -f -m "$at/disk" >/dev/null
  host_key "$host"
  ln -s "$state" "$at/new"
}

# In the namespaces of a life, until its end; its status is systemd-nspawn's, 133 for a reboot. The emulator tells what
# happens to it on its standard output, which closes when it ends, however it does.
vm_machine() {
  local host=$1 at=$dir/hosts/$1 told rc=0 machine_PID
  local -a machine
  rm -f "$at/up" "$REGISTRY/$id-$host"
  coproc machine {
    cgroup_enter "vsjob-lab-$id/$host"
    vm_emulate "$host" "$at" "$at/vm"
  }
  qmp '{"execute": "qmp_capabilities"}'
  [ ! -e "$at/new" ] || vm_introduce "$host" &
  while read -r told; do
    case $told in *'"SHUTDOWN"'*'"guest-reset"'*) rc=133 ;; esac
  done <&"${machine[0]}"
  rm -f "$at/up"
  # Who was on its console.
  cgroup_kill "vsjob-lab-$id/$host"
  return "$rc"
}

# Makes a new VM this host, which is not ready before. Few commands, as each costs an emulated processor its time.
vm_introduce() {
  local at=$dir/hosts/$1 files=$dir/hosts/$1/identity/files
  cgroup_enter "vsjob-lab-$id/$1/console"
  install -D -m 644 "$dir/hosts.txt" "$files/etc/hosts"
  install -D -m 600 -t "$files/etc/ssh" "$at"/identity/ssh_host_*
  install -d -m 700 "$files/root/.ssh"
  install -m 600 "$dir/key.pub" "$files/root/.ssh/authorized_keys"
  # shellcheck disable=SC2016 # expanded in the VM
  tar -C "$files" -cf - . | vm_ssh "$at/vm" sh -euc '
    echo "here I am"
    date --set "@$1" >/dev/null
    tar -C / --no-overwrite-dir -xf -
    # All copies of a state would draw the same random numbers. 0x5207 is RNDRESEEDCRNG.
    echo "$2" >/dev/urandom
    perl -e "open(my \$random, q(<), q(/dev/urandom)); ioctl(\$random, 0x5207, 0)"
    sync -f /
    systemctl reload ssh.service
    systemctl start lab-ready.service' sh "$EPOCHREALTIME" "$(head -c 48 /dev/urandom | base64)" |
    # From here on its disk is no longer that of the state.
    { read -r _ && rm "$at/new"; }
}

# vm_emulate HOST FOLDER IMAGE: becomes the emulator of a VM host with the disks in FOLDER/root. In FOLDER it writes
# console.log, and `up` when the host is ready. If there is FOLDER/new, a saved state, it goes on from that.
vm_emulate() {
  local host=$1 at=$2 image=$3 emulator number words
  local -a processor=("${EMULATED[@]}") incoming=()
  emulator=$(emulator)
  number=$(host_number "$host")
  [ "$(vm_accelerator)" = tcg ] || processor=("${KVM[@]}")
  mount --rbind /dev "$emulator/dev"
  mount --rbind "$at" "$emulator/mnt"
  mount --bind "$(realpath "$image")" "$emulator/srv"
  if [ -e "$at/new" ]; then
    mount --bind "$(realpath "$at/new")" "$emulator/opt"
    incoming=(-incoming 'exec:cat /opt/ram')
  fi
  # Programs that lie at the same addresses each time are translated once: they start three times as fast.
  words="console=ttyS0 quiet panic=-1 net.ifnames=0 mitigations=off norandmaps rcupdate.rcu_expedited=1 lab.host=$host"
  words+=" lab.address=$(host_address "$host")/16 lab.bridge=$(bridge_mac "$host")"
  exec chroot "$emulator" /usr/bin/qemu-system-x86_64 -name "$host" -nodefaults -display none -qmp stdio -no-reboot \
    "${processor[@]}" -m "$VM_MEMORY" -kernel /srv/vmlinuz -initrd /srv/initrd -append "$words" \
    -chardev file,id=console,path=/mnt/console.log,append=on -serial chardev:console \
    -chardev file,id=up,path=/mnt/up -serial chardev:up \
    -drive if=none,id=root,format=raw,cache=writeback,discard=unmap,file=/mnt/root/root -device virtio-blk-pci,drive=root \
    -drive if=none,id=pool,format=raw,cache=writeback,discard=unmap,file=/mnt/root/pool -device virtio-blk-pci,drive=pool \
    -netdev tap,id=cable,ifname=tap0,script=no,downscript=no \
    -device "virtio-net-pci,netdev=cable,mac=$(printf '02:56:53:01:00:%02x' "$number")" \
    -netdev tap,id=console,ifname=tap1,script=no,downscript=no \
    -device virtio-net-pci,netdev=console,mac=02:56:53:02:00:01 \
    -device virtio-rng-pci "${incoming[@]}"
}

# In the namespace of a life: both plugs of a VM, and the line to its console.
network_of_vm() {
  local tap
  for tap in tap0 tap1; do
    ip tuntap add "$tap" mode tap
    ip link set "$tap" up
  done
  ip address add 192.168.77.1/30 dev tap1
}

# Then the cable to the switch into its plug.
cable_into_vm() {
  ip link add wire type bridge mcast_snooping 0
  ip link set tap0 master wire
  ip link set eth0 master wire up
  ip link set wire up
}

# vm_ssh IMAGE WORDS…: runs the words as root in the VM of this network namespace.
vm_ssh() {
  local image=$1
  shift
  ssh "${CONSOLE[@]}" -i "$image/console" root@192.168.77.2 "$(printf '%q ' "$@")"
}

# vm_run LEADER WORDS…: becomes the words, run as root in the VM of that process. All share one connection, which ends
# with the life: setting one up costs an emulated processor a second.
vm_run() {
  local leader=$1
  shift
  exec nsenter --target "$leader" --net -- \
    ssh "${CONSOLE[@]}" -i "$dir/hosts/$host/vm/console" -o ControlMaster=auto -o ControlPersist=yes \
    -o "ControlPath=$REGISTRY/$id-$host" root@192.168.77.2 "$(printf '%q ' "$@")"
}
